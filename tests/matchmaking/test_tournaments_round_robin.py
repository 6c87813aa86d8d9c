"""Round robin and gauntlet: who meets whom, how often, and who is ahead."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchmaking.tournaments.core import Place, TournamentError, mirrored, points
from matchmaking.tournaments.gauntlet import Gauntlet
from matchmaking.tournaments.knockout import Knockout
from matchmaking.tournaments.round_robin import RoundRobin, circle
from matchmaking.tournaments.swiss import Swiss
from tests.matchmaking.tournament_play import at_random, names, play_out, stronger_seed


@given(st.integers(2, 25))
def test_everybody_meets_everybody_once_and_plays_once_a_round(players: int) -> None:
    rounds = circle(players)
    assert len(rounds) == players - 1 + players % 2
    for meetings in rounds:
        playing = [player for pair in meetings for player in pair]
        assert len(set(playing)) == len(playing) == players - players % 2
    met = Counter(pair for meetings in rounds for pair in meetings)
    assert met == Counter({(a, b): 1 for b in range(players) for a in range(b)})


def test_rounds_and_byes() -> None:
    tournament = RoundRobin(names(5), pairs=3, cycles=2)
    plan = tournament.plan({})
    assert plan.finished and len(plan.encounters) == 20
    assert Counter(frozenset((each.a, each.b)) for each in plan.encounters).most_common(1)[0][1] == 2
    assert Counter(bye.player for bye in plan.byes) == Counter(dict.fromkeys(names(5), 2))
    assert {each.pairs for each in plan.encounters} == {3}
    for encounter in plan.encounters:
        assert encounter.id.startswith(f"r{encounter.round}.")


def test_a_table_by_hand() -> None:
    """A cycle of three, who all beat the fourth."""
    tournament = RoundRobin(["a", "b", "c", "d"], pairs=1)
    wins = {("a", "b"): "ww", ("b", "c"): "ww", ("c", "a"): "wd"}
    wins |= {(player, "d"): "ww" for player in "abc"}
    results = {}
    for each in tournament.plan({}).encounters:
        outcomes = wins.get((each.a, each.b))
        results[each.id] = mirrored(wins[each.b, each.a]) if outcomes is None else outcomes
    # Points: a 2 + 0.5 + 2, b 2 + 2, c 1.5 + 2; Sonneborn-Berger in encounters: a 4 + 0.25 * 3.5, b 3.5, c 0.75 * 4.5
    assert tournament.table(results) == [
        Place(1, "a", 4.5, (4.0 + 0.25 * 3.5, 4.0, 0.0)),
        Place(2, "b", 4.0, (3.5, 4.0, 0.0)),
        Place(3, "c", 3.5, (0.75 * 4.5, 3.0, 0.0)),
        Place(4, "d", 0.0, (0.0, 0.0, 0.0)),
    ]


def test_ties() -> None:
    tournament = RoundRobin(["a", "b", "c"], pairs=1)
    even = {each.id: "wl" for each in tournament.plan({}).encounters}
    assert [(place.rank, place.player) for place in tournament.table(even)] == [(1, "a"), (1, "b"), (1, "c")]
    assert [place.rank for place in tournament.table({})] == [1, 1, 1]
    drawn = RoundRobin(["a", "b"], pairs=2)
    assert [place.rank for place in drawn.table({"r1.1": "wwdl"})] == [1, 2]


@given(st.integers(2, 9), st.integers(0, 1000))
def test_points_are_shared_out(players: int, seed: int) -> None:
    tournament = RoundRobin(names(players), pairs=2)
    results = play_out(tournament, at_random(seed), random.Random(seed))
    table = tournament.table(results)
    assert sum(place.points for place in table) == 4 * len(results)
    assert sorted(place.player for place in table) == sorted(tournament.players)
    assert [place.points for place in table] == sorted((place.points for place in table), reverse=True)


def test_the_stronger_seed_wins() -> None:
    tournament = RoundRobin(names(6), pairs=1)
    assert [place.player for place in tournament.table(play_out(tournament, stronger_seed))] == names(6)


@given(st.integers(2, 12), st.data())
def test_a_gauntlet_pairs_challengers_with_the_field_only(players: int, data: st.DataObject) -> None:
    challengers = data.draw(st.integers(1, players - 1))
    tournament = Gauntlet(names(players), 2, challengers)
    met = Counter((each.a, each.b) for each in tournament.plan({}).encounters)
    assert met == Counter({(a, b): 1 for a in names(players)[:challengers] for b in names(players)[challengers:]})
    assert {place.player for place in tournament.table({})} == set(names(players))


def test_a_gauntlet_ranks_by_the_share_of_points() -> None:
    tournament = Gauntlet(["new", "x", "y", "z"], pairs=1)
    results = {"r1.1": "ww", "r2.1": "ll", "r3.1": "wl"}
    assert [(place.rank, place.player, place.points) for place in tournament.table(results)] == [
        (1, "y", 1.0),
        (2, "new", 0.5),
        (3, "z", 0.5),
        (4, "x", 0.0),
    ], "new and z are level at 1/2; new has won more matches"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RoundRobin(["a"], 1), "at least 2 players, not 1"),
        (lambda: RoundRobin(["a", "b", "a"], 1), "'a' is named twice"),
        (lambda: Gauntlet(["a", "b"], 1, 2), "a gauntlet of 2 players has 1 to 1 challengers, not 2"),
        (lambda: Gauntlet(["a", "b"], 1, 0), "not 0"),
        (lambda: RoundRobin(["a", "b"], 1, 10**12), "1 to 100,000 encounters, not 1,000,000,000,000"),
        (lambda: RoundRobin(["a", "b"], 1, 0), "1 to 100,000 encounters, not 0"),
        (lambda: RoundRobin(["a", "b"], 0), "1 to 1,000,000 pairs of matches, not 0"),
        (lambda: Gauntlet(names(2000), 1, 1000), "1 to 100,000 encounters, not 1,000,000"),
        (lambda: Swiss(names(5000), 1, 4999), "1 to 100,000 encounters, not 12,497,500"),
        (lambda: Knockout(["a", "b"], 10**9), "1 to 1,000,000 pairs of matches, not 1,000,000,000"),
    ],
)
def test_what_is_no_tournament(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(TournamentError, match=message):
        make()


def test_points_and_views() -> None:
    assert points("wwdl") == 2.5
    assert mirrored("wwdl") == "lldw"
