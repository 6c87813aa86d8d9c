"""Which rated matches to play next: a generator of pairings that knows nothing of how they are played.

A scheduler is a function of players, ratings and games played so far, so it can be tested and exchanged by itself.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from matchmaking.records import Kind, Pairing, Player, Rating

Games = Mapping[tuple[str, str], int]
"""Matches between two players, played or about to be; the key holds the two ids in ascending order."""

_BETA = 25.0 / 6.0
"""TrueSkill's performance noise: the scale on which ratings are close."""

_FAIR_TURN = 4
"""Every so many pairings go to the player with the fewest matches, however sure its rating is: nobody starves."""


class Scheduler(Protocol):
    """Says which pairings to play next."""

    def __call__(
        self,
        players: Sequence[Player],
        ratings: Mapping[str, Rating],
        games: Games,
        pairs: int,
        rng: random.Random,
    ) -> Iterator[Pairing]:
        """Pairings without end, the most useful first; none where fewer than two players can play.

        Args:
            players: the members of the league.
            ratings: live ratings; a player that is missing has none yet.
            games: matches played or about to be.
            pairs: seat-swapped pairs of matches in each pairing.
            rng: source of ids and seeds.
        """


def informative(
    players: Sequence[Player], ratings: Mapping[str, Rating], games: Games, pairs: int, rng: random.Random
) -> Iterator[Pairing]:
    """New and uncertain players first, then close ratings; every fourth pairing goes to who played least.

    The first player is the one of the largest sigma, where sigma shrinks with the matches that were planned for it
    already. Its opponent maximises the likelihood that the two are of equal strength (the match quality
    of TrueSkill, Herbrich et al. 2006), divided by the matches that the two have had.
    Learners change while they play and are not rated: only frozen, scripted and submitted players are paired.
    """
    rated = [player for player in players if player.kind is not Kind.LEARNER]
    if len(rated) < 2:
        return
    known = [ratings.get(player.id, Rating()) for player in rated]
    mu = np.array([rating.mu for rating in known])
    sigma = np.array([rating.sigma for rating in known])
    met = _games_by_index(rated, games)
    total = np.array([sum(met[index].values()) for index in range(len(rated))], dtype=np.float64)
    planned = np.zeros(len(rated))
    turn = 0
    while True:
        turn += 1
        if turn % _FAIR_TURN == 0:
            first = _smallest(total, -sigma)
        else:
            # As if sigma^2 fell like 1 / matches: a plan of many pairings spreads over all uncertain players.
            seen = np.maximum(total - planned, 2.0 * pairs)
            first = _smallest(-sigma / np.sqrt(1.0 + planned / seen), total)
        second = _best_opponent(first, mu, sigma, met[first], pairs)
        for player, other in ((first, second), (second, first)):
            met[player][other] = met[player].get(other, 0) + 2 * pairs
            total[player] += 2 * pairs
            planned[player] += 2 * pairs
        yield Pairing(
            id=f"m_{rng.getrandbits(64):016x}",
            a=rated[first].id,
            b=rated[second].id,
            pairs=pairs,
            seed=rng.getrandbits(48),
        )


def _games_by_index(players: Sequence[Player], games: Games) -> defaultdict[int, dict[int, int]]:
    """For each player, by index: opponent -> matches, among these players."""
    index = {player.id: number for number, player in enumerate(players)}
    met: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for (a, b), number in games.items():
        if a in index and b in index:
            met[index[a]][index[b]] = number
            met[index[b]][index[a]] = number
    return met


def _best_opponent(
    player: int, mu: NDArray[np.float64], sigma: NDArray[np.float64], met: Mapping[int, int], pairs: int
) -> int:
    variance = 2.0 * _BETA**2 + sigma**2 + sigma[player] ** 2
    quality = np.exp(-((mu - mu[player]) ** 2) / (2.0 * variance)) * math.sqrt(2.0) * _BETA / np.sqrt(variance)
    number = np.zeros(len(mu))
    if met:
        number[list(met.keys())] = list(met.values())
    value = quality / (1.0 + number / (2.0 * pairs))
    value[player] = -1.0
    return _smallest(-value, number)


def _smallest(key: NDArray[np.float64], tie: NDArray[np.float64]) -> int:
    """Index of the smallest key; among equals that of the smallest `tie`, then the first."""
    candidates = np.flatnonzero(key == key.min())
    return int(candidates[np.argmin(tie[candidates])])
