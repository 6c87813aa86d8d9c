"""Which rated matches to play next: a generator of pairings that knows nothing of how they are played.

A scheduler is a function of players, ratings and games played so far, so it can be tested and exchanged by itself.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from matchmaking.records import Kind, Pairing, Player, Rating


class Pairs(NamedTuple):
    """How many seat-swapped pairs of matches make a pairing.

    Attributes:
        usual: of players of ours, which are played in batches.
        with_bot: where a submitted bot takes part: it thinks about one move at a time.
    """

    usual: int
    with_bot: int


_BETA = 25.0 / 6.0
"""TrueSkill's performance noise: the scale on which ratings are close."""
_NOISE = 2.0 * _BETA**2
_FLATNESS = 1.0 - 2.0 / math.pi

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FAIR_TURN = 4
"""Every so many pairings go to the player whose last one is longest ago, however sure its rating is."""


class Games:
    """Who has met whom in rated matches, played or about to be, and in which order.

    Args:
        before: those that came before these; they are not changed.
    """

    def __init__(self, before: Games | None = None) -> None:
        self._before = before
        self._met: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._last: dict[str, int] = {}
        self._unrated: defaultdict[str, int] = defaultdict(int)
        self.pairings: int = before.pairings if before else 0

    def add(self, a: str, b: str, matches: int, *, rated: bool = True) -> None:
        """One more pairing.

        Args:
            a: a player.
            b: the other.
            matches: how many.
            rated: whether the ratings know of it; a pairing that waits, or was given up, teaches nothing (yet).
        """
        self.pairings += 1
        for player, other in ((a, b), (b, a)):
            self._met[player][other] += matches
            self._last[player] = self.pairings
            if not rated:
                self._unrated[player] += matches

    def met(self, player: str) -> dict[str, int]:
        """Matches of a player by opponent."""
        met = self._before.met(player) if self._before else {}
        for other, matches in self._met.get(player, {}).items():
            met[other] = met.get(other, 0) + matches
        return met

    def last(self, player: str) -> int:
        """Number of the newest pairing of a player, counted from 1; 0 where it had none."""
        return self._last.get(player) or (self._before.last(player) if self._before else 0)

    def unrated(self, player: str) -> int:
        """Matches of a player that its rating does not know of."""
        return self._unrated.get(player, 0) + (self._before.unrated(player) if self._before else 0)


class Scheduler(Protocol):
    """Says which pairings to play next."""

    def __call__(
        self,
        players: Sequence[Player],
        ratings: Mapping[str, Rating],
        games: Games,
        pairs: Pairs,
        rng: random.Random,
    ) -> Iterator[Pairing]:
        """Pairings without end, the most useful first; none where fewer than two players can play.

        Args:
            players: those who can be matched; learners among them change while they play and are not rated.
            ratings: live ratings; a player that is missing has none yet.
            games: matches played or about to be.
            pairs: seat-swapped pairs of matches in each pairing.
            rng: source of ids and seeds.
        """


def informative(
    players: Sequence[Player], ratings: Mapping[str, Rating], games: Games, pairs: Pairs, rng: random.Random
) -> Iterator[Pairing]:
    """The pairing that is expected to teach most; every fourth one is the turn of who has waited longest.

    A pairing teaches by how much it is expected to reduce the variance of its two ratings (A-optimal design: the sum of
    the squared errors of all ratings falls by so much; Lindley 1956 and, for adaptive pairings, Glickman and Jensen,
    "Adaptive Paired Comparison Design", 2005, and Mikhailiuk et al., "Active Sampling for Pairwise Comparisons", 2020,
    who take the entropy instead). With TrueSkill's beliefs N(mu, v) and noise c^2 = 2 beta^2, n matches tell
    about the difference of the two, of mean m and variance V = v_a + v_b, the Fisher information of a probit model

        I = n 2 / (pi c^2) exp(-k m^2 / (c^2 + 2 k V)) / sqrt(1 + 2 k V / c^2),    k = 1 - 2 / pi

    (phi^2 / (Phi (1 - Phi)) taken to second order in the exponent and averaged over the belief), and the reduction is

        gain = (v_a^2 + v_b^2) I / (1 + I V).

    It grows with either variance and falls with the distance: uncertain players first, then close ratings. The first
    player of a pairing is the one of the largest variance, the second maximises the gain, divided by 1 + the
    pairings that the two have had: a rating is worth what it says of everybody, and no model of strength in one number
    is exact. Variances are reduced by what is planned already, so a plan spreads over all uncertain players. One
    pairing costs O(players).

    Nobody starves: in 4 n successive pairings every one of n players is in at least one, since each fourth is given to
    the one whose last pairing is longest ago. A player that has just come is the most uncertain and has waited longest.
    """
    rated = [player for player in players if player.kind is not Kind.LEARNER]
    if len(rated) < 2:
        return
    index = {player.id: number for number, player in enumerate(rated)}
    known = [ratings.get(player.id, Rating()) for player in rated]
    mu = np.array([rating.mu for rating in known])
    variance = np.array([rating.sigma for rating in known]) ** 2
    unrated = np.array([games.unrated(player.id) for player in rated], dtype=np.float64)
    variance /= 1.0 + variance * unrated * _information(0.0, variance)
    last = np.array([games.last(player.id) for player in rated])
    is_bot = np.array([player.kind is Kind.BOT for player in rated])
    planned: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for turn in count(games.pairings + 1):
        first = _smallest(last, -variance) if turn % FAIR_TURN == 0 else _smallest(-variance, last)
        size = np.where(is_bot | is_bot[first], pairs.with_bot, pairs.usual)
        met = np.zeros(len(rated))
        for other, matches in games.met(rated[first].id).items():
            if other in index:
                met[index[other]] = matches
        for place, matches in planned[first].items():
            met[place] += matches
        information = 2.0 * size * _information(mu - mu[first], variance + variance[first])
        both = variance + variance[first]
        gain = (variance**2 + variance[first] ** 2) * information / (1.0 + information * both)
        gain /= 1.0 + met / (2.0 * size)
        gain[first] = -1.0
        second = _smallest(-gain, last)
        weight = information[second] / (1.0 + information[second] * both[second])
        for place, opponent in ((first, second), (second, first)):
            variance[place] -= variance[place] ** 2 * weight
            last[place] = turn
            planned[place][opponent] = planned[place].get(opponent, 0) + 2 * int(size[second])
        yield Pairing(
            id=f"m_{rng.getrandbits(64):016x}",
            a=rated[first].id,
            b=rated[second].id,
            pairs=int(size[second]),
            seed=rng.getrandbits(48),
        )


def _information(distance: Floats | float, variance: Floats) -> Floats:
    """Of one match about the difference of two ratings, believed to be N(distance, variance)."""
    spread = _NOISE + 2.0 * _FLATNESS * variance
    exponent = -_FLATNESS * np.square(distance) / spread
    return np.asarray(2.0 / math.pi / np.sqrt(_NOISE * spread) * np.exp(exponent))


def _smallest(key: Floats | Ints, tie: Floats | Ints) -> int:
    """Index of the smallest key; among equals that of the smallest `tie`, then the first."""
    candidates = np.flatnonzero(key == key.min())
    return int(candidates[np.argmin(tie[candidates])])
