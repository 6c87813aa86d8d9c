"""Decayed payoff counters against the published rule, game by game."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchmaking.payoff import add, batch_factors
from matchmaking.records import Counters


def published(counters: Counters, outcome: str, decay: float = 0.99) -> Counters:
    """AlphaStar's pseudocode, `Payoff.update`: decay the four counters, then add one to games and to the outcome."""
    values = {name: value * decay for name, value in counters.model_dump().items()}
    values["games"] += 1
    values[outcome] += 1
    return Counters(**values)


def test_one_game_is_the_published_rule_to_the_last_bit() -> None:
    ours = theirs = Counters()
    for outcome in ("wins", "losses", "draws", "wins", "wins", "draws"):
        ours = add(ours, *(int(outcome == name) for name in ("wins", "draws", "losses")))
        theirs = published(theirs, outcome)
        assert ours == theirs


def test_a_batch_of_like_outcomes_is_as_many_games() -> None:
    single = add(Counters(games=30, wins=10, draws=5, losses=15), 0, 0, 1)
    for _ in range(99):
        single = published(single, "wins")
    batch = add(add(Counters(games=30, wins=10, draws=5, losses=15), 0, 0, 1), 99, 0, 0)
    assert batch.model_dump() == pytest.approx(single.model_dump(), rel=1e-12)


def test_a_batch_enters_with_its_shares() -> None:
    counters = add(Counters(), 6, 2, 2)
    weight = (1 - 0.99**10) / (1 - 0.99)
    assert counters.games == pytest.approx(weight)
    assert counters.wins == pytest.approx(0.6 * weight)
    assert counters.win_rate == pytest.approx(0.7)


def test_without_decay_counters_are_counts() -> None:
    assert add(add(Counters(), 3, 2, 1, decay=1.0), 1, 0, 0, decay=1.0) == Counters(games=7, wins=4, draws=2, losses=1)


def test_memory_is_bounded_by_the_decay() -> None:
    assert add(Counters(), 1_000_000, 0, 0).games == pytest.approx(100.0)


def test_no_games_change_nothing_and_give_half() -> None:
    assert add(Counters(), 0, 0, 0) == Counters()
    assert Counters().win_rate == 0.5


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 500), st.floats(0.5, 1.0))
def test_outcomes_sum_to_games_and_both_sides_agree(wins: int, draws: int, losses: int, decay: float) -> None:
    mine, theirs = add(Counters(), wins, draws, losses, decay), add(Counters(), losses, draws, wins, decay)
    assert mine.wins + mine.draws + mine.losses == pytest.approx(mine.games)
    assert (mine.wins, mine.draws, mine.losses) == (theirs.losses, theirs.draws, theirs.wins)
    assert mine.win_rate + theirs.win_rate == pytest.approx(1.0)


@pytest.mark.parametrize("decay", [0.0, -0.5, 1.01, float("nan")])
def test_a_decay_out_of_range_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match="decay must be above 0"):
        batch_factors(1, decay)


def test_negative_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be negative"):
        add(Counters(), 2, 0, -1)
