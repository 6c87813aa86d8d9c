"""Knockout, single and double: brackets, byes, ties, and who ends where."""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matchmaking.tournaments.core import Encounter, points
from matchmaking.tournaments.knockout import MORE_PAIRS, Knockout, double_bracket, seeding, winners_bracket
from tests.matchmaking.tournament_play import Play, at_random, names, play_out, stronger_seed


def losses(tournament: Knockout, results: dict[str, str]) -> Counter[str]:
    """Encounters that each player lost, ties by seed as the plan tells them."""
    lost: Counter[str] = Counter()
    plan = tournament.plan(results)
    for each in plan.encounters:
        own = 2 * points(results[each.id]) - len(results[each.id])
        if own:
            lost[each.b if own > 0 else each.a] += 1
    for note in plan.notes:
        tied, winner = re.findall(r"p\d+ and p\d+|(?<=; )p\d+", note)
        lost[next(player for player in tied.split(" and ") if player != winner)] += 1
    return lost


@pytest.mark.parametrize("size", [2, 4, 8, 16, 32])
def test_high_seeds_meet_late(size: int) -> None:
    lines = seeding(size)
    assert sorted(lines) == list(range(1, size + 1))
    while len(lines) > 1:
        pairs = list(zip(lines[0::2], lines[1::2], strict=True))
        assert all(sum(pair) == len(lines) + 1 for pair in pairs), "where favourites win, the best meets the worst"
        lines = [min(pair) for pair in pairs]


@settings(deadline=None)
@given(st.integers(2, 33), st.booleans())
def test_the_stronger_seed_wins(players: int, double: bool) -> None:
    tournament = Knockout(names(players), 1, double=double)
    results = play_out(tournament, stronger_seed)
    table = tournament.table(results)
    assert table[0].player == "p1" and table[0].note == "winner"
    assert (table[1].rank, table[1].player) == (2, "p2")
    assert table[1].note == f"lost the {'grand ' if double else ''}final to p1"
    if players > 3:
        assert {table[2].player, table[3].player} == {"p3", "p4"}
    assert tournament.plan(results).notes == ()
    assert len(results) == (2 * (players - 1) if double else players - 1)


@settings(max_examples=150, deadline=None)
@given(st.integers(2, 20), st.booleans(), st.integers(0, 10_000), st.integers(0, 2))
def test_who_loses_is_out(players: int, double: bool, seed: int, more: int) -> None:
    tournament = Knockout(names(players), 1, double=double, more_pairs=more)
    results = play_out(tournament, at_random(seed), random.Random(seed))
    lost = losses(tournament, results)
    table = tournament.table(results)
    winner = table[0].player
    assert lost[winner] <= (1 if double else 0)
    assert all(lost[place.player] == (2 if double else 1) for place in table[1:])
    assert [place.rank for place in table[:2]] == [1, 2]
    assert sorted(place.player for place in table) == sorted(names(players))
    plan = tournament.plan(results)
    rounds = Counter(
        (each.round, player) for each in plan.encounters for player in (each.a, each.b) if "+" not in each.id
    )
    assert max(rounds.values()) == 1, "nobody plays twice in a round"
    byes = [bye for bye in plan.byes if bye.round == 1]
    high = [f"p{number}" for number in range(1, len(byes) + 1)]
    assert sorted(bye.player for bye in byes) == sorted(high), "the highest seeds sit out first"


def test_brackets_have_as_many_nodes_as_losses() -> None:
    for size in (2, 4, 8, 16):
        assert len(winners_bracket(size)) == size - 1
        assert len(double_bracket(size)) == 2 * (size - 1) + 1, "with the grand final that may be played again"


def test_labels() -> None:
    labels = [node.label for node in winners_bracket(16)]
    assert Counter(labels) == {"round of 16": 8, "quarter-final": 4, "semi-final": 2, "final": 1}
    assert [node.label for node in double_bracket(4)][-3:] == [
        "losers' round 2",
        "grand final",
        "grand final, played again",
    ]


def with_outcomes(outcomes: dict[str, str]) -> Play:
    return lambda each: outcomes.get(each.id, stronger_seed(each))


def test_a_tie_is_played_on_and_then_the_seeding_decides() -> None:
    tournament = Knockout(names(4), 2)
    results = play_out(tournament, with_outcomes({"r1.1": "wlwl", "r1.1+1": "wl", "r1.1+2": "dl"}))
    extra = [each for each in tournament.plan(results).encounters if each.id.startswith("r1.1+")]
    assert [(each.id, each.pairs, each.label) for each in extra] == [
        ("r1.1+1", 1, "semi-final, more pairs"),
        ("r1.1+2", 1, "semi-final, more pairs"),
    ]
    assert tournament.table(results)[0].player == "p2", "p1 lost its second extra pair"
    assert tournament.plan(results).notes == ()

    def all_ties(each: Encounter) -> str:
        return "wl" * each.pairs

    plan = tournament.plan(play_out(tournament, all_ties))
    assert len(plan.encounters) == 3 * (1 + MORE_PAIRS)
    assert plan.notes[0] == (
        "semi-final, p1 and p4: still a tie after 4 more pairs; p1 goes on, as it is seeded higher (1 and 4)"
    )
    assert "a tie; p1 goes on" in Knockout(names(2), 1, more_pairs=0).plan({"r1.1": "dd"}).notes[0]


def test_the_grand_final_is_played_again_where_the_unbeaten_player_loses_it() -> None:
    tournament = Knockout(names(4), 1, double=True)
    for outcomes, ids, winner, lost in [
        ({"gf": "ww"}, ["gf"], "p1", "lost the grand final to p1"),
        ({"gf": "ll", "gf2": "ww"}, ["gf", "gf2"], "p1", "lost the grand final, played again to p1"),
        ({"gf": "ll", "gf2": "ll"}, ["gf", "gf2"], "p2", "lost the grand final, played again to p2"),
    ]:
        results = play_out(tournament, with_outcomes(outcomes))
        assert [name for name in results if name.startswith("gf")] == ids
        table = tournament.table(results)
        assert (table[0].player, table[1].note) == (winner, lost)


def test_a_tie_in_the_grand_final_goes_to_who_has_not_lost() -> None:
    tournament = Knockout(names(4), 1, double=True, more_pairs=1)
    upset = {"r1.1": "ll", "r1.2": "ww", "r2.1": "ww", "gf": "wl", "gf+1": "dd"}  # p2 wins over p4; p1 comes back
    results = play_out(tournament, with_outcomes(upset))
    plan = tournament.plan(results)
    final = next(each for each in plan.encounters if each.id == "gf")
    assert final.b == "p1"
    assert f"{final.a} goes on, as it has not lost before" in plan.notes[0]
    assert tournament.table(results)[0].player == final.a


def test_while_it_goes_on() -> None:
    tournament = Knockout(names(8), 1)
    table = tournament.table({"r1.1": "ll", "r1.2": "ww"})
    assert [place.rank for place in table] == [1] * 6 + [7] * 2
    assert (table[-2].player, table[-2].note) == ("p1", "lost the quarter-final to p8")
    assert {place.note for place in table[:-2]} == {"still in"}
    assert [each.id for each in tournament.plan({"r1.1": "ll", "r1.2": "ww"}).open({"r1.1": "", "r1.2": ""})] == [
        "r1.3",
        "r1.4",
        "r2.1",
    ], "an encounter opens as soon as both its players are known"
