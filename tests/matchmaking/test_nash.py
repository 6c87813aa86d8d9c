"""Nash averaging: the published examples, degenerate games, and random ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matchmaking.nash import nash_weights

ROCK_PAPER_SCISSORS = np.array([[0.0, 4.6, -4.6], [-4.6, 0.0, 4.6], [4.6, -4.6, 0.0]])


def test_rock_paper_scissors_is_a_third_each() -> None:
    assert nash_weights(ROCK_PAPER_SCISSORS) == pytest.approx([1 / 3] * 3)


def test_a_copy_shares_the_weight_of_its_original() -> None:
    """Balduzzi et al. 2018, invariance to redundant agents: (1/3, 1/3, 1/6, 1/6)."""
    copied = ROCK_PAPER_SCISSORS[np.ix_([0, 1, 2, 2], [0, 1, 2, 2])]
    assert nash_weights(copied) == pytest.approx([1 / 3, 1 / 3, 1 / 6, 1 / 6], abs=1e-7)


def test_the_best_of_a_transitive_order_has_all_the_weight() -> None:
    strength = np.array([0.0, 2.0, -1.0])
    assert nash_weights(np.subtract.outer(strength, strength)).tolist() == [0.0, 1.0, 0.0]


def test_equals_share_and_a_dominated_player_has_none() -> None:
    strength = np.array([1.0, 1.0, 0.0])
    assert nash_weights(np.subtract.outer(strength, strength)) == pytest.approx([0.5, 0.5, 0.0])
    assert nash_weights(np.zeros((4, 4))) == pytest.approx([0.25] * 4)


def test_an_active_constraint_outside_of_the_support_is_kept() -> None:
    """Players 0 and 1 draw; player 2 beats 1 and loses twice as much to 0: p is as even as 2 p0 >= p1 lets it be."""
    game = np.array([[0.0, 0.0, 3.0], [0.0, 0.0, -6.0], [-3.0, 6.0, 0.0]])
    weights = nash_weights(game)
    assert weights == pytest.approx([2 / 3, 1 / 3, 0.0], abs=1e-6)


def test_copies_share_evenly_in_a_lopsided_cycle() -> None:
    """An equilibrium from the linear program alone would split some pairs of copies unevenly."""
    cycle = np.array([[0.0, -2.0, 3.0], [2.0, 0.0, -5.0], [-3.0, 5.0, 0.0]])  # equilibrium (5, 3, 2) / 10
    doubled = np.kron(cycle, np.ones((2, 2)))
    assert nash_weights(doubled) == pytest.approx([0.25, 0.25, 0.15, 0.15, 0.1, 0.1], abs=1e-6)


def test_few_players() -> None:
    assert nash_weights(np.empty((0, 0))).shape == (0,)
    assert nash_weights(np.zeros((1, 1))).tolist() == [1.0]


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 24), st.integers(0, 10_000), st.booleans())
def test_random_games_have_no_profitable_deviation(size: int, seed: int, coarse: bool) -> None:
    matrix = np.random.default_rng(seed).normal(size=(size, size))
    game = np.round(matrix - matrix.T) if coarse else matrix - matrix.T
    weights = nash_weights(game)
    assert weights.sum() == pytest.approx(1.0)
    assert (weights >= 0).all()
    assert (game @ weights).max() <= 1e-5


def test_a_matrix_that_is_no_zero_sum_game_is_refused() -> None:
    with pytest.raises(ValueError, match="antisymmetric"):
        nash_weights(np.array([[0.0, 1.0], [1.0, 0.0]]))
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        nash_weights(np.zeros((2, 3)))


def test_rounding_on_the_diagonal_is_no_game() -> None:
    assert nash_weights(np.array([[1.4e-17]])) == pytest.approx([1.0])
    assert nash_weights(1.4e-17 * np.eye(2)) == pytest.approx([0.5, 0.5])
