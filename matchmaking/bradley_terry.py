"""Bradley-Terry with Davidson's draws and the first seat's advantage, fitted to the whole log of rated matches.

With strengths theta, seat advantage gamma and draw parameter kappa, a match of i in seat 0 against j in seat 1 has

    delta = theta_i - theta_j + gamma,
    P(i wins) : P(draw) : P(j wins) = e^(delta/2) : e^kappa : e^(-delta/2)

(Bradley and Terry 1952; Davidson 1970, equation 2.4; a home advantage as in Agresti, "Categorical Data Analysis"). The
log-likelihood is concave. Weak Gaussian priors make it strictly so, which keeps a player that won everything
finite; the maximum is found by Newton's method, and the inverse of the Hessian there is the covariance (Laplace).

Everything is computed from counts by pair and seat: the order of the log cannot matter, not even to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matchmaking.pfsp import Floats
from matchmaking.records import MatchResult

ELO = 400.0 / np.log(10.0)
"""Points of the Elo scale in one unit of log-odds."""

_STRENGTH_SD = 600.0 / ELO  # priors: standard deviations around 0
_SEAT_SD = 1.0
_DRAW_SD = 3.0
_TOLERANCE = 1e-10  # of the largest Newton step, in log-odds
_MAX_STEPS = 100


@dataclass(frozen=True, slots=True)
class Counts:
    """Matches by ordered pair of players.

    Attributes:
        players: ids, sorted.
        first: int64 [m], position of the player in seat 0.
        second: int64 [m], position of the player in seat 1.
        outcomes: int64 [m, 3]: wins of the first, draws, losses of the first.
    """

    players: tuple[str, ...]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    outcomes: NDArray[np.int64]

    def games(self) -> Floats:
        """[n, n] matches of i against j in either seat; symmetric."""
        return self._matrix(self.outcomes.sum(axis=1), self.outcomes.sum(axis=1))

    def points(self) -> Floats:
        """[n, n] points of i against j in either seat: a win is 1, a draw 1/2."""
        wins, draws, losses = self.outcomes.T
        return self._matrix(wins + 0.5 * draws, losses + 0.5 * draws)

    def totals(self) -> NDArray[np.int64]:
        """[n, 3] wins, draws and losses of each player."""
        totals = np.zeros((len(self.players), 3), dtype=np.int64)
        np.add.at(totals, self.first, self.outcomes)
        np.add.at(totals, self.second, self.outcomes[:, ::-1])
        return totals

    def _matrix(self, of_first: NDArray[Any], of_second: NDArray[Any]) -> Floats:
        matrix = np.zeros((len(self.players), len(self.players)))
        matrix[self.first, self.second] += of_first  # an ordered pair occurs once
        matrix[self.second, self.first] += of_second
        return matrix


def aggregate(results: Iterable[MatchResult]) -> Counts:
    """Count the log by ordered pair. The log holds each result once; results without matches add nobody."""
    table: dict[tuple[str, str], list[int]] = {}
    for result in results:
        outcomes = result.outcomes
        if not outcomes:
            continue
        home, away = outcomes[0::2], outcomes[1::2]  # with a in seat 0; with a in seat 1
        row = table.setdefault((result.a, result.b), [0, 0, 0])
        row[0] += home.count("w")
        row[1] += home.count("d")
        row[2] += home.count("l")
        row = table.setdefault((result.b, result.a), [0, 0, 0])
        row[0] += away.count("l")
        row[1] += away.count("d")
        row[2] += away.count("w")
    players = tuple(sorted({player for pair in table for player in pair}))
    position = {player: index for index, player in enumerate(players)}
    pairs = sorted((position[first], position[second], *row) for (first, second), row in table.items())
    array = np.asarray(pairs, dtype=np.int64).reshape(-1, 5)
    return Counts(players, array[:, 0], array[:, 1], array[:, 2:])


@dataclass(frozen=True, slots=True)
class Fit:
    """The fitted model, in log-odds.

    Attributes:
        players: ids, as in the counts.
        strength: [n], of mean 0.
        covariance: [n, n] of `strength`; the mean being fixed, a player's variance is that of its distance to it.
        seat: gamma, the advantage of seat 0.
        seat_error: its standard error.
        draw: kappa.
    """

    players: tuple[str, ...]
    strength: Floats
    covariance: Floats
    seat: float
    seat_error: float
    draw: float

    def expected_scores(self) -> Floats:
        """[n, n] expected score of i against j over both seats alike, without the seat's advantage."""
        wins, draws, _ = _probabilities(self.strength[:, None] - self.strength[None, :], self.draw)
        return np.asarray(wins + 0.5 * draws)


