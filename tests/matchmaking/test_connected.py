"""Who can be compared with whom: by matches, and by points both ways."""

from __future__ import annotations

import numpy as np

from matchmaking.connected import by_matches, by_points


def matrix(players: int, *pairs: tuple[int, int]) -> np.typing.NDArray[np.float64]:
    found = np.zeros((players, players))
    for i, j in pairs:
        found[i, j] = 1.0
    return found


def test_chains_of_matches_join() -> None:
    games = matrix(6, (0, 1), (1, 2), (3, 4))
    assert by_matches(games + games.T).tolist() == [True, True, True, False, False, False]


def test_points_have_to_lead_back() -> None:
    """0 beats 1 beats 2 beats 0; 3 beats them all and 4 loses to all of them."""
    points = matrix(5, (0, 1), (1, 2), (2, 0), (3, 0), (3, 1), (0, 4), (2, 4))
    assert by_points(points).tolist() == [True, True, True, False, False]
    assert by_points(points + matrix(5, (0, 3))).tolist() == [True, True, True, True, False]


def test_of_equal_groups_the_first_is_the_main_one() -> None:
    games = matrix(5, (1, 4), (2, 3))
    assert by_matches(games + games.T).tolist() == [False, True, False, False, True]
    assert by_matches(np.zeros((0, 0))).tolist() == []
    assert by_points(np.zeros((2, 2))).tolist() == [True, False]
