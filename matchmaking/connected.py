"""Whose ratings can be compared: players joined by chains of matches, and by chains of points.

A Bradley-Terry fit by likelihood alone is finite only where every player has taken points from every other along some
chain (Ford, "Solution of a Ranking Problem from Binary Comparisons", 1957). Elsewhere it is the prior that holds the
groups at their distance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matchmaking.pfsp import Floats

Flags = NDArray[np.bool_]


def by_matches(games: Floats) -> Flags:
    """[n] whether a chain of matches joins a player to the largest group.

    Args:
        games: [n, n] matches of i against j.
    """
    return _largest(games > 0, "weak")


def by_points(points: Floats) -> Flags:
    """[n] whether chains of points lead from a player to the largest group and back.

    Args:
        points: [n, n] points of i against j.
    """
    return _largest(points > 0, "strong")


def _largest(links: Flags, connection: str) -> Flags:
    """The largest component, among equal ones that of the first player."""
    from scipy.sparse import csr_array  # late: importing scipy takes longer than most commands
    from scipy.sparse.csgraph import connected_components

    if not len(links):
        return np.zeros(0, dtype=np.bool_)
    _, label = connected_components(csr_array(links), directed=True, connection=connection)
    sizes = np.bincount(label)[label]  # [n] size of each player's component
    return np.asarray(label == label[int(sizes.argmax())])
