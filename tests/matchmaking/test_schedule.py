"""The scheduler is a pure function: what teaches most comes first, new players at once, nobody starves."""

from __future__ import annotations

import math
import random
import time
from collections import Counter
from itertools import islice

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from matchmaking.records import Kind, Pairing, Player, Rating
from matchmaking.schedule import FAIR_TURN, Games, Pairs, informative

PAIRS = Pairs(4, 2)


def _players(count: int, kind: Kind = Kind.FROZEN) -> list[Player]:
    return [Player(id=f"p{number:05d}", name=f"n{number}", kind=kind) for number in range(count)]


def _plan(
    players: list[Player], ratings: dict[str, Rating], games: Games | None, count: int, seed: int = 0
) -> list[Pairing]:
    return list(islice(informative(players, ratings, games or Games(), PAIRS, random.Random(seed)), count))


def _appearances(pairings: list[Pairing]) -> Counter[str]:
    return Counter(player for pairing in pairings for player in (pairing.a, pairing.b))


def _settled(players: list[Player], step: float = 0.0) -> tuple[dict[str, Rating], Games]:
    """All have played each other 40 times; `step` apart in mu."""
    ratings = {
        player.id: Rating(mu=25.0 + step * number, sigma=1.0, games=40 * len(players))
        for number, player in enumerate(players)
    }
    ids, games = sorted(ratings), Games()
    for number, a in enumerate(ids):
        for b in ids[number + 1 :]:
            games.add(a, b, 40)
    return ratings, games


def test_fewer_than_two_players_make_no_pairing() -> None:
    assert _plan([], {}, None, 3) == []
    assert _plan(_players(1), {}, None, 3) == []
    assert _plan([*_players(1), *_players(3, Kind.LEARNER)], {}, None, 3) == []


def test_learners_are_not_rated() -> None:
    learner = Player(id="learner", name="learner", kind=Kind.LEARNER)
    assert "learner" not in _appearances(_plan([learner, *_players(3)], {}, None, 50))


def test_the_same_arguments_give_the_same_plan() -> None:
    players = _players(5)
    assert _plan(players, {}, None, 20, seed=1) == _plan(players, {}, None, 20, seed=1)
    first, second = _plan(players, {}, None, 20, seed=1), _plan(players, {}, None, 20, seed=2)
    assert {pairing.seed for pairing in first}.isdisjoint(pairing.seed for pairing in second)
    assert len({pairing.id for pairing in first + second}) == 40


def test_nobody_plays_itself_and_every_pairing_has_the_pairs_asked_for() -> None:
    pairings = _plan(_players(3), {}, None, 60)
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


@settings(max_examples=60, deadline=None)
@given(
    players=st.integers(2, 12),
    sigmas=st.lists(st.floats(0.3, 9.0), min_size=12, max_size=12),
    levels=st.lists(st.floats(-200.0, 200.0), min_size=12, max_size=12),
    met=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11), st.integers(1, 400)), max_size=40),
    step=st.integers(1, 9),
)
def test_nobody_starves(
    players: int, sigmas: list[float], levels: list[float], met: list[tuple[int, int, int]], step: int
) -> None:
    """In `FAIR_TURN` pairings a player everyone is in one, whatever the ratings and however few are planned at once."""
    members = _players(players)
    ratings = {
        player.id: Rating(mu=mu, sigma=sigma) for player, mu, sigma in zip(members, levels, sigmas, strict=False)
    }
    games = Games()
    for a, b, matches in met:
        if a != b and max(a, b) < players:
            games.add(members[a].id, members[b].id, matches)
    for start in range(2):  # the bound holds from wherever one begins to count
        seen: set[str] = set()
        planned = 0
        while planned < FAIR_TURN * players:
            for pairing in _plan(members, ratings, games, min(step, FAIR_TURN * players - planned), seed=planned):
                games.add(pairing.a, pairing.b, 2 * pairing.pairs, rated=start == 0)
                seen |= {pairing.a, pairing.b}
                planned += 1
        assert seen == {player.id for player in members}


def test_who_has_waited_longest_has_every_fourth_turn() -> None:
    players = _players(20)
    ratings, games = _settled(players)
    ratings[players[0].id] = Rating(sigma=8.0)  # uncertain for ever: nothing of this plan is rated
    games.add(players[3].id, players[4].id, 8)
    while games.pairings % FAIR_TURN:
        games.add(players[5].id, players[6].id, 8)
    pairings = _plan(players, ratings, games, 8)
    before = _appearances(pairings[: FAIR_TURN - 1])
    waited = min((player for player in players if player.id not in before), key=lambda player: games.last(player.id))
    assert pairings[FAIR_TURN - 1].a == waited.id
    assert [pairing.a for pairing in pairings].count(players[0].id) >= 4


