"""AlphaStar's matchmaking, branch by branch, and its empty beginnings."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from matchmaking.pfsp import Weighting, pfsp_weights
from matchmaking.population import Population
from matchmaking.records import Role
from matchmaking.rules import Choice, make
from matchmaking.rules.alphastar import PAPER, PSEUDOCODE, AlphaStar, AlphaStarSettings, remove_monotonic_suffix
from tests.matchmaking.league_of import EXPLOITER, LEAGUE, MAIN, OTHER_MAIN, frozen, learner, set_rates, small_league

DRAWS = 20_000
TOLERANCE = 0.015  # more than four standard deviations of a share over DRAWS


def shares(population: Population, learner: str, rule: AlphaStar | None = None) -> dict[Choice, float]:
    choices = (rule or AlphaStar()).choose_many(population, learner, np.random.default_rng(0), DRAWS)
    return {choice: count / DRAWS for choice, count in Counter(choices).items()}


def close(found: dict[Choice, float], expected: dict[Choice, float]) -> None:
    assert set(found) == set(expected)
    for choice, share in expected.items():
        assert found[choice] == pytest.approx(share, abs=TOLERANCE), choice


@pytest.mark.parametrize(
    ("rates", "kept"),
    [
        ([], 0),
        ([0.5], 0),
        ([0.9, 0.8, 0.7], 0),  # ever harder: nothing is forgotten
        ([0.5, 0.5, 0.5], 0),  # equal is no rise
        ([0.1, 0.9], 2),
        ([0.1, 0.9, 0.5], 2),  # the rise at index 1 stays, what follows falls
        ([0.5, 0.4, 0.6, 0.6, 0.3], 3),
        ([0.1, 0.2, 0.9, 0.1, 0.2], 5),
    ],
)
def test_the_suffix_is_cut_after_the_last_rise(rates: list[float], kept: int) -> None:
    players = np.arange(len(rates)) + 10
    left, right = remove_monotonic_suffix(np.array(rates), players)
    assert left.tolist() == rates[:kept]
    assert right.tolist() == players[:kept].tolist()


def test_main_agent_half_pfsp_half_self_play_while_nothing_is_known() -> None:
    close(
        shares(small_league(), MAIN),
        {
            Choice("main_exploiter-x", "pfsp"): 0.25,
            Choice("league_exploiter-y", "pfsp"): 0.25,
            Choice(MAIN, "self_play"): 0.25,
            Choice(OTHER_MAIN, "self_play"): 0.25,
        },
    )


def test_main_agent_pfsp_is_squared() -> None:
    population = small_league()
    set_rates(population, MAIN, {"main_exploiter-x": 0.9, "league_exploiter-y": 0.6})
    found = shares(population, MAIN)
    expected = 0.5 * pfsp_weights(np.array([0.9, 0.6]), Weighting.SQUARED)
    assert found[Choice("main_exploiter-x", "pfsp")] == pytest.approx(expected[0], abs=TOLERANCE)
    assert found[Choice("league_exploiter-y", "pfsp")] == pytest.approx(expected[1], abs=TOLERANCE)


def test_verification_takes_exploiters_that_win() -> None:
    population = small_league()
    for id in ("main_agent-e1", "main_agent-e2"):
        population.add(frozen(id, EXPLOITER, Role.MAIN_EXPLOITER))
    set_rates(population, MAIN, {"main_agent-e1": 0.2, "main_agent-e2": 0.6})
    found = shares(population, MAIN)
    weights = 0.15 * pfsp_weights(np.array([0.2, 0.6]), Weighting.SQUARED)
    assert found[Choice("main_agent-e1", "exploited")] == pytest.approx(weights[0], abs=TOLERANCE)
    assert found[Choice("main_agent-e2", "exploited")] == pytest.approx(weights[1], abs=TOLERANCE)
    set_rates(population, MAIN, {"main_agent-e1": 0.3, "main_agent-e2": 0.6})
    assert not [choice for choice in shares(population, MAIN) if choice.branch == "exploited"]


def test_verification_takes_forgotten_players_of_the_drawn_main_agent() -> None:
    population = small_league()
    for id in ("b1", "b2", "b3"):
        population.add(frozen(id, OTHER_MAIN, Role.MAIN_AGENT))
    past = {"league_exploiter-y": 0.9, "b1": 0.6, "b2": 0.8, "b3": 0.75}
    set_rates(population, MAIN, past)
    found = {choice: share for choice, share in shares(population, MAIN).items() if choice.branch == "forgotten"}
    weights = 0.075 * pfsp_weights(np.array([0.9, 0.6, 0.8]), Weighting.SQUARED)  # b3 is the monotonic suffix
    ids = ("league_exploiter-y", "b1", "b2")
    close(found, {Choice(id, "forgotten"): share for id, share in zip(ids, weights, strict=True)})
    set_rates(population, MAIN, past | {"b1": 0.7})
    assert not [choice for choice in shares(population, MAIN) if choice.branch == "forgotten"]


def test_self_play_against_a_stronger_main_agent_takes_its_past_by_variance() -> None:
    population = small_league()
    population.add(frozen("b1", OTHER_MAIN, Role.MAIN_AGENT))
    set_rates(population, MAIN, {OTHER_MAIN: 0.3, "league_exploiter-y": 0.9, "b1": 0.5})
    found = shares(population, MAIN)
    weights = 0.25 * pfsp_weights(np.array([0.9, 0.5]), Weighting.VARIANCE)
    assert Choice(OTHER_MAIN, "self_play") not in found
    assert found[Choice("league_exploiter-y", "curriculum")] == pytest.approx(weights[0], abs=TOLERANCE)
    assert found[Choice("b1", "curriculum")] == pytest.approx(weights[1], abs=TOLERANCE)
    set_rates(population, MAIN, {OTHER_MAIN: 0.31})
    assert shares(population, MAIN)[Choice(OTHER_MAIN, "self_play")] == pytest.approx(0.25, abs=TOLERANCE)


def test_main_exploiter_plays_the_main_agent_or_its_past() -> None:
    population = small_league()
    set_rates(population, EXPLOITER, {MAIN: 0.11, OTHER_MAIN: 0.1})
    close(
        shares(population, EXPLOITER),
        {Choice(MAIN, "main_agent"): 0.5, Choice("league_exploiter-y", "curriculum"): 0.5},
    )


def test_main_exploiter_of_the_paper_takes_the_curriculum_half_of_the_time() -> None:
    population = small_league()
    set_rates(population, EXPLOITER, {MAIN: 0.19, OTHER_MAIN: 0.21, "main_exploiter-x": 0.5, "league_exploiter-y": 0.9})
    weights = 0.25 * pfsp_weights(np.array([0.5, 0.9]), Weighting.VARIANCE)
    close(
        shares(population, EXPLOITER, AlphaStar(PAPER)),
        {
            Choice(OTHER_MAIN, "main_agent"): 0.5,
            Choice(MAIN, "main_agent"): 0.25,
            Choice("main_exploiter-x", "curriculum"): weights[0],
            Choice("league_exploiter-y", "curriculum"): weights[1],
        },
    )


def test_league_exploiter_is_linear_capped_over_everyone_frozen() -> None:
    population = small_league()
    population.add(frozen("e", EXPLOITER, Role.MAIN_EXPLOITER))
    rates = {"main_exploiter-x": 0.1, "league_exploiter-y": 0.4, "e": 0.8}
    set_rates(population, LEAGUE, rates)
    weights = pfsp_weights(np.array(list(rates.values())), Weighting.LINEAR_CAPPED)
    close(
        shares(population, LEAGUE),
        {Choice(id, "pfsp"): share for id, share in zip(rates, weights, strict=True)},
    )


@pytest.mark.parametrize("rule", ["alphastar", "alphastar_paper"])
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0])
def test_no_league_is_too_small(rule: str, role: Role, rate: float) -> None:
    """Alone; then beside a main agent without frozen players; then with only lost or only won games."""
    population = Population([learner("main_agent", role)])
    population.host("main_agent")
    rng = np.random.default_rng(0)
    assert {choice.opponent for choice in make(rule).choose_many(population, "main_agent", rng, 200)} == {"main_agent"}
    population.add(learner("m", Role.MAIN_AGENT))
    set_rates(population, "main_agent", {"m": rate})
    assert {choice.opponent for choice in make(rule).choose_many(population, "main_agent", rng, 200)} <= {
        "main_agent",
        "m",
    }
    population.add(frozen("f", "m", Role.MAIN_AGENT))
    set_rates(population, "main_agent", {"m": rate, "f": rate})
    opponents = {choice.opponent for choice in make(rule).choose_many(population, "main_agent", rng, 200)}
    assert opponents <= {"main_agent", "m", "f"}


def test_the_role_is_a_field_of_the_record_and_must_be_there() -> None:
    population = Population([learner("main_agent", None)])
    population.host("main_agent")
    with pytest.raises(ValueError, match="has no role"):
        AlphaStar().choose(population, "main_agent", np.random.default_rng(0))


def test_many_choices_are_as_many_single_ones() -> None:
    population = small_league()
    population.add(frozen("e", EXPLOITER, Role.MAIN_EXPLOITER))
    for id in (MAIN, EXPLOITER, LEAGUE):
        set_rates(population, id, {"e": 0.2, OTHER_MAIN: 0.05, "main_exploiter-x": 0.7})
        one, many = np.random.default_rng(3), np.random.default_rng(3)
        single = [AlphaStar().choose(population, id, one) for _ in range(300)]
        assert single == AlphaStar().choose_many(population, id, many, 300)


@pytest.mark.parametrize("changes", [{"self_play_rate": 1.1}, {"pfsp_share": -0.1}, {"pfsp_share": 0.9}])
def test_settings_out_of_range_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        AlphaStarSettings(**changes)  # type: ignore[arg-type]


def test_the_published_numbers() -> None:
    assert (PSEUDOCODE.pfsp_share, PSEUDOCODE.verification_share) == (0.5, 0.15)
    assert (PSEUDOCODE.self_play_rate, PSEUDOCODE.exploited_rate, PSEUDOCODE.forgotten_rate) == (0.3, 0.3, 0.7)
    assert (PSEUDOCODE.exploiter_rate, PSEUDOCODE.curriculum_share) == (0.1, 1.0)
    assert (PAPER.exploiter_rate, PAPER.curriculum_share) == (0.2, 0.5)
