"""The simpler rules, OpenAI Five's, and the registry."""

from __future__ import annotations

import json
from collections import Counter
from importlib.metadata import EntryPoint, EntryPoints

import numpy as np
import pytest

from matchmaking.population import Population
from matchmaking.records import EpisodeCount, Role
from matchmaking.rules import OpponentRule, RuleError, make, names, registry
from matchmaking.rules.openai_five import OpenAIFive
from tests.matchmaking.league_of import EXPLOITER, MAIN, OTHER_MAIN, frozen, set_rates, small_league


def opponents(rule: OpponentRule, population: Population, learner: str, count: int = 2000) -> Counter[str]:
    choices = rule.choose_many(population, learner, np.random.default_rng(0), count)
    return Counter(choice.opponent for choice in choices)


def beaten(opponent: str, wins: int = 1, player: str = MAIN) -> EpisodeCount:
    return EpisodeCount(player=player, opponent=opponent, seat=0, wins=wins, draws=0, losses=0)


def pool_of(size: int) -> Population:
    """The small league with `size` frozen selves of the main agent: `main_exploiter-x`, then p1, p2, ..."""
    population = small_league()
    for number in range(1, size):
        population.add(frozen(f"p{number}", MAIN, Role.MAIN_AGENT))
    return population


def test_naive_is_always_oneself() -> None:
    assert opponents(make("naive"), small_league(), EXPLOITER) == {EXPLOITER: 2000}


def test_fictitious_is_uniform_over_the_league_or_oneself() -> None:
    population = small_league()
    population.add(frozen("new", MAIN, Role.MAIN_AGENT))
    set_rates(population, MAIN, {"new": 1.0, "main_exploiter-x": 0.0})
    everyone = opponents(make("fictitious"), population, MAIN, 9000)
    assert {id: round(count / 9000, 1) for id, count in everyone.items()} == dict.fromkeys(
        ("main_exploiter-x", "league_exploiter-y", "new"), 0.3
    )
    assert set(opponents(make("fictitious", own=True), population, MAIN)) == {"main_exploiter-x", "new"}
    assert opponents(make("fictitious", own=True), population, EXPLOITER) == {EXPLOITER: 2000}


def test_pfsp_alone_by_weighting_and_pool() -> None:
    population = small_league()
    set_rates(population, MAIN, {"main_exploiter-x": 1.0, "league_exploiter-y": 0.5})
    assert set(opponents(make("pfsp"), population, MAIN)) == {"league_exploiter-y"}
    assert set(opponents(make("pfsp", weighting="variance", own=True), population, MAIN)) == {"main_exploiter-x"}
    assert opponents(make("pfsp", own=True), population, EXPLOITER) == {EXPLOITER: 2000}


def test_openai_five_is_80_20_and_starts_uniform() -> None:
    found = opponents(make("openai_five"), pool_of(2), MAIN, 20_000)
    assert found[MAIN] / 20_000 == pytest.approx(0.8, abs=0.012)
    assert found["p1"] / 20_000 == pytest.approx(0.1, abs=0.01)
    assert set(found) == {MAIN, "p1", "main_exploiter-x"}


def test_openai_five_quality_follows_the_paper() -> None:
    """q_i -= 0.01 / (N p_i) for each win, p = softmax(q); a new entrant takes the highest q."""
    population, rule = pool_of(3), OpenAIFive()
    quality = np.zeros(3)
    for position, name in ((0, "main_exploiter-x"), (2, "p2"), (0, "main_exploiter-x"), (0, "main_exploiter-x")):
        rule.observe(population, [beaten(name)])
        p = np.exp(quality) / np.exp(quality).sum()
        quality[position] -= 0.01 / (3 * p[position])
    assert list(rule.state()["quality"][MAIN].values()) == pytest.approx(quality.tolist(), rel=1e-12)
    population.add(frozen("p3", MAIN, Role.MAIN_AGENT))
    rule.observe(population, [beaten("p1", 2)])
    q = rule.state()["quality"][MAIN]
    assert q["p3"] == quality.max() == 0.0
    p = np.exp([*quality, 0.0]) / np.exp([*quality, 0.0]).sum()
    assert sum(rule.probabilities(population, MAIN).values()) == pytest.approx(1.0)
    first = -0.01 / (4 * p[1])
    raised = np.exp([quality[0], first, quality[2], 0.0])
    assert q["p1"] == pytest.approx(first - 0.01 / (4 * raised[1] / raised.sum()), rel=1e-12)


def test_openai_five_learns_nothing_from_losses_draws_self_play_and_strangers() -> None:
    population, rule = pool_of(2), OpenAIFive()
    lost = EpisodeCount(player=MAIN, opponent="p1", seat=1, wins=0, draws=3, losses=9)
    rule.observe(population, [lost, beaten(MAIN), beaten(OTHER_MAIN), beaten("league_exploiter-y")])
    assert set(rule.probabilities(population, MAIN).values()) == {0.5}


