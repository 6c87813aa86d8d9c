"""Ratings by role: they recover the truth, are a pure function of the matches, and stand beside the board's own."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from matchmaking.bradley_terry import ELO
from matchmaking.counts import aggregate
from matchmaking.records import MatchResult
from matchmaking.role_ratings import RoleStanding, role_standings
from matchmaking.standings import standings
from tests.matchmaking.simulated import members, result

ROLES = ("predators", "prey")
ALPHA = np.array([-250.0, -50.0, 100.0, 200.0])  # in Elo, as predators; of mean 0
BETA = np.array([150.0, -150.0, 60.0, -60.0])  # as prey
ADVANTAGE = 300.0  # of the predators


def log_by_role(results: int, pairs: int, seed: int) -> list[MatchResult]:
    """Pairings of random players whose strength depends on their role; no draws."""
    rng = np.random.default_rng(seed)
    log = []
    for number in range(results):
        a, b = rng.choice(4, size=2, replace=False)
        letters = []
        for match in range(2 * pairs):
            first, second = (a, b) if match % 2 == 0 else (b, a)
            won = rng.random() < 1 / (1 + np.exp(-(ALPHA[first] - BETA[second] + ADVANTAGE) / ELO))
            letters.append("w" if won == (match % 2 == 0) else "l")
        log.append(result(number, f"p{a:03}", f"p{b:03}", "".join(letters)))
    return log


def table(log: list[MatchResult], players: int = 4) -> dict[tuple[str, str], RoleStanding]:
    return {(row.id, row.role): row for row in role_standings(aggregate(log), members(players), ROLES)}


def test_strengths_by_role_are_recovered_however_much_a_role_is_worth() -> None:
    rows = table(log_by_role(600, 20, 1))
    for player in range(4):
        for role, truth in zip(ROLES, (ALPHA, BETA), strict=True):
            row = rows[f"p{player:03}", role]
            assert row.rating == pytest.approx(1000 + truth[player], abs=25)
            assert row.rating_high - row.rating_low < 50


@pytest.mark.parametrize("number", range(2))
def test_nine_of_ten_intervals_of_short_logs_hold_the_truth(number: int) -> None:
    held = []
    for seed in range(20):
        rows = table(log_by_role(30, 5, 100 * number + seed))
        for player in range(4):
            for role, truth in zip(ROLES, (ALPHA, BETA), strict=True):
                row = rows[f"p{player:03}", role]
                held.append(row.rating_low <= 1000 + truth[player] <= row.rating_high)
    assert 0.9 <= np.mean(held) <= 1.0, "160 intervals of 95 %"


def test_the_log_alone_decides() -> None:
    log = log_by_role(60, 4, 2)
    rows = role_standings(aggregate(log), members(4), ROLES)
    shuffled = [each.model_copy(update={"id": f"x{number}"}) for number, each in enumerate(log)]
    Random(1).shuffle(shuffled)
    halves = [
        each.model_copy(update={"id": f"{each.id}{part}", "outcomes": outcomes})
        for each in shuffled
        for part, outcomes in (("a", each.outcomes[:4]), ("b", each.outcomes[4:]))
    ]
    assert role_standings(aggregate(halves), members(4), ROLES) == rows
    assert [row.rank for row in rows] == [1, 2, 3, 4, 1, 2, 3, 4]
    assert [row.role for row in rows] == ["predators"] * 4 + ["prey"] * 4


def test_matches_are_counted_in_the_role_in_which_they_were_played() -> None:
    rows = table([result(0, "p000", "p001", "wwwlwd")], players=2)
    first, second = rows["p000", "predators"], rows["p000", "prey"]
    assert (first.wins, first.draws, first.losses, first.games) == (3, 0, 0, 3)
    assert (second.wins, second.draws, second.losses, second.games) == (1, 1, 1, 3)
    assert (first.score, second.score) == (100.0, 50.0)
    other = rows["p001", "prey"]
    assert (other.wins, other.draws, other.losses) == (0, 0, 3)
    for role in ROLES:
        assert np.mean([rows[player, role].rating for player in ("p000", "p001")]) == pytest.approx(1000)


def test_the_board_has_both_and_only_where_there_are_roles() -> None:
    log = log_by_role(40, 4, 3)
    board = standings(log, members(3), roles=ROLES)
    assert {(row.id, row.role) for row in board.by_role} == {
        (f"p{player:03}", role) for player in range(3) for role in ROLES
    }, "who is not on the board has no row"
    plain = standings(log, members(3))
    assert plain.by_role == ()
    assert plain == board.model_copy(update={"by_role": ()}), "the board's own ratings are the same"
    assert standings([], members(3), roles=ROLES).by_role == ()
