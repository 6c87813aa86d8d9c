"""The scheduler is a pure function: new players first, close ratings next, nobody starves."""

from __future__ import annotations

import random
import time
from collections import Counter
from itertools import islice

from matchmaking.records import Kind, Pairing, Player, Rating
from matchmaking.schedule import Games, informative


def _players(count: int, kind: Kind = Kind.FROZEN) -> list[Player]:
    return [Player(id=f"p{number:05d}", name=f"n{number}", kind=kind) for number in range(count)]


def _plan(players: list[Player], ratings: dict[str, Rating], games: Games, count: int, seed: int = 0) -> list[Pairing]:
    return list(islice(informative(players, ratings, games, 4, random.Random(seed)), count))


def _appearances(pairings: list[Pairing]) -> Counter[str]:
    return Counter(player for pairing in pairings for player in (pairing.a, pairing.b))


def _settled(players: list[Player], step: float = 0.0) -> tuple[dict[str, Rating], dict[tuple[str, str], int]]:
    """All have played each other 40 times; `step` apart in mu."""
    ratings = {
        player.id: Rating(mu=25.0 + step * number, sigma=1.0, games=40 * len(players))
        for number, player in enumerate(players)
    }
    ids = sorted(ratings)
    return ratings, {(a, b): 40 for i, a in enumerate(ids) for b in ids[i + 1 :]}


def test_fewer_than_two_players_make_no_pairing() -> None:
    assert _plan([], {}, {}, 3) == []
    assert _plan(_players(1), {}, {}, 3) == []
    assert _plan([*_players(1), *_players(3, Kind.LEARNER)], {}, {}, 3) == []


def test_learners_are_not_rated() -> None:
    learner = Player(id="learner", name="learner", kind=Kind.LEARNER)
    assert "learner" not in _appearances(_plan([learner, *_players(3)], {}, {}, 50))


def test_the_same_arguments_give_the_same_plan() -> None:
    players = _players(5)
    assert _plan(players, {}, {}, 20, seed=1) == _plan(players, {}, {}, 20, seed=1)
    first, second = _plan(players, {}, {}, 20, seed=1), _plan(players, {}, {}, 20, seed=2)
    assert {pairing.seed for pairing in first}.isdisjoint(pairing.seed for pairing in second)
    assert len({pairing.id for pairing in first + second}) == 40


def test_nobody_plays_itself_and_every_pairing_has_the_pairs_asked_for() -> None:
    pairings = _plan(_players(3), {}, {}, 60)
    assert all(pairing.a != pairing.b and pairing.pairs == 4 for pairing in pairings)


def test_a_new_player_comes_first() -> None:
    players = _players(8)
    ratings, games = _settled(players[:-1])
    newcomer = players[-1].id
    pairings = _plan(players, ratings, games, 8)
    assert pairings[0].a == newcomer
    assert _appearances(pairings)[newcomer] >= 5


def test_new_players_meet_different_opponents() -> None:
    players = _players(8)
    ratings, games = _settled(players[:-1])
    newcomer = players[-1].id
    opponents = [p.b if p.a == newcomer else p.a for p in _plan(players, ratings, games, 8) if newcomer in (p.a, p.b)]
    assert len(set(opponents)) >= 5


def test_settled_players_meet_those_of_close_rating() -> None:
    players = _players(10)
    ratings, games = _settled(players, step=5.0)
    distances = [abs(ratings[p.a].mu - ratings[p.b].mu) for p in _plan(players, ratings, games, 40)]
    assert sum(distances) / len(distances) < 10.0  # of drawn-at-random pairs: 18
    assert max(distances) < 30.0


def test_nobody_starves() -> None:
    """One player stays uncertain for ever; the others still get their turns, the least played first."""
    players = _players(20)
    ratings, games = _settled(players)
    ratings[players[0].id] = Rating(sigma=8.0)
    appearances = _appearances(_plan(players, ratings, games, 200))
    assert min(appearances[player.id] for player in players) >= 2
    behind = dict(games)
    for pair in games:
        if players[7].id in pair:
            behind[pair] = 1
    firsts = Counter(pairing.a for pairing in _plan(players, ratings, behind, 40))
    assert firsts[players[7].id] >= 8


def test_a_fresh_league_plays_everyone_evenly() -> None:
    players = _players(6)
    appearances = _appearances(_plan(players, {}, {}, 30))
    assert max(appearances.values()) - min(appearances.values()) <= 4
    pairs = {frozenset((p.a, p.b)) for p in _plan(players, {}, {}, 30)}
    assert len(pairs) >= 12  # of 15


def test_thousands_of_players_are_planned_quickly() -> None:
    players = _players(5000)
    started = time.perf_counter()
    assert len(_plan(players, {}, {}, 64)) == 64
    assert time.perf_counter() - started < 1.0


def test_among_players_of_equal_games_the_uncertain_one_comes_first() -> None:
    players = _players(8)
    ratings, games = _settled(players)
    ratings[players[5].id] = Rating(sigma=3.0)
    pairings = _plan(players, ratings, games, 3)
    assert {pairing.a for pairing in pairings} == {players[5].id}


def test_opponents_change_although_one_is_closest() -> None:
    players = _players(8)
    ratings, _ = _settled(players, step=0.5)
    ratings[players[0].id] = Rating(mu=25.0, sigma=8.0)
    opponents = [p.b for p in _plan(players, ratings, {}, 9) if p.a == players[0].id]
    assert len(set(opponents)) == len(opponents) >= 5