def _probabilities(delta: Floats, kappa: float) -> tuple[Floats, Floats, Floats]:
    """P(win), P(draw), P(loss) of the first player; no overflow for any finite delta."""
    top = np.maximum(np.abs(delta) / 2.0, kappa)
    win, draw, loss = np.exp(delta / 2.0 - top), np.exp(kappa - top), np.exp(-delta / 2.0 - top)
    total = win + draw + loss
    return win / total, draw / total, loss / total


class _Posterior:
    """The negative log-posterior of x = (theta, gamma, kappa) and its derivatives."""

    def __init__(self, counts: Counts) -> None:
        self.size = len(counts.players)
        self._counts = counts
        self._games = counts.outcomes.sum(axis=1).astype(np.float64)
        self._half_margin = (counts.outcomes[:, 0] - counts.outcomes[:, 2]) / 2.0
        self._draws = counts.outcomes[:, 1].astype(np.float64)
        self._precision = np.full(self.size + 2, _STRENGTH_SD**-2)
        self._precision[-2:] = _SEAT_SD**-2, _DRAW_SD**-2

    def value(self, x: Floats) -> float:
        delta, kappa = self._delta(x), float(x[-1])
        top = np.maximum(np.abs(delta) / 2.0, kappa)
        log_total = top + np.log(np.exp(delta / 2.0 - top) + np.exp(kappa - top) + np.exp(-delta / 2.0 - top))
        likelihood = self._half_margin @ delta + self._draws.sum() * kappa - self._games @ log_total
        return float(0.5 * (self._precision @ (x * x)) - likelihood)

    def gradient_and_hessian(self, x: Floats) -> tuple[Floats, Floats]:
        """[n + 2] and [n + 2, n + 2]; (win - loss)/2 and draw are the sufficient statistics of a match."""
        n, first, second = self.size, self._counts.first, self._counts.second
        win, draw, loss = _probabilities(self._delta(x), float(x[-1]))
        mean = (win - loss) / 2.0
        surprise = self._half_margin - self._games * mean
        gradient = self._precision * x
        np.subtract.at(gradient, first, surprise)
        np.add.at(gradient, second, surprise)
        gradient[n] -= surprise.sum()
        gradient[n + 1] -= (self._draws - self._games * draw).sum()

        variance = self._games * ((win + loss) / 4.0 - mean * mean)
        with_draw = self._games * (-mean * draw)
        hessian = np.diag(self._precision)
        hessian[first, second] -= variance  # an ordered pair occurs once
        hessian[second, first] -= variance
        for row, sign in ((first, 1.0), (second, -1.0)):
            np.add.at(hessian, (row, row), variance)
            np.add.at(hessian[:, n], row, sign * variance)
            np.add.at(hessian[:, n + 1], row, sign * with_draw)
        hessian[n, n] += variance.sum()
        hessian[n, n + 1] += with_draw.sum()
        hessian[n + 1, n + 1] += (self._games * draw * (1.0 - draw)).sum()
        hessian[n:, :n] = hessian[:n, n:].T
        hessian[n + 1, n] = hessian[n, n + 1]
        return gradient, hessian

    def _delta(self, x: Floats) -> Floats:
        delta: Floats = x[self._counts.first] - x[self._counts.second] + x[-2]
        return delta


def fit(counts: Counts) -> Fit:
    """Maximum a posteriori with its covariance; for no matches at all an empty fit.

    Raises:
        ArithmeticError: Newton's method did not converge, which a concave posterior rules out short of a fault.
    """
    posterior = _Posterior(counts)
    n = posterior.size
    x = np.zeros(n + 2)
    value = posterior.value(x)
    for _ in range(_MAX_STEPS):
        gradient, hessian = posterior.gradient_and_hessian(x)
        step = np.linalg.solve(hessian, gradient)
        # Far from the maximum a whole Newton step can overshoot: halve it until it does not climb.
        scale = 1.0
        while (trial := posterior.value(x - scale * step)) > value + 1e-9 * abs(value) and scale > 1e-6:
            scale /= 2.0
        x, value = x - scale * step, trial
        if np.abs(scale * step).max() < _TOLERANCE:
            break
    else:
        raise ArithmeticError(f"the Bradley-Terry fit of {n} players did not converge in {_MAX_STEPS} steps")
    covariance = np.asarray(np.linalg.inv(posterior.gradient_and_hessian(x)[1]), dtype=np.float64)
    theta, of_theta = x[:n], covariance[:n, :n]
    if n:
        theta = theta - theta.mean()
        of_theta = of_theta - of_theta.mean(axis=0) - of_theta.mean(axis=1)[:, None] + float(of_theta.mean())
    seat_error = float(np.sqrt(covariance[n, n]))
    return Fit(counts.players, theta, of_theta, float(x[n]), seat_error, float(x[n + 1]))
