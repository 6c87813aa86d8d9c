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

from matchmaking.bradley_terry import Z95, Fit, probabilities
from matchmaking.counts import Counts
from matchmaking.pfsp import Floats

_HALF_WEIGHT = 10.0  # games at which a pair has half of its weight: the noise of a score is then about its size
_CLEARLY = 5.0  # standard errors


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
    met = _pairs(counts, fitted)
    weight = met.games / (met.games + _HALF_WEIGHT)
    unexplained = float(weight @ (met.surprise**2 - met.noise + met.fitted))
    total = float(weight @ (met.lead**2 - met.noise))
    # A mean of squares of noise alone has twice the noise's variance squared.
    if not total > _CLEARLY * float(np.sqrt(2.0 * np.square(weight * met.noise_of_equals).sum())):
        return None
    value = min(max(unexplained / total, 0.0), 1.0)
    # Of the ratio, to first order: both squares of a pair move with the same noise.
    misses = 4.0 * (met.surprise - value * met.lead) ** 2 * met.noise + 2.0 * ((1.0 - value) * met.noise) ** 2
    half_width = Z95 * float(np.sqrt(weight**2 @ misses)) / total
    return Share(value, max(value - half_width, 0.0), min(value + half_width, 1.0))


class _Pairs(NamedTuple):
    """[k] for each pair of players that has met at least twice.

    Attributes:
        games: matches.
        surprise: score of one against the other less its expectation.
        lead: that score less a half.
        noise: unbiased estimate of the score's variance.
        noise_of_equals: the same if the two were equal.
        fitted: variance of the expectation.
    """

    games: Floats
    surprise: Floats
    lead: Floats
    noise: Floats
    noise_of_equals: Floats
    fitted: Floats


def _pairs(counts: Counts, fitted: Fit) -> _Pairs:
    first, second = counts.first, counts.second
    win, draw, loss = probabilities(fitted.strength[first] - fitted.strength[second] + fitted.seat, fitted.draw)
    expected = win + 0.5 * draw
    slope = (win + loss) / 4.0 - ((win - loss) / 2.0) ** 2  # of the expected score in delta
    wins, draws, losses = counts.outcomes.T
    number = counts.outcomes.sum(axis=1)
    surprise = wins + 0.5 * draws - number * expected
    squares = wins * (1.0 - expected) ** 2 + draws * (0.5 - expected) ** 2 + losses * expected**2

    upper = np.triu_indices(len(counts.players), 1)
    games = counts.games()[upper]
    met = games >= 2
    upper, games = (upper[0][met], upper[1][met]), games[met]

    def mean(of_first: Floats, of_second: Floats) -> Floats:
        return np.divide(counts.matrix(of_first, of_second)[upper], games)

    surprises, slopes = mean(surprise, -surprise), mean(number * slope, number * slope)
    variance = np.diag(fitted.covariance)
    return _Pairs(
        games=games,
        surprise=surprises,
        lead=mean(wins + 0.5 * draws, losses + 0.5 * draws) - 0.5,
        noise=(mean(squares, squares) - surprises**2) / (games - 1.0),
        noise_of_equals=mean(wins + losses, wins + losses) / (4.0 * games),
        fitted=slopes**2 * (variance[upper[0]] + variance[upper[1]] - 2.0 * fitted.covariance[upper]),
    )
