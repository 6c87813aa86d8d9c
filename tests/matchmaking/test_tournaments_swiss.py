"""Swiss: no pairing is repeated while another exists, held against all pairings of small fields."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matchmaking.tournaments.core import Place, TournamentError
from matchmaking.tournaments.matching import ALONE, Matching
from matchmaking.tournaments.swiss import Swiss, pair_round
from tests.matchmaking.tournament_play import at_random, names, play_out, stronger_seed

Meetings = frozenset[frozenset[int]]


@st.composite
def graphs(draw: st.DrawFn, most: int = 11) -> tuple[int, Meetings]:
    """A number of players and those pairs of them that have met."""
    players = draw(st.integers(2, most))
    pairs = [frozenset((a, b)) for b in range(players) for a in range(b)]
    chosen = draw(st.lists(st.booleans(), min_size=len(pairs), max_size=len(pairs)))
    return players, frozenset(pair for pair, met in zip(pairs, chosen, strict=True) if met)


def pairings(players: Sequence[int]) -> Iterator[list[frozenset[int]]]:
    """All ways to pair an even number of players."""
    if not players:
        yield []
        return
    first, *others = players
    for other in others:
        rest = [player for player in others if player != other]
        for pairing in pairings(rest):
            yield [frozenset((first, other)), *pairing]


def fewest_repeats(players: Sequence[int], met: Meetings) -> int:
    return min(sum(pair in met for pair in pairing) for pairing in pairings(players))


@settings(max_examples=150, deadline=None)
@given(graphs(8), st.data())
def test_a_round_repeats_as_little_as_any_pairing_could(graph: tuple[int, Meetings], data: st.DataObject) -> None:
    players, met = graph
    points = sorted(data.draw(st.lists(st.integers(0, 3), min_size=players, max_size=players)), reverse=True)
    byes = data.draw(st.lists(st.integers(0, 1), min_size=players, max_size=players))
    pairing, bye = pair_round([float(each) for each in points], dict.fromkeys(met, 1), byes)
    chosen = [frozenset(pair) for pair in pairing]
    everyone = set(range(players))
    assert sorted(player for pair in chosen for player in pair) == sorted(everyone - {bye})
    assert (bye is None) == (players % 2 == 0)
    repeats = sum(pair in met for pair in chosen)
    if bye is None:
        assert repeats == fewest_repeats(range(players), met)
    else:
        could = [player for player in everyone if byes[player] == min(byes)]
        least = {player: fewest_repeats(sorted(everyone - {player}), met) for player in could}
        assert repeats == min(least.values())
        assert bye == max(player for player in could if least[player] == repeats), "the lowest who can"
    # The highest player meets the nearest in points that such a pairing allows.
    left = sorted(everyone - {bye})
    best = [pairing for pairing in pairings(left) if sum(pair in met for pair in pairing) == repeats]
    allowed = {other for pairing in best for pair in pairing if left[0] in pair for other in pair - {left[0]}}
    fresh = {other for other in allowed if frozenset((left[0], other)) not in met} or allowed
    (opponent,) = next(pair for pair in chosen if left[0] in pair) - {left[0]}
    assert opponent in fresh
    assert points[left[0]] - points[opponent] == min(points[left[0]] - points[other] for other in fresh)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 12), st.integers(0, 10_000), st.data())
def test_a_tournament(players: int, seed: int, data: st.DataObject) -> None:
    most = players - 1 + players % 2
    tournament = Swiss(names(players), 1, data.draw(st.integers(1, most)))
    results = play_out(tournament, at_random(seed), random.Random(seed))
    plan = tournament.plan(results)
    met: set[frozenset[str]] = set()
    for number in range(1, tournament.rounds + 1):
        round_ = [each for each in plan.encounters if each.round == number]
        playing = [player for each in round_ for player in (each.a, each.b)]
        assert len(set(playing)) == len(playing) == players - players % 2, "everybody plays once a round"
        again = {frozenset((each.a, each.b)) for each in round_} & met
        if again:
            places = {player: place for place, player in enumerate(playing)}
            before = frozenset(frozenset(places[one] for one in pair) for pair in met if pair <= set(playing))
            assert len(again) == fewest_repeats(range(len(playing)), before)
        assert sum(f"round {number}:" in note for note in plan.notes) == len(again)
        met |= {frozenset((each.a, each.b)) for each in round_}
    byes = Counter(bye.player for bye in plan.byes)
    assert sum(byes.values()) == tournament.rounds * (players % 2)
    assert max(byes.values(), default=0) <= 1, "there are no more rounds than players"
    table = tournament.table(results)
    assert sum(place.points for place in table) == len(results) + sum(byes.values())
    assert sorted(place.player for place in table) == sorted(tournament.players)


def test_the_first_round_is_upper_half_against_lower_half() -> None:
    pairing, bye = pair_round([0.0] * 8, {}, [0] * 8)
    assert (pairing, bye) == ([(0, 4), (1, 5), (2, 6), (3, 7)], None)
    pairing, bye = pair_round([0.0] * 7, {}, [0] * 7)
    assert (pairing, bye) == ([(0, 3), (1, 4), (2, 5)], 6)


def test_winners_meet_winners() -> None:
    tournament = Swiss(names(8), 1)
    assert tournament.rounds == 3
    results = {each.id: stronger_seed(each) for each in tournament.plan({}).encounters}
    second = tournament.plan(results).open(results)
    assert [(each.id, each.a, each.b) for each in second] == [
        ("r2.1", "p1", "p3"),
        ("r2.2", "p2", "p4"),
        ("r2.3", "p5", "p7"),
        ("r2.4", "p6", "p8"),
    ]
    assert tournament.table(play_out(tournament, stronger_seed))[0] == Place(1, "p1", 3.0, (5.0, 5.0, 6.0))


def test_a_repeat_that_cannot_be_avoided_is_told() -> None:
    """Of two triangles only one pair is left that has not met, whichever rounds led there: n = 6, round 4."""
    triangle = [frozenset(pair) for one in ((0, 1, 2), (3, 4, 5)) for pair in ((one[0], one[1]), one[1:], one[::2])]
    met = {frozenset((a, b)): 1 for b in range(6) for a in range(b) if frozenset((a, b)) not in triangle}
    pairing, _ = pair_round([3.0, 2.0, 2.0, 1.0, 1.0, 0.0], met, [0] * 6)
    assert sum(frozenset(pair) in met for pair in pairing) == 1
    fields = [Swiss(names(6), 1, 5) for _ in range(40)]
    noted = [tournament.plan(play_out(tournament, at_random(seed))).notes for seed, tournament in enumerate(fields)]
    assert any(notes for notes in noted)
    assert "meet again, as no pairing without a repeat is left" in next(notes[0] for notes in noted if notes)


def test_tie_breaks_by_hand() -> None:
    """Five players, two rounds: p5 and p4 sit out."""
    tournament = Swiss(names(5), 1, 2)
    first = tournament.plan({})
    assert [(each.a, each.b) for each in first.encounters] == [("p1", "p3"), ("p2", "p4")]
    assert [bye.player for bye in first.byes] == ["p5"]
    assert tournament.table({})[0].points == 0.0, "a bye counts when its round is over"
    results = {"r1.1": "ww", "r1.2": "wd"}
    second = tournament.plan(results)
    # p1 and p2 have a point each, as p5 has; p1 meets the first of the lower half of these.
    assert [(each.a, each.b) for each in second.open(results)] == [("p1", "p2"), ("p5", "p3")]
    assert [bye.player for bye in second.byes] == ["p5", "p4"]
    results |= {"r2.1": "wl", "r2.2": "ll"}
    # Points: p1 1.5, p2 1.5, p5 1, p3 1, p4 1; Buchholz: opponents' points, a bye as the own.
    assert tournament.table(results) == [
        Place(1, "p1", 1.5, (2.5, 1.0 + 0.5 * 1.5, 3.0)),
        Place(2, "p2", 1.5, (2.5, 0.75 + 0.5 * 1.5, 2.5)),
        Place(3, "p4", 1.0, (2.5, 1.0 + 0.25 * 1.5, 0.5)),
        Place(4, "p3", 1.0, (2.5, 1.0, 2.0)),
        Place(5, "p5", 1.0, (2.0, 1.0, 0.0)),
    ]


@pytest.mark.parametrize(("players", "rounds", "most"), [(4, 4, 3), (5, 6, 5), (2, 0, 1)])
def test_more_rounds_than_opponents(players: int, rounds: int, most: int) -> None:
    with pytest.raises(TournamentError, match=f"{players} players has 1 to {most} rounds, not {rounds}"):
        Swiss(names(players), 1, rounds)


def test_two_hundred_players() -> None:
    tournament = Swiss(names(200), 1, 3)
    started = time.process_time()
    results: dict[str, str] = {}
    for _ in range(3):
        for each in tournament.plan(results).open(results):
            results[each.id] = stronger_seed(each)
    assert tournament.plan(results).notes == ()
    assert time.process_time() - started < 15


# Maximum matching.


def largest(players: int, edges: Meetings, gone: frozenset[int] = frozenset()) -> int:
    """By trying all subsets."""

    @cache
    def best(left: frozenset[int]) -> int:
        if len(left) < 2:
            return 0
        first = min(left)
        rest = left - {first}
        return max([best(rest), *(1 + best(rest - {other}) for other in rest if frozenset((first, other)) in edges)])

    return best(frozenset(range(players)) - gone)


def neighbours(players: int, edges: Meetings) -> list[set[int]]:
    return [{other for other in range(players) if frozenset((one, other)) in edges} for one in range(players)]


def check(matching: Matching, edges: Meetings, gone: frozenset[int]) -> None:
    for one, other in enumerate(matching.mate):
        if other != ALONE:
            assert matching.mate[other] == one and frozenset((one, other)) in edges and not {one, other} & gone


@settings(max_examples=300, deadline=None)
@given(graphs(10), st.randoms(use_true_random=False))
def test_the_matching_is_the_largest_however_many_go(graph: tuple[int, Meetings], rng: random.Random) -> None:
    players, edges = graph
    matching = Matching(neighbours(players, edges))
    assert matching.pairs == largest(players, edges)
    check(matching, edges, frozenset())
    order = rng.sample(range(players), players)
    gone: frozenset[int] = frozenset()
    while order:
        going = [order.pop() for _ in range(min(len(order), rng.choice((1, 2))))]
        gone |= set(going)
        before = matching.pairs
        left = matching.without(*going)
        assert matching.pairs == before, "the matching itself stays"
        matching = left
        assert matching.pairs == largest(players, edges, gone)
        check(matching, edges, gone)


def test_two_that_go_together_may_leave_a_path_between_others() -> None:
    """The mates of 1 and 5 find each other; then 6 and 7, who were alone before, can be joined through them."""
    graph = [{1, 3, 5, 7}, {0}, {4, 5, 6}, {0, 5, 6}, {2}, {0, 2, 3, 6}, {2, 3, 5}, {0}]
    matching = Matching(graph)
    assert (matching.mate[1], matching.mate[5], matching.mate[6], matching.mate[7]) == (0, 3, ALONE, ALONE)
    assert matching.without(1, 5).pairs == 3


def test_blossoms() -> None:
    """A chain of triangles needs paths through odd cycles."""
    edges = set()
    for start in range(0, 18, 2):
        edges |= {frozenset((start, start + 1)), frozenset((start + 1, start + 2)), frozenset((start, start + 2))}
    tail = frozenset({*edges, frozenset((18, 19))})
    assert Matching(neighbours(20, tail)).pairs == 10
