"""Everybody against everybody."""

from __future__ import annotations

import random
from itertools import permutations

import pytest

from league.export import document, render
from league.reports import TABLES
from league.reports.crosstable import SHOWN, Entrant, crosstable
from league.runs import RunFolder
from matchmaking.records import MatchResult
from matchmaking.service import Matchmaker
from tests.league.conftest import EVIL

A, B, C, D = (Entrant(f"p_{letter}", letter) for letter in "abcd")


def result(a: Entrant, b: Entrant, outcomes: str) -> MatchResult:
    return MatchResult(id=f"m_{a.id}{b.id}{outcomes}", a=a.id, b=b.id, seed=1, outcomes=outcomes)


LOG = [result(A, B, "wwdl"), result(B, A, "wd"), result(C, A, "ll"), result(C, D, "ww")]


def test_scores_are_summed_over_the_log_in_both_directions() -> None:
    data = document(crosstable("T", "r", "a", [A, B, C], LOG))
    rows = {(row["player"], row["opponent"]): row for row in data["crosstable"]}
    assert set(rows) == {("a", "b"), ("b", "a"), ("a", "c"), ("c", "a")}  # d is not in the ranking
    there, back = rows["a", "b"], rows["b", "a"]
    assert (there["wins"], there["draws"], there["losses"]) == (2, 2, 2)
    assert (back["wins"], back["draws"], back["losses"]) == (2, 2, 2)
    assert rows["a", "c"]["points"] == 2
    assert rows["c", "a"]["score"] == 0.0
    assert rows["a", "c"]["opponent_rank"] == 3


def test_totals_are_in_the_order_of_the_ranking() -> None:
    players = document(crosstable("T", "r", "a", [A, B, D], LOG))["players"]
    assert [(row["rank"], row["name"], row["points"], row["games"]) for row in players] == [
        (1, "a", 3.0, 6),
        (2, "b", 3.0, 6),
        (3, "d", 0.0, 0),
    ]
    assert players[2]["score"] is None


def test_points_of_all_are_the_games() -> None:
    rng = random.Random(0)
    entrants = [Entrant(f"p_{number}", f"n{number}") for number in range(7)]
    log = [result(a, b, "".join(rng.choices("wdl", k=6))) for a, b in permutations(entrants, 2)]
    data = document(crosstable("T", "r", "a", entrants, log))
    assert sum(row["points"] for row in data["players"]) == 6 * len(log)
    assert len(data["crosstable"]) == 7 * 6
    by_pair = {(row["player"], row["opponent"]): row for row in data["crosstable"]}
    for (player, opponent), row in by_pair.items():
        assert row["wins"] == by_pair[opponent, player]["losses"]
        assert row["score"] + by_pair[opponent, player]["score"] == pytest.approx(100.0)


def test_people_see_a_square() -> None:
    lines = render(crosstable("T", "r", "a", [A, B, C], LOG), "md").splitlines()
    assert lines[-3:] == [
        "| 1 | a | 5.0 | 62.5 % | 8 | × | 2–2–2 | 2–0–0 |",
        "| 2 | b | 3.0 | 50.0 % | 6 | 2–2–2 | × | – |",
        "| 3 | c | 0.0 | 0.0 % | 2 | 0–0–2 | – | × |",
    ]


def test_a_square_that_cannot_be_read_is_cut_and_says_so() -> None:
    entrants = [Entrant(f"p_{number}", f"n{number}") for number in range(SHOWN + 5)]
    data = crosstable("T", "r", "a", entrants, [result(entrants[0], entrants[-1], "wl")])
    view = data.seen()
    assert len(view.rows) == SHOWN
    assert f"The best {SHOWN} of {SHOWN + 5} are shown" in view.about
    assert len(document(data)["players"]) == SHOWN + 5


def test_names_are_text_in_tips_too() -> None:
    evil = Entrant("p_evil", EVIL)
    page = render(crosstable("T", "r", "a", [A, evil], [result(A, evil, "ww")]), "html")
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert") >= 3  # its row, its column, its cells


def test_a_run_has_the_order_of_its_board(matchmaker: Matchmaker, made_up: RunFolder) -> None:
    board = [row.name for row in matchmaker.standings().players if row.games]
    data = document(TABLES["crosstable"](matchmaker, made_up))
    assert [row["name"] for row in data["players"]] == board
    assert sum(row["games"] for row in data["players"]) == 2 * sum(len(each.outcomes) for each in matchmaker.matches())
