"""Alpha-rank: published answers, OpenSpiel's implementation, and distributions that a hand can compute."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matchmaking.alpha_rank import alpha_rank

ROCK_PAPER_SCISSORS = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])


def test_rock_paper_scissors_is_a_third_each() -> None:
    """Omidshafiei et al. 2019, figure 6: the three form one cycle of equal weights."""
    assert alpha_rank(ROCK_PAPER_SCISSORS) == pytest.approx([1 / 3] * 3)


def test_biased_rock_paper_scissors_is_uniform_too() -> None:
    """Omidshafiei et al. 2019, table 2 (payoffs 0.5, 1, 0.1): only who wins counts under strong selection."""
    biased = np.array([[0.0, -0.5, 1.0], [0.5, 0.0, -0.1], [-1.0, 0.1, 0.0]])
    assert alpha_rank(biased) == pytest.approx([1 / 3] * 3)


def test_the_best_of_a_transitive_order_has_all_the_weight() -> None:
    strength = np.array([0.0, 2.0, -1.0, 1.0])
    weights = alpha_rank(np.subtract.outer(strength, strength))
    assert weights == pytest.approx([0.0, 1.0, 0.0, 0.0], abs=1e-5)
    assert np.argsort(-weights).tolist() == [1, 3, 0, 2]


def test_two_players_by_hand() -> None:
    """Rates (1 - e) and e balance at weights (1 - e) and e; equals share."""
    assert alpha_rank(np.array([[0.5, 0.7], [0.3, 0.5]]), epsilon=0.1) == pytest.approx([0.9, 0.1])
    assert alpha_rank(np.full((2, 2), 0.5)) == pytest.approx([0.5, 0.5])


def test_a_dominated_player_outside_of_the_cycle_has_none_and_the_cycle_is_shared() -> None:
    game = np.zeros((4, 4))
    game[:3, :3] = ROCK_PAPER_SCISSORS
    game[:3, 3], game[3, :3] = 1.0, -1.0
    assert alpha_rank(game) == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0.0], abs=1e-5)


def test_small_weights_are_exact() -> None:
    """512 in a transitive order: the second is left for the first alone, at odds that a hand can compute."""
    epsilon = 1e-6
    weights = alpha_rank(-np.subtract.outer(np.arange(512.0), np.arange(512.0)), epsilon)
    assert weights[0] == pytest.approx((1 - epsilon) / (1 - epsilon + 511 * epsilon), rel=1e-9)
    assert (np.diff(weights) < 0).all()
    assert (weights > 0).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 9), st.integers(0, 10_000), st.sampled_from([0.5, 0.1, 0.01]), st.booleans())
def test_agrees_with_openspiel(size: int, seed: int, epsilon: float, coarse: bool) -> None:
    reference = pytest.importorskip("open_spiel.python.egt.alpharank")  # it needs matplotlib and networkx
    matrix = np.random.default_rng(seed).normal(size=(size, size))
    game = np.round(matrix - matrix.T) if coarse else matrix - matrix.T
    _, _, expected, _, _ = reference.compute([game], use_inf_alpha=True, inf_alpha_eps=epsilon)
    assert alpha_rank(game, epsilon) == pytest.approx(expected, abs=1e-9)


def test_few_players_and_bad_arguments() -> None:
    assert alpha_rank(np.empty((0, 0))).shape == (0,)
    assert alpha_rank(np.zeros((1, 1))).tolist() == [1.0]
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        alpha_rank(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="epsilon"):
        alpha_rank(np.zeros((2, 2)), epsilon=0.0)