def test_openai_five_keeps_learners_apart() -> None:
    population, rule = pool_of(2), OpenAIFive(own=False)
    rule.observe(population, [beaten("p1", 5)])
    assert rule.probabilities(population, MAIN)["p1"] < rule.probabilities(population, OTHER_MAIN)["p1"]
    assert len(set(rule.probabilities(population, OTHER_MAIN).values())) == 1


def test_openai_five_stays_finite_after_any_number_of_wins() -> None:
    population, rule = pool_of(2), OpenAIFive()
    with np.errstate(all="raise", under="ignore"):
        rule.observe(population, [beaten("p1", 20_000)])
        assert rule.probabilities(population, MAIN)["p1"] == pytest.approx(0.0, abs=1e-300)
        rule.observe(population, [beaten("p1", 1)])
    assert all(np.isfinite(list(rule.state()["quality"][MAIN].values())))
    alone, single = pool_of(1), OpenAIFive()
    single.observe(alone, [beaten("main_exploiter-x", 200_000)])
    assert single.probabilities(alone, MAIN) == {"main_exploiter-x": 1.0}
    assert single.state()["quality"][MAIN]["main_exploiter-x"] == pytest.approx(-2000.0)


def test_a_draw_of_many_games_can_count_as_one() -> None:
    population = pool_of(2)
    one, lane = OpenAIFive(), OpenAIFive(games_per_draw=100.0)
    one.observe(population, [beaten("p1")])
    lane.observe(population, [beaten("p1", 100)])
    assert lane.probabilities(population, MAIN)["p1"] == pytest.approx(
        one.probabilities(population, MAIN)["p1"], rel=1e-3
    )


def test_openai_five_resumes_where_it_was() -> None:
    population, rule = pool_of(3), OpenAIFive()
    rule.observe(population, [beaten("p1", 3), beaten("p2", 1)])
    state = json.loads(json.dumps(rule.state()))
    resumed = OpenAIFive()
    resumed.load_state(state)
    assert resumed.state() == state
    population.add(frozen("p3", MAIN, Role.MAIN_AGENT))
    assert resumed.probabilities(population, MAIN) == rule.probabilities(population, MAIN)
    assert resumed.choose_many(population, MAIN, np.random.default_rng(5), 50) == rule.choose_many(
        population, MAIN, np.random.default_rng(5), 50
    )


@pytest.mark.parametrize("name", ["alphastar", "naive", "fictitious", "pfsp"])
def test_rules_without_memory_have_an_empty_state(name: str) -> None:
    rule = make(name)
    rule.observe(small_league(), [beaten("main_exploiter-x")])
    assert rule.state() == {}
    rule.load_state({})
    with pytest.raises(ValueError, match="keeps no state"):
        rule.load_state({"quality": {}})
    with pytest.raises(ValueError, match="key quality"):
        make("openai_five").load_state({})


@pytest.mark.parametrize("name", names())
def test_choices_are_reproducible_and_single_ones_equal_many(name: str) -> None:
    population = pool_of(4)
    set_rates(population, MAIN, {"p1": 0.1, "p2": 0.9, OTHER_MAIN: 0.2})
    many = make(name).choose_many(population, MAIN, np.random.default_rng(7), 100)
    rng = np.random.default_rng(7)
    assert [make(name).choose(population, MAIN, rng) for _ in range(100)] == many


def test_unknown_names_and_options_name_the_nearest() -> None:
    with pytest.raises(RuleError, match=r"no opponent rule 'alphstar': did you mean 'alphastar'\?"):
        make("alphstar")
    with pytest.raises(RuleError, match="no opponent rule 'zzz': there are: alphastar,"):
        make("zzz")
    with pytest.raises(RuleError, match=r"no option 'pfsp_shares': did you mean 'pfsp_share'\?"):
        make("alphastar_paper", pfsp_shares=0.4)
    with pytest.raises(RuleError, match="options of naive are: none"):
        make("naive", own=True)
    with pytest.raises(RuleError, match="no PFSP weighting 'cubed'; there are: squared, linear"):
        make("pfsp", weighting="cubed")
    with pytest.raises(RuleError, match="self_play_rate must be between 0 and 1"):
        make("alphastar", self_play_rate=3.0)


def test_plug_ins_are_found_and_cannot_take_our_names(monkeypatch: pytest.MonkeyPatch) -> None:
    points = EntryPoints(
        EntryPoint(name, value, registry.GROUP)
        for name, value in (
            ("mine", "matchmaking.rules.simple:FictitiousSelfPlay"),
            ("naive", "matchmaking.rules.simple:Pfsp"),
            ("broken", "matchmaking.no_such_module:Rule"),
        )
    )
    monkeypatch.setattr(registry, "entry_points", lambda group: points.select(group=group))
    assert names()[-2:] == ["broken", "mine"]
    assert set(opponents(make("mine", own=True), small_league(), MAIN)) == {"main_exploiter-x"}
    assert opponents(make("naive"), small_league(), MAIN) == {MAIN: 2000}
    with pytest.raises(RuleError, match=r"matchmaking\.no_such_module:Rule cannot be loaded"):
        make("broken")
