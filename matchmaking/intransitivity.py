"""How much of a population's results no rating can explain.

Balduzzi et al. ("Re-evaluating Evaluation", 2018, section 3; "Open-ended Learning in Symmetric Zero-sum Games", 2019)
split the antisymmetric matrix A of log-odds by Hodge's decomposition, A = grad r + rot, into what differences of a
rating explain and a cyclic rest: rock-paper-scissors is all rest, Elo's model none. The share of the rest,
|rot|^2 / |A|^2, has two faults as a statistic: log-odds of lopsided pairs are as large as one lets them be, and the
noise of few games counts as cyclic. So it is taken here on the scale of scores, with the published rating's expectation
(Bradley-Terry's link) in the place of the gradient, and what noise contributes is subtracted:

    share = sum w ((s - e)^2 - noise + fitted) / sum w ((s - 1/2)^2 - noise)

over the pairs that have met, with s the score of one against the other, e what the ratings expect, `noise` the unbiased
estimate of the variance of s, `fitted` the variance of e (the fit follows the noise and hides that much of it), and
w = n / (n + 10), as many games teach more. Where players are close and games many, it is |rot|^2 / |A|^2.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from matchmaking.bradley_terry import Fit, probabilities
from matchmaking.counts import Counts
from matchmaking.pfsp import Floats

_HALF_WEIGHT = 10.0  # games at which a pair has half of its weight: the noise of a score is then about its size
_CLEARLY = 5.0  # standard errors
_Z95 = 1.959963984540054


class Share(NamedTuple):
    """A share between 0 and 1, with its 95 % interval."""

    value: float
    low: float
    high: float


def intransitivity(counts: Counts, fitted: Fit) -> Share | None:
    """The share of the population's results that is cyclic.

    Args:
        counts: the log.
        fitted: the ratings of the same log.

    Returns:
        The share; None where the scores do not differ from a half by clearly more than those of equal players would, so
        that there is nothing to explain.
    """
    games, decided, unexplained, total = _squares(counts, fitted)
    weight = games / (games + _HALF_WEIGHT)
    unexplained, total = weight * unexplained, weight * total
    all_of_it = float(total.sum())
    of_equals = weight * decided / (4.0 * games**2)  # variance of a score if the two were equal; a square's is 2 of its
    if not all_of_it > _CLEARLY * float(np.sqrt(2.0 * (of_equals @ of_equals))):
        return None
    value = min(max(float(unexplained.sum()) / all_of_it, 0.0), 1.0)
    misses = unexplained - value * total  # of a ratio of sums over independent pairs (Cochran 1977, equation 6.13)
    half_width = _Z95 * float(np.sqrt(misses @ misses)) / all_of_it
    return Share(value, max(value - half_width, 0.0), min(value + half_width, 1.0))


def _squares(counts: Counts, fitted: Fit) -> tuple[Floats, Floats, Floats, Floats]:
    """For each pair that has met at least twice: games, those not drawn, unbiased squares of the rest and the whole."""
    first, second = counts.first, counts.second
    win, draw, loss = probabilities(fitted.strength[first] - fitted.strength[second] + fitted.seat, fitted.draw)
    expected = win + 0.5 * draw
    slope = (win + loss) / 4.0 - ((win - loss) / 2.0) ** 2  # of the expected score in delta
    wins, draws, losses = counts.outcomes.T
    number = counts.outcomes.sum(axis=1)
    surprise = wins + 0.5 * draws - number * expected
    squares = wins * (1.0 - expected) ** 2 + draws * (0.5 - expected) ** 2 + losses * expected**2

    upper = np.triu_indices(len(counts.players), 1)
    games = counts.matrix(number, number)[upper]
    met = games >= 2
    upper, games = (upper[0][met], upper[1][met]), games[met]
    surprises = counts.matrix(surprise, -surprise)[upper] / games
    squares = counts.matrix(squares, squares)[upper] / games
    slopes = counts.matrix(number * slope, number * slope)[upper] / games
    noise = (squares - surprises**2) / (games - 1.0)
    scores = counts.points()[upper] / games
    variance = np.diag(fitted.covariance)
    of_difference = variance[upper[0]] + variance[upper[1]] - 2.0 * fitted.covariance[upper]
    unexplained = surprises**2 - noise + slopes**2 * of_difference
    decided = counts.matrix(wins + losses, wins + losses)[upper]
    return games, decided, unexplained, (scores - 0.5) ** 2 - noise
