"""The log of rated matches as counts by pair and seat: all that the published figures need of it.

Counts of the same matches are the same in whatever order they came and however they were cut into results, so nothing
that is computed from them can depend on the order of the log, not even in the last bit.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matchmaking.pfsp import Floats
from matchmaking.records import MatchResult


@dataclass(frozen=True, slots=True)
class Counts:
    """Matches by ordered pair of players.

    A forfeited match is counted as its letter says: lost by who failed, a draw where both did.

    Attributes:
        players: ids, sorted.
        first: int64 [m], position of the player in seat 0.
        second: int64 [m], position of the player in seat 1.
        outcomes: int64 [m, 3]: wins of the first, draws, losses of the first.
        forfeits: int64 [n]: matches in which the player failed.
    """

    players: tuple[str, ...]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    outcomes: NDArray[np.int64]
    forfeits: NDArray[np.int64]

    def games(self) -> Floats:
        """[n, n] matches of i against j in either seat; symmetric."""
        return self.matrix(self.outcomes.sum(axis=1), self.outcomes.sum(axis=1))

    def points(self) -> Floats:
        """[n, n] points of i against j in either seat: a win is 1, a draw 1/2."""
        wins, draws, losses = self.outcomes.T
        return self.matrix(wins + 0.5 * draws, losses + 0.5 * draws)

    def totals(self) -> NDArray[np.int64]:
        """[n, 3] wins, draws and losses of each player."""
        totals = np.zeros((len(self.players), 3), dtype=np.int64)
        np.add.at(totals, self.first, self.outcomes)
        np.add.at(totals, self.second, self.outcomes[:, ::-1])
        return totals

    def matrix(self, of_first: NDArray[Any], of_second: NDArray[Any]) -> Floats:
        """[n, n] sums over both seats: row i, column j holds what i has from its matches against j.

        Args:
            of_first: [m], for the player in seat 0.
            of_second: [m], for the player in seat 1.
        """
        matrix = np.zeros((len(self.players), len(self.players)))
        matrix[self.first, self.second] += of_first  # an ordered pair occurs once
        matrix[self.second, self.first] += of_second
        return matrix


def aggregate(results: Iterable[MatchResult]) -> Counts:
    """Count the log by ordered pair. The log holds each result once; results without matches add nobody."""
    number: dict[str, int] = {}  # of a player, in the order in which they come
    kind: dict[str, int] = {}  # of outcomes: many short results are alike, and are counted once
    rows = array("q")  # a, b, kind of outcomes
    failed: Counter[str] = Counter()
    for result in results:
        if not result.outcomes:
            continue
        rows.append(number.setdefault(result.a, len(number)))
        rows.append(number.setdefault(result.b, len(number)))
        rows.append(kind.setdefault(result.outcomes, len(kind)))
        if result.forfeits:
            failed.update(player for _, player in {(forfeit.match, forfeit.player) for forfeit in result.forfeits})
    players = tuple(sorted(number))
    place = np.empty(len(players), dtype=np.int64)
    place[[number[player] for player in players]] = np.arange(len(players))
    lines = np.frombuffer(rows, dtype=np.int64).reshape(-1, 3) if rows else np.empty((0, 3), dtype=np.int64)
    a, b = place[lines[:, 0]], place[lines[:, 1]]
    by_seat = np.asarray([_by_seat(outcomes) for outcomes in kind], dtype=np.int64).reshape(-1, 2, 3)[lines[:, 2]]
    pairs = np.concatenate([a * len(players) + b, b * len(players) + a])
    pairs, row = np.unique(pairs, return_inverse=True)
    counts = np.zeros((len(pairs), 3), dtype=np.int64)
    np.add.at(counts, row, by_seat.transpose(1, 0, 2).reshape(-1, 3))
    forfeits = np.asarray([failed[player] for player in players], dtype=np.int64)
    size = max(len(players), 1)
    return Counts(players, pairs // size, pairs % size, counts, forfeits)


def _by_seat(outcomes: str) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Wins, draws and losses of who sits in seat 0: in the matches where that is a, and in those where it is b."""
    home, away = outcomes[0::2], outcomes[1::2]  # both from a's view
    return (
        (home.count("w"), home.count("d"), home.count("l")),
        (away.count("l"), away.count("d"), away.count("w")),
    )
