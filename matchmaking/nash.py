"""Nash averaging (Balduzzi, Tuyls, Perolat, Graepel, "Re-evaluating Evaluation", NeurIPS 2018).

The antisymmetric matrix A of log-odds is a zero-sum game of value 0 in which each side picks a player. Its Nash
equilibria are {p : A p <= 0}; the one of largest entropy is unique, and copies of a player share a weight instead of
adding to it.
"""

from __future__ import annotations

import numpy as np

from matchmaking.pfsp import Floats

_SUPPORT = 1e-6  # weights of the support's certificate are 1 where they can be positive


def nash_weights(matrix: Floats) -> Floats:
    """The maximum-entropy Nash equilibrium of an antisymmetric game.

    Args:
        matrix: [n, n], matrix[i, j] = -matrix[j, i]: what i gains against j.

    Returns:
        [n] weights, not negative, summing to 1; empty for n = 0.

    Raises:
        ValueError: the matrix is not antisymmetric.
        ArithmeticError: the solver failed.
    """
    size = len(matrix)
    if matrix.shape != (size, size) or not np.allclose(matrix, -matrix.T, atol=1e-9):
        raise ValueError(f"expected an antisymmetric square matrix, not one of shape {matrix.shape}")
    if size == 0:
        return np.empty(0)
    matrix = (matrix - matrix.T) / 2  # what rounding has left on the diagonal would have no equilibrium
    scale = float(np.abs(matrix).max())
    game = matrix / scale if scale > 0.0 else matrix
    cone = _largest_support(game)
    support = np.flatnonzero(cone > _SUPPORT)
    weights = np.zeros(size)
    inner = game[np.ix_(support, support)]
    if len(support) - np.linalg.matrix_rank(inner, tol=1e-9) <= 1:
        weights[support] = cone[support]  # the equilibrium is unique
    else:
        weights[support] = _most_even(game, support)
    return np.divide(weights, float(weights.sum()))


def _largest_support(game: Floats) -> Floats:
    """A point of the cone {q >= 0, A q <= 0} that is positive wherever an equilibrium can be.

    With q = s + r, 0 <= s <= 1, r >= 0 and the sum of s as large as possible, s is 1 on the largest support: equilibria
    can be added and scaled within the cone.
    """
    from scipy.optimize import linprog  # late: importing scipy takes longer than most commands

    size = len(game)
    found = linprog(
        c=np.concatenate([-np.ones(size), np.zeros(size)]),
        A_ub=np.hstack([game, game]),
        b_ub=np.zeros(size),
        bounds=[(0.0, 1.0)] * size + [(0.0, None)] * size,
        method="highs",
    )
    if found.status != 0:
        raise ArithmeticError(f"no Nash equilibrium of {size} players found: {found.message}")
    q: Floats = found.x[:size] + found.x[size:]
    q[found.x[:size] <= _SUPPORT] = 0.0
    return q


def _most_even(game: Floats, support: np.typing.NDArray[np.int64]) -> Floats:
    """The entropy's maximum over the equilibria on their largest support, from its smooth convex dual.

    max H(p) with (A p)_i = 0 on the support and <= 0 elsewhere is min over y of log sum_j exp(-(y A)_j), with y_i >= 0
    outside of the support, and p = softmax(-y A).
    """
    from scipy.optimize import minimize  # late, as above

    columns = game[:, support]
    free = np.isin(np.arange(len(game)), support)

    def dual(y: Floats) -> tuple[float, Floats]:
        logits = -(y @ columns)
        top = logits.max()
        weights = np.exp(logits - top)
        total = weights.sum()
        return float(top + np.log(total)), -(columns @ (weights / total))

    bounds = [(None, None) if inside else (0.0, None) for inside in free]
    options = {"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-9}
    found = minimize(dual, np.zeros(len(game)), jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    logits = -(found.x @ columns)
    weights: Floats = np.exp(logits - logits.max())
    return weights
