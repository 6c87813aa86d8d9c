"""The log of rated matches as counts by pair and seat: all that the published figures need of it.

Counts of the same matches are the same in whatever order they came and however they were cut into results, so nothing
that is computed from them can depend on the order of the log, not even in the last bit.
"""

from __future__ import annotations

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
    table: dict[tuple[str, str], list[int]] = {}
    failed: Counter[str] = Counter()
    for result in results:
        outcomes = result.outcomes
        if not outcomes:
            continue
        _add(table, (result.a, result.b), outcomes[0::2], "wdl")  # with a in seat 0
        _add(table, (result.b, result.a), outcomes[1::2], "ldw")  # with b in seat 0, still from a's view
        if result.forfeits:
            failed.update(player for _, player in {(forfeit.match, forfeit.player) for forfeit in result.forfeits})
    players = tuple(sorted({player for pair in table for player in pair}))
    position = {player: index for index, player in enumerate(players)}
    pairs = sorted((position[first], position[second], *row) for (first, second), row in table.items())
    array = np.asarray(pairs, dtype=np.int64).reshape(-1, 5)
    forfeits = np.asarray([failed[player] for player in players], dtype=np.int64)
    return Counts(players, array[:, 0], array[:, 1], array[:, 2:], forfeits)


def _add(table: dict[tuple[str, str], list[int]], pair: tuple[str, str], outcomes: str, letters: str) -> None:
    """Add outcomes to a pair's row: how often each of the letters for win, draw and loss of the first occurs."""
    row = table.get(pair)
    if row is None:
        row = table[pair] = [0, 0, 0]
    for column, letter in enumerate(letters):
        row[column] += outcomes.count(letter)
