"""Prioritised fictitious self-play: which candidate is worth playing, from the win rates against all of them.

Source: Vinyals et al., Nature 575, 2019, "Population-based training", and the supplementary pseudocode (`pfsp`). The
weight of a candidate is f(x), x being one's own win rate against it; weights are normalised over the candidates.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TINY = 1e-10
"""Below this sum of weights every candidate is as good as another (pseudocode): win rates that are all 1 give 0/0."""


class Weighting(StrEnum):
    """f(x) of the win rate x."""

    SQUARED = "squared"  # (1 - x)^2, the paper's "hard": mostly those that beat me
    LINEAR = "linear"  # 1 - x
    LINEAR_CAPPED = "linear_capped"  # min(0.5, 1 - x): all that I do not beat, alike
    VARIANCE = "variance"  # x (1 - x): those of my own strength


def _squared(x: Floats) -> Floats:
    return (1.0 - x) * (1.0 - x)


def _linear(x: Floats) -> Floats:
    return 1.0 - x


def _linear_capped(x: Floats) -> Floats:
    return np.minimum(0.5, 1.0 - x)


def _variance(x: Floats) -> Floats:
    return x * (1.0 - x)


_FUNCTIONS: dict[Weighting, Callable[[Floats], Floats]] = {
    Weighting.SQUARED: _squared,
    Weighting.LINEAR: _linear,
    Weighting.LINEAR_CAPPED: _linear_capped,
    Weighting.VARIANCE: _variance,
}


def pfsp_weights(win_rates: Floats, weighting: Weighting) -> Floats:
    """Probabilities of the candidates.

    Args:
        win_rates: [n], one's own win rate against each candidate; clipped to [0, 1], since decayed counters can pass 1
            by a rounding error and a weight must not be negative.
        weighting: which f.

    Returns:
        [n], summing to 1; uniform where the weights sum to less than 1e-10; empty for no candidates.
    """
    if len(win_rates) == 0:
        return np.empty(0)
    weights = _FUNCTIONS[weighting](np.clip(win_rates, 0.0, 1.0))
    total = float(weights.sum())
    if total < TINY:
        return np.full(len(win_rates), 1.0 / len(win_rates))
    return np.divide(weights, total)


class Sampler:
    """Draws many times from the same weights: the cumulative sum is made once, a draw is a binary search."""

    def __init__(self, weights: Floats) -> None:
        """Take weights [n], not negative, of any sum; weights that are all zero draw uniformly.

        Raises:
            ValueError: a weight that is negative or not finite.
        """
        if len(weights) and not (weights.min() >= 0.0 and np.isfinite(weights.max())):
            raise ValueError("weights must be finite and not negative")
        self._cumulative = np.cumsum(weights if np.any(weights) else np.ones(len(weights)))
        self._last = int(np.searchsorted(self._cumulative, self._cumulative[-1])) if len(weights) else -1

    def draw(self, rng: np.random.Generator) -> int | None:
        """An index with probability proportional to its weight, never one of weight 0; None without candidates."""
        if self._last < 0:
            return None
        point = rng.random() * self._cumulative[-1]
        # A point that rounds up to the whole sum belongs to the last candidate that has a weight.
        return min(int(np.searchsorted(self._cumulative, point, side="right")), self._last)


def draw(weights: Floats, rng: np.random.Generator) -> int | None:
    """Draw one index from weights [n]; None for an empty list, uniform where all weights are zero."""
    return Sampler(weights).draw(rng)
