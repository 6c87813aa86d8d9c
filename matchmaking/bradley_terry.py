"""Bradley-Terry with Davidson's draws and the first seat's advantage, fitted to the whole log of rated matches.

With strengths theta, seat advantage gamma and draw parameter kappa, a match of i in seat 0 against j in seat 1 has

    delta = theta_i - theta_j + gamma,
    P(i wins) : P(draw) : P(j wins) = e^(delta/2) : e^kappa : e^(-delta/2)

(Bradley and Terry 1952; Davidson 1970, equation 2.4; a home advantage as in Agresti, "Categorical Data Analysis"). The
log-likelihood is concave. Log-concave priors make it strictly so, which keeps a player that won everything finite; the
maximum is found by Newton's method, and the inverse of the Hessian there is the covariance (Laplace).

The prior of the strengths is a logistic distribution: near its centre like a normal one, but it pulls an outlier no
harder than two games against an average player would. Its standard deviation s, the spread of the pool, is estimated
from the log by the largest marginal likelihood (empirical Bayes; MacKay, "Bayesian Interpolation", 1992) and then taken
1.4 times as wide, for pools that are not spread evenly. That matters because opponents are chosen by earlier results:
a lucky player meets others and keeps its luck, so that under a wide fixed prior the ratings of a short log are spread
too widely, and their 95 % intervals cover 81 to 88 %. A prior of the right width makes the choice of opponents
ignorable (docs/ratings.md has the coverage by design). What is not known of s is added to the covariance (Kass and
Steffey 1989, equation 3.5):

    Cov(theta) = H^-1 + Var(log s) u u^T,    u = d theta / d log s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from matchmaking.counts import Counts
from matchmaking.pfsp import Floats

ELO = 400.0 / np.log(10.0)
"""Points of the Elo scale in one unit of log-odds."""
MEAN_RATING = 1000.0
"""Of those who are rated together."""
Z95 = 1.959963984540054
"""Standard errors to either side in a 95 % interval."""

_SPREAD = 250.0 / ELO  # prior of s: log-normal around this ...
_LOG_SPREAD_SD = 0.7  # ... within a factor of e^(0.7 * 1.96) = 4 to either side
_WIDER = 1.4  # the prior's width in units of the estimated s
_SEAT_SD = 1.0  # priors of gamma and kappa: standard deviations around 0
_DRAW_SD = 3.0
_LOG2 = float(np.log(2.0))
_TOLERANCE = 1e-10  # of the largest Newton step, in log-odds
_LOOSE = 1e-5  # the same while s is not yet known
_MAX_STEPS = 100
_BRACKET = (np.log(5.0 / ELO), np.log(2000.0 / ELO))  # where log s is looked for
_GRID = 0.5  # first steps of that search, in log s
_REFINEMENTS = 3


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
        spread: s, standard deviation of strengths in the pool, as estimated from the log.
    """

    players: tuple[str, ...]
    strength: Floats
    covariance: Floats
    seat: float
    seat_error: float
    draw: float
    spread: float

    def expected_scores(self) -> Floats:
        """[n, n] expected score of i against j over both seats alike, without the seat's advantage."""
        wins, draws, _ = probabilities(self.strength[:, None] - self.strength[None, :], self.draw)
        return np.asarray(wins + 0.5 * draws)


def probabilities(delta: Floats, kappa: float) -> tuple[Floats, Floats, Floats]:
    """P(win), P(draw), P(loss) of the first player; no overflow for any finite delta."""
    top = np.maximum(np.abs(delta) / 2.0, kappa)
    win, draw, loss = np.exp(delta / 2.0 - top), np.exp(kappa - top), np.exp(-delta / 2.0 - top)
    total = win + draw + loss
    return win / total, draw / total, loss / total


