"""Who is better? Score, Elo difference and a sequential test from seat-swapped pairs of matches. Pure functions.

The two matches of a pair share seats and chance, so they are not independent: the unit is the pair, whose score is 0,
1/2, 1, 3/2 or 2 (the pentanomial model of fishtest and fastchess). Where the first mover wins every match, all pairs
score 1 and the players are known to be equal, while single wins and losses would look like noise.

With counts n_i of pairs whose score a match is a_i = 0, 1/4, 1/2, 3/4, 1, all that follows is made of one function, the
log-likelihood ratio of the best distribution of mean mu against the best of all,

    log R(mu) = max { sum n_i log p_i : sum p_i a_i = mu } - sum n_i log (n_i / n)
              = - max_x sum n_i log(1 + x (a_i - mu)),    1 + x (a_i - mu) >= 0 for all five a_i

(Owen, "Empirical Likelihood", 2001, section 2.9; Van den Bergh, "A comment on support MLE for multinomial
distributions", proposition 1.1). At an inner maximum p_i = n_i / n / (1 + x (a_i - mu)); at the end of the range an
outcome that was not seen takes the rest. So nothing has to be added to counts of zero.

- `llr`: the generalised sequential probability ratio test (Wald 1945; Li, Liu and Ying, "Generalized Sequential
  Probability Ratio Test for Separate Families of Hypotheses", 2014) of H0: mean score = s(elo0) against
  H1: mean score = s(elo1), in logistic Elo, s(x) = 1 / (1 + 10^(-x / 400)): log R(s(elo1)) - log R(s(elo0)).
- `estimate`: the score, the interval of all mu with -2 log R(mu) <= 3.84 (Wilks), and the likelihood of superiority
  by the signed root of -2 log R(1/2). The mean +- 1.96 standard errors is its limit for many pairs; unlike that one it
  stays within 0 and 1 and has a width where all pairs ended alike: of 10 pairs at 400 Elo it covers 98 %, not 80 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

SCORES = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
"""Score a match of the five kinds of pair."""

_POINTS = {"w": 2, "d": 1, "l": 0}
_BISECTIONS = 40
_WILKS_95 = NormalDist().inv_cdf(0.975) ** 2


@dataclass(frozen=True, slots=True)
class PairCounts:
    """How many seat-swapped pairs had which score, from one player's view; `~counts` is the other's.

    Attributes:
        zero, half, one, three_halves, two: pairs in which it scored so many points of two.
    """

    zero: int = 0
    half: int = 0
    one: int = 0
    three_halves: int = 0
    two: int = 0

    @classmethod
    def of(cls, outcomes: str) -> PairCounts:
        """Count outcomes as in `MatchResult.outcomes`: two letters a pair, w, d or l.

        Raises:
            ValueError: half a pair, or another letter.
        """
        if len(outcomes) % 2 or not set(outcomes) <= _POINTS.keys():
            raise ValueError(f"outcomes are pairs of the letters w, d and l, not {outcomes!r}")
        counts = [0] * 5
        for first, second in zip(outcomes[0::2], outcomes[1::2], strict=True):
            counts[_POINTS[first] + _POINTS[second]] += 1
        return cls(*counts)

    def __add__(self, other: PairCounts) -> PairCounts:
        return PairCounts(*(mine + theirs for mine, theirs in zip(self.as_tuple(), other.as_tuple(), strict=True)))

    def __invert__(self) -> PairCounts:
        return PairCounts(*reversed(self.as_tuple()))

    def as_tuple(self) -> tuple[int, int, int, int, int]:
        return self.zero, self.half, self.one, self.three_halves, self.two

    @property
    def pairs(self) -> int:
        return sum(self.as_tuple())

    @property
    def score(self) -> float:
        """Points a match, 0 to 1; 0.5 with no pairs."""
        pairs = self.pairs
        return float(SCORES @ self.as_tuple()) / pairs if pairs else 0.5


class Estimate(NamedTuple):
    """What pairs say of two players, from the first one's view.

    Attributes:
        score: points a match, 0 to 1.
        score_low, score_high: 95 % interval.
        elo: logistic Elo difference of that score; infinite where every match was won or lost.
        elo_low, elo_high: 95 % interval.
        superiority: likelihood that the first player is the better one, 0 to 1.
    """

    score: float
    score_low: float
    score_high: float
    elo: float
    elo_low: float
    elo_high: float
    superiority: float


class Verdict(StrEnum):
    """Where a sequential test stands."""

    H0 = "H0"  # accepted: the difference is elo0 rather than elo1
    H1 = "H1"  # accepted: the difference is elo1 rather than elo0
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Sprt:
    """A sequential test of two Elo differences.

    Attributes:
        elo0: of the null hypothesis.
        elo1: of the alternative, above elo0.
        alpha: how often H1 may be accepted where H0 is true.
        beta: how often H0 may be accepted where H1 is true.
    """

    elo0: float
    elo1: float
    alpha: float = 0.05
    beta: float = 0.05

    def __post_init__(self) -> None:
        if not (math.isfinite(self.elo0) and math.isfinite(self.elo1) and self.elo0 < self.elo1):
            raise ValueError(f"elo0 has to be below elo1, not {self.elo0:g} and {self.elo1:g}")
        if not (0.0 < self.alpha < 0.5 and 0.0 < self.beta < 0.5):
            raise ValueError(f"alpha and beta have to be between 0 and 0.5, not {self.alpha:g} and {self.beta:g}")

    def llr(self, counts: PairCounts) -> float:
        """The log-likelihood ratio of H1 against H0; see `llr`."""
        return llr(counts, self.elo0, self.elo1)

    def bounds(self) -> tuple[float, float]:
        """At or below the first H0 is accepted, at or above the second H1; see `bounds`."""
        return bounds(self.alpha, self.beta)

    def verdict(self, counts: PairCounts) -> Verdict:
        """Whether the pairs so far decide the test."""
        return status(self.llr(counts), *self.bounds())


def llr(counts: PairCounts, elo0: float, elo1: float) -> float:
    """The generalised log-likelihood ratio of a mean score s(elo1) against s(elo0)."""
    return float(llrs(counts.as_tuple(), elo0, elo1))


def llrs(counts: ArrayLike, elo0: float, elo1: float) -> Floats:
    """`llr` for many tests at once: counts [..., 5] -> [...]."""
    return log_ratio(counts, expected_score(elo1)) - log_ratio(counts, expected_score(elo0))


def bounds(alpha: float, beta: float) -> tuple[float, float]:
    """Wald's bounds log(beta / (1 - alpha)) and log((1 - beta) / alpha) of the log-likelihood ratio."""
    return math.log(beta / (1.0 - alpha)), math.log((1.0 - beta) / alpha)