def test_a_pairing_with_a_bot_has_its_own_number_of_pairs() -> None:
    players = [*_players(3), Player(id="bot", name="bot", kind=Kind.BOT)]
    pairings = _plan(players, {}, None, 40)
    assert {pairing.pairs for pairing in pairings if "bot" in (pairing.a, pairing.b)} == {PAIRS.with_bot}
    assert {pairing.pairs for pairing in pairings if "bot" not in (pairing.a, pairing.b)} == {PAIRS.usual}


def test_the_opponent_is_the_one_that_teaches_most() -> None:
    """Against the expected reduction of variance by numerical integration of the probit model's information."""
    players = _players(6)
    ratings = {
        player.id: Rating(mu=mu, sigma=sigma)
        for player, mu, sigma in zip(
            players, (25.0, 26.0, 45.0, 26.0, 10.0, 31.0), (6.0, 1.0, 5.0, 3.0, 5.9, 4.0), strict=True
        )
    }
    noise = math.sqrt(2.0) * 25.0 / 6.0

    def gain(other: Player) -> float:
        one, two = ratings[players[0].id], ratings[other.id]
        both = one.sigma**2 + two.sigma**2
        grid = np.linspace(-8.0, 8.0, 4001)
        z = (one.mu - two.mu + grid * math.sqrt(both)) / noise
        density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
        information = density**2 / (ndtr(z) * ndtr(-z)) / noise**2
        belief = np.exp(-grid * grid / 2)
        mean = 2 * PAIRS.usual * float((information * belief).sum() / belief.sum())
        return (one.sigma**4 + two.sigma**4) * mean / (1 + mean * both)

    first = _plan(players, ratings, None, 1)[0]
    assert (first.a, first.b) == (players[0].id, max(players[1:], key=gain).id)
    distances = sorted(players[1:], key=gain, reverse=True)
    assert gain(distances[0]) > 1.1 * gain(distances[1]), "the case is clear"


def test_a_plan_spreads_over_all_who_are_uncertain() -> None:
    players = _players(12)
    ratings, games = _settled(players)
    uncertain = {player.id: Rating(sigma=6.0 - 0.1 * number) for number, player in enumerate(players[:4])}
    firsts = [pairing.a for pairing in _plan(players, ratings | uncertain, games, 7)]
    assert firsts[0] == players[0].id
    assert len(set(uncertain) & set(firsts)) >= 3, "not the most uncertain one again and again"


def test_what_waits_or_was_given_up_counts_as_if_it_had_been_played() -> None:
    """Else a player whose matches always break off would be asked for again and again."""
    players = _players(8)
    ratings, games = _settled(players)
    ratings[players[0].id] = Rating(sigma=6.0)
    assert _plan(players, ratings, games, 1)[0].a == players[0].id
    again = 0
    for number in range(40):
        (pairing,) = _plan(players, ratings, games, 1, seed=number)
        broken = players[0].id in (pairing.a, pairing.b)
        again += broken
        games.add(pairing.a, pairing.b, 2 * pairing.pairs, rated=not broken)
    assert again < 30, "it had 40 of 40 by its sigma alone"
    assert {games.last(player.id) > 28 for player in players} <= {True}


def test_games_on_top_of_games() -> None:
    before = Games()
    before.add("a", "b", 8)
    before.add("a", "c", 4)
    games = Games(before)
    games.add("b", "a", 2, rated=False)
    assert (games.met("a"), games.met("c"), games.met("d")) == ({"b": 10, "c": 4}, {"a": 4}, {})
    assert [games.last(player) for player in "abcd"] == [3, 3, 2, 0]
    assert [games.unrated(player) for player in "abcd"] == [2, 2, 0, 0]
    assert (games.pairings, before.pairings) == (3, 2)
    assert before.met("a") == {"b": 8, "c": 4}


def test_a_fresh_league_plays_everyone_evenly() -> None:
    players = _players(6)
    appearances = _appearances(_plan(players, {}, None, 30))
    assert max(appearances.values()) - min(appearances.values()) <= 4
    pairs = {frozenset((p.a, p.b)) for p in _plan(players, {}, None, 30)}
    assert len(pairs) >= 12  # of 15


def test_ten_thousand_players_are_planned_quickly() -> None:
    players = _players(10_000)
    rng = random.Random(1)
    games = Games()
    for _ in range(100_000):
        a, b = rng.sample(players, 2)
        games.add(a.id, b.id, 8)
    ratings = {player.id: Rating(mu=rng.gauss(25, 8), sigma=rng.uniform(0.5, 8)) for player in players}
    started = time.process_time()
    assert len(_plan(players, ratings, games, 64)) == 64
    assert time.process_time() - started < 1.0


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
    opponents = [p.b for p in _plan(players, ratings, None, 7) if p.a == players[0].id]
    assert len(set(opponents)) == len(opponents) >= 5