class _Posterior:
    """The negative log-posterior of x = (theta, gamma, kappa) for a given s, and its derivatives."""

    def __init__(self, counts: Counts, spread: float) -> None:
        self.size = len(counts.players)
        self._counts = counts
        self._games = counts.outcomes.sum(axis=1).astype(np.float64)
        self._half_margin = (counts.outcomes[:, 0] - counts.outcomes[:, 2]) / 2.0
        self._draws = counts.outcomes[:, 1].astype(np.float64)
        self._scale = spread * np.sqrt(3.0) / np.pi  # of a logistic distribution with that standard deviation

    def value(self, x: Floats) -> float:
        delta, kappa = self._delta(x), float(x[-1])
        top = np.maximum(np.abs(delta) / 2.0, kappa)
        log_total = top + np.log(np.exp(delta / 2.0 - top) + np.exp(kappa - top) + np.exp(-delta / 2.0 - top))
        likelihood = self._half_margin @ delta + self._draws.sum() * kappa - self._games @ log_total
        z = np.abs(x[:-2]) / (2.0 * self._scale)
        prior = 2.0 * float((z + np.log1p(np.exp(-2.0 * z)) - _LOG2).sum())  # 2 log cosh z
        prior += 0.5 * float((x[-2] / _SEAT_SD) ** 2 + (x[-1] / _DRAW_SD) ** 2)
        return prior - float(likelihood)

    def prior_gradient(self, x: Floats) -> Floats:
        """[n + 2] of the negative log-prior."""
        strengths = np.tanh(x[:-2] / (2.0 * self._scale)) / self._scale
        return np.concatenate([strengths, [x[-2] / _SEAT_SD**2, x[-1] / _DRAW_SD**2]])

    def prior_curvature(self, x: Floats) -> Floats:
        """[n + 2] of the negative log-prior."""
        strengths = (1.0 - np.tanh(x[:-2] / (2.0 * self._scale)) ** 2) / (2.0 * self._scale**2)
        return np.concatenate([strengths, [_SEAT_SD**-2, _DRAW_SD**-2]])

    def gradient_and_hessian(self, x: Floats) -> tuple[Floats, Floats]:
        """[n + 2] and [n + 2, n + 2]; (win - loss)/2 and draw are the sufficient statistics of a match."""
        n, first, second = self.size, self._counts.first, self._counts.second
        win, draw, loss = probabilities(self._delta(x), float(x[-1]))
        mean = (win - loss) / 2.0
        surprise = self._half_margin - self._games * mean
        gradient = self.prior_gradient(x)
        np.subtract.at(gradient, first, surprise)
        np.add.at(gradient, second, surprise)
        gradient[n] -= surprise.sum()
        gradient[n + 1] -= (self._draws - self._games * draw).sum()

        variance = self._games * ((win + loss) / 4.0 - mean * mean)
        with_draw = self._games * (-mean * draw)
        hessian = np.diag(self.prior_curvature(x))
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

    def mode(self, start: Floats, tolerance: float) -> Floats:
        """The maximum by Newton's method.

        Raises:
            ArithmeticError: it did not converge, which a concave posterior rules out short of a fault.
        """
        x = start
        value = self.value(x)
        for _ in range(_MAX_STEPS):
            gradient, hessian = self.gradient_and_hessian(x)
            step = np.linalg.solve(hessian, gradient)
            # Far from the maximum a whole Newton step can overshoot: halve it until it does not climb.
            scale = 1.0
            while (trial := self.value(x - scale * step)) > value + 1e-9 * abs(value) and scale > 1e-6:
                scale /= 2.0
            x, value = x - scale * step, trial
            if np.abs(scale * step).max() < tolerance:
                return x
        raise ArithmeticError(f"the Bradley-Terry fit of {self.size} players did not converge in {_MAX_STEPS} steps")

    def _delta(self, x: Floats) -> Floats:
        delta: Floats = x[self._counts.first] - x[self._counts.second] + x[-2]
        return delta


class _Spread(NamedTuple):
    """log s: its estimate, its variance, and the mode of x under it."""

    log: float
    variance: float
    x: Floats


def fit(counts: Counts) -> Fit:
    """Maximum a posteriori with its covariance; for no matches at all an empty fit.

    Raises:
        ArithmeticError: Newton's method did not converge, which a concave posterior rules out short of a fault.
    """
    spread = _estimate_spread(counts)
    posterior = _Posterior(counts, _WIDER * float(np.exp(spread.log)))
    n = posterior.size
    x = posterior.mode(spread.x, _TOLERANCE)
    covariance = np.asarray(np.linalg.inv(posterior.gradient_and_hessian(x)[1]), dtype=np.float64)
    pull = posterior.prior_gradient(x) + x * posterior.prior_curvature(x)  # by how much the prior lets go as s grows
    pull[n:] = 0.0  # seat and draws have priors of their own
    slope = covariance @ pull
    covariance = covariance + spread.variance * np.outer(slope, slope)
    theta, of_theta = x[:n], covariance[:n, :n]
    if n:
        theta = theta - theta.mean()
        of_theta = of_theta - of_theta.mean(axis=0) - of_theta.mean(axis=1)[:, None] + float(of_theta.mean())
    return Fit(
        players=counts.players,
        strength=theta,
        covariance=of_theta,
        seat=float(x[n]),
        seat_error=float(np.sqrt(covariance[n, n])),
        draw=float(x[n + 1]),
        spread=float(np.exp(spread.log)),
    )


def _estimate_spread(counts: Counts) -> _Spread:
    """The maximum of the marginal posterior of log s, with the curvature there as its precision.

    A walk up a grid from the prior's centre brackets the maximum, and parabolas through three points refine it.
    """
    known: dict[float, tuple[float, Floats]] = {}
    x = np.zeros(len(counts.players) + 2)

    def evidence(log_spread: float) -> float:
        nonlocal x
        if log_spread not in known:
            known[log_spread] = _log_evidence(counts, log_spread, x)
            x = known[log_spread][1]
        return known[log_spread][0]

    step, middle = _GRID, float(np.log(_SPREAD))
    way = 1.0 if evidence(middle + step) > evidence(middle) else -1.0
    while evidence(middle + way * step) > evidence(middle) and _BRACKET[0] < middle + way * step < _BRACKET[1]:
        middle += way * step
    variance = _LOG_SPREAD_SD**2
    for _ in range(_REFINEMENTS):
        low, high = evidence(middle - step), evidence(middle + step)
        curvature = (2.0 * evidence(middle) - low - high) / step**2
        if not curvature > _LOG_SPREAD_SD**-2:  # flatter than the prior alone: not near a maximum
            break
        variance = 1.0 / curvature
        middle += float(np.clip((high - low) / (2.0 * step) / curvature, -step, step))
        step /= 2.0
    evidence(middle)
    return _Spread(middle, variance, known[middle][1])


def _log_evidence(counts: Counts, log_spread: float, start: Floats) -> tuple[float, Floats]:
    """The log of the marginal posterior of log s by Laplace, up to a constant, and the mode of x under it."""
    posterior = _Posterior(counts, float(np.exp(log_spread)))
    x = posterior.mode(start, _LOOSE)
    _, log_determinant = np.linalg.slogdet(posterior.gradient_and_hessian(x)[1])
    prior = -0.5 * ((log_spread - np.log(_SPREAD)) / _LOG_SPREAD_SD) ** 2
    return float(-posterior.value(x) - posterior.size * log_spread - 0.5 * log_determinant + prior), x
