"""The learner's view of the league: membership, order, payoff rows."""

from __future__ import annotations

import numpy as np
import pytest

from matchmaking.payoff import add
from matchmaking.population import Population
from matchmaking.records import Counters, Kind, Player, Role
from tests.matchmaking.league_of import EXPLOITER, LEAGUE, MAIN, OTHER_MAIN, frozen, learner, small_league


def names(population: Population, indices: np.typing.NDArray[np.int64]) -> list[str]:
    return [population.id(int(index)) for index in indices]


def test_roles_and_parents_are_fields_whatever_the_ids_say() -> None:
    population = small_league()
    population.add(frozen("main_agent-z", EXPLOITER, Role.MAIN_EXPLOITER))
    assert population.main_agents == [MAIN, OTHER_MAIN]
    assert names(population, population.frozen) == ["main_exploiter-x", "league_exploiter-y", "main_agent-z"]
    assert names(population, population.frozen_with_role(Role.MAIN_EXPLOITER)) == ["main_agent-z"]
    assert names(population, population.frozen_of(MAIN)) == ["main_exploiter-x"]
    assert names(population, population.frozen_of("nobody")) == []


def test_bots_and_scripted_players_are_neither_frozen_nor_learners() -> None:
    population = small_league()
    for kind in (Kind.BOT, Kind.SCRIPTED):
        population.add(Player(id=f"frozen main_agent {kind}", name=kind, kind=kind))
    assert len(population.frozen) == 2
    assert len(population.learners) == 4
    assert len(population) == 8


def test_batches_are_those_of_the_payoff_module_to_the_last_bit() -> None:
    population, expected = small_league(), Counters()
    rng = np.random.default_rng(0)
    for _ in range(50):
        wins, draws, losses = (int(count) for count in rng.integers(0, 40, size=3))
        population.record(MAIN, "league_exploiter-y", wins, draws, losses)
        expected = add(expected, wins, draws, losses)
    assert population.counters(MAIN, "league_exploiter-y") == expected
    assert population.win_rate(MAIN, "league_exploiter-y") == expected.win_rate


def test_both_directions_are_kept_for_hosted_learners() -> None:
    population = small_league()
    population.record(EXPLOITER, MAIN, 3, 1, 0)
    assert population.win_rate(EXPLOITER, MAIN) == 0.875
    assert population.win_rate(MAIN, EXPLOITER) == 0.125
    assert population.win_rate(OTHER_MAIN, EXPLOITER) == 0.5
    away = small_league(hosted=(MAIN,))
    away.record(EXPLOITER, MAIN, 3, 1, 0)
    assert away.win_rate(MAIN, EXPLOITER) == 0.125


def test_win_rates_stand_in_the_order_of_freezing() -> None:
    population = small_league()
    population.add(frozen("third", MAIN, Role.MAIN_AGENT))
    population.record(MAIN, "third", 1, 0, 0)
    population.record(MAIN, "main_exploiter-x", 0, 0, 1)
    assert population.win_rates(MAIN).tolist() == [0.0, 0.5, 1.0]
    assert population.win_rates(MAIN, population.frozen_of(MAIN)).tolist() == [0.0, 1.0]


def test_self_play_does_not_enter_the_payoff() -> None:
    population = small_league()
    with pytest.raises(ValueError, match="self-play"):
        population.record(MAIN, MAIN, 0, 5, 0)
    assert population.win_rate(MAIN, MAIN) == 0.5
    assert population.counters(MAIN, MAIN).games == 0


def test_growth_keeps_rows_and_earlier_views() -> None:
    population = small_league()
    population.record(MAIN, "main_exploiter-x", 1, 0, 0)
    before = population.frozen
    for number in range(1000):
        population.add(frozen(f"f{number}", MAIN, Role.MAIN_AGENT))
    population.record(MAIN, "f999", 0, 0, 1)
    assert before.tolist() == [4, 5]
    rates = population.win_rates(MAIN)
    assert rates.shape == (1002,)
    assert (rates[0], rates[1], rates[-1]) == (1.0, 0.5, 0.0)
    assert len(population.frozen_of(MAIN)) == 1001


def test_one_learners_freeze_and_games_touch_no_other() -> None:
    population = small_league()
    population.record(OTHER_MAIN, "main_exploiter-x", 5, 0, 5)
    before = {id: population.win_rates(id).tolist() for id in population.hosted}
    population.add(frozen("new", MAIN, Role.MAIN_AGENT))
    population.record(MAIN, "new", 7, 0, 0)
    for id in (OTHER_MAIN, EXPLOITER, LEAGUE):
        assert population.win_rates(id).tolist() == [*before[id], 0.5]
    assert names(population, population.frozen_of(OTHER_MAIN)) == ["league_exploiter-y"]


def test_views_cannot_be_written_to() -> None:
    population = small_league()
    with pytest.raises(ValueError, match="read-only"):
        population.frozen[0] = 3
    population.win_rates(MAIN)[0] = 0.9
    assert population.win_rates(MAIN)[0] == 0.5


def test_a_stored_row_replaces_the_row() -> None:
    population = small_league()
    population.record(MAIN, "main_exploiter-x", 4, 0, 0)
    stored = {"league_exploiter-y": add(Counters(), 3, 1, 4)}
    population.load_row(MAIN, stored)
    assert population.counters(MAIN, "league_exploiter-y") == stored["league_exploiter-y"]
    assert population.counters(MAIN, "main_exploiter-x") == Counters()
    population.record(MAIN, "league_exploiter-y", 1, 0, 0)
    assert population.counters(MAIN, "league_exploiter-y") == add(stored["league_exploiter-y"], 1, 0, 0)


def test_adding_twice_is_once_and_a_clash_is_an_error() -> None:
    population = small_league()
    population.add(learner(MAIN, Role.MAIN_AGENT))
    assert len(population) == 6
    with pytest.raises(ValueError, match="registered already"):
        population.add(learner(MAIN, Role.LEAGUE_EXPLOITER))


def test_errors_name_the_nearest_player_and_who_is_hosted() -> None:
    population = small_league(hosted=(MAIN,))
    with pytest.raises(ValueError, match="did you mean 'league_exploiter-y'"):
        population.index("league_exploiter-z")
    with pytest.raises(ValueError, match=f"hosted are: {MAIN}"):
        population.win_rates(EXPLOITER)
    with pytest.raises(ValueError, match="neither"):
        population.record(EXPLOITER, LEAGUE, 1, 0, 0)
    with pytest.raises(ValueError, match="only learners"):
        population.host("main_exploiter-x")
    with pytest.raises(ValueError, match="negative"):
        population.record(MAIN, LEAGUE, -1, 0, 2)
