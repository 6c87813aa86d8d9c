"""Alpha-rank (Omidshafiei et al., "alpha-Rank: Multi-Agent Evaluation by Evolution", Scientific Reports 9, 2019).

A population plays one strategy, a mutant appears, and the population goes over to it or not; how long each strategy is
played in the long run is its weight. This is the single population of a symmetric game under infinitely strong
selection (alpha to infinity; section 3.5 there, and Rowland et al., "Multiagent Evaluation under Incomplete
Information", NeurIPS 2019, equation 3): from s the chain goes to each other strategy r at the rate

    (1 - epsilon) / (n - 1) where r beats s,    1/2 / (n - 1) where they are even,    epsilon / (n - 1) else,

and an epsilon that is next to nothing leaves weight only where the chain cannot leave: the best player where one beats
everybody, a cycle of players where there is none.
"""

from __future__ import annotations

import numpy as np

from matchmaking.pfsp import Floats

_EPSILON = 1e-6
_EVEN = 1e-9  # what rounding makes of equal payoffs


def alpha_rank(matrix: Floats, epsilon: float = _EPSILON) -> Floats:
    """The stationary distribution over the players.

    Args:
        matrix: [n, n], what i has from playing j: a score, a win rate or log-odds. Only who is ahead in a pair counts.
        epsilon: probability, at most 1/2, of going over to a mutant that loses; it makes the distribution unique.

    Returns:
        [n] weights, not negative, summing to 1; empty for n = 0.

    Raises:
        ValueError: the matrix is not square, or epsilon is not in (0, 1/2].
    """
    size = len(matrix)
    if matrix.shape != (size, size):
        raise ValueError(f"expected a square matrix, not one of shape {matrix.shape}")
    if not 0.0 < epsilon <= 0.5:
        raise ValueError(f"epsilon must be above 0 and at most 1/2, not {epsilon}")
    if size == 0:
        return np.empty(0)
    lead = matrix.T - matrix  # [s, r]: by how much r beats s
    rates = np.where(np.abs(lead) <= _EVEN, 0.5, np.where(lead > 0.0, 1.0 - epsilon, epsilon))
    return _stationary(rates)


def _stationary(rates: Floats) -> Floats:
    """Stationary distribution of the chain with these rates, [from, to], positive off the diagonal.

    States are taken out one by one and their passages added to the others' rates (Grassmann, Taksar and Heyman,
    "Regenerative Analysis and Steady State Distributions for Markov Chains", 1985). Nothing is subtracted, so that
    small weights are exact too, however small epsilon is; an eigenvector would lose them.
    """
    rates = rates.copy()
    size = len(rates)
    for state in range(size - 1, 0, -1):
        rates[:state, state] /= rates[state, :state].sum()
        rates[:state, :state] += np.outer(rates[:state, state], rates[state, :state])
    weights = np.ones(size)
    for state in range(1, size):
        weights[state] = weights[:state] @ rates[:state, state]
    return np.divide(weights, float(weights.sum()))