def status(ratio: float, lower: float, upper: float) -> Verdict:
    """What a log-likelihood ratio says within these bounds."""
    return Verdict.H1 if ratio >= upper else Verdict.H0 if ratio <= lower else Verdict.UNDECIDED


def estimate(counts: PairCounts) -> Estimate:
    """Score, Elo difference and likelihood of superiority; with no pairs nothing is known."""
    score, pairs = counts.score, counts.as_tuple()
    low, high = (float(end) for end in interval(pairs))
    root = math.sqrt(max(0.0, -2.0 * float(log_ratio(pairs, 0.5))))
    superiority = NormalDist().cdf(math.copysign(root, score - 0.5))
    return Estimate(score, low, high, elo_of(score), elo_of(low), elo_of(high), superiority)


def interval(counts: ArrayLike) -> tuple[Floats, Floats]:
    """95 % intervals of the score a match: counts [..., 5] -> two of [...]; see `estimate`."""
    number = np.asarray(counts, dtype=np.float64)
    total = number.sum(axis=-1)
    score = np.where(total > 0.0, number @ SCORES / np.maximum(total, 1.0), 0.5)
    inside = np.stack((score, score))
    outside = np.stack((np.zeros_like(score), np.ones_like(score)))
    for _ in range(_BISECTIONS):
        middle = (inside + outside) / 2.0
        within = -2.0 * log_ratio(number, np.clip(middle, 1e-12, 1.0 - 1e-12)) <= _WILKS_95
        inside, outside = np.where(within, middle, inside), np.where(within, outside, middle)
    return inside[0], inside[1]


def expected_score(elo: float) -> float:
    """Points a match that a player of so much more Elo expects, 0 to 1."""
    return 1.0 / (1.0 + math.pow(10.0, -elo / 400.0))


def elo_of(score: float) -> float:
    """The Elo difference at which `score` is expected; infinite at 0 and 1."""
    if score <= 0.0 or score >= 1.0:
        return math.copysign(math.inf, score - 0.5)
    return 400.0 * math.log10(score / (1.0 - score))


def log_ratio(counts: ArrayLike, mean: ArrayLike) -> Floats:
    """log R(mean), see above: 0 where the mean is that of the counts, below 0 elsewhere.

    Args:
        counts: [..., 5] pairs by score.
        mean: [...] of the score a match, between 0 and 1, both excluded.
    """
    number, middle = np.asarray(counts, dtype=np.float64), np.asarray(mean, dtype=np.float64)
    away = SCORES - middle[..., None]
    # The sum is concave in x: its derivative falls, so halving the range finds the maximum, or the range's end.
    shape = np.broadcast_shapes(number.shape, away.shape)[:-1]
    low, high = np.broadcast_to(-1.0 / (1.0 - middle), shape), np.broadcast_to(1.0 / middle, shape)
    for _ in range(_BISECTIONS):
        x = (low + high) / 2.0
        rising = (number * away / (1.0 + x[..., None] * away)).sum(axis=-1) > 0.0
        low, high = np.where(rising, x, low), np.where(rising, high, x)
    factor = 1.0 + ((low + high) / 2.0)[..., None] * away
    ratio: Floats = -np.where(number > 0.0, number * np.log(np.maximum(factor, 1e-300)), 0.0).sum(axis=-1)
    return ratio
