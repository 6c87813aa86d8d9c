"""Live ratings, while the population grows: TrueSkill and Elo, folded from the log of rated matches in its order.

TrueSkill (Herbrich, Minka, Graepel, NIPS 2006) for two players has a closed form; it agrees with the `trueskill`
package's factor graph to that package's own precision. With c^2 = 2 beta^2 + sigma_a^2 + sigma_b^2, t = (mu_w - mu_l)/c
and the draw margin e (in units of c):

    mu += +-sigma^2/c v(t, e),    sigma^2 *= 1 - sigma^2/c^2 w(t, e).

Everything is an argument: no environment that is shared, and the state of a player is the floats of its `Rating`.
These numbers depend on the order of the log; what is published is `matchmaking.standings`, which does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist

from matchmaking.records import Kind, MatchResult, Rating


@dataclass(frozen=True, slots=True)
class RatingSettings:
    """The constants of both systems; the defaults are the published ones of TrueSkill (mu 25, sigma 25/3).

    Attributes:
        beta: performance noise: that much more skill is about a 76 % chance of winning.
        learner_tau: what sigma^2 grows by (squared) before each match of a player that learns.
        fixed_tau: the same for frozen players, bots and scripted players, who do not change. With TrueSkill's default
            their sigma would never shrink below a floor, and 95 % intervals would cover 100 %.
        draw_probability: chance of a draw between equals; it sets the draw margin.
        elo_k: K, the most that one match moves an Elo rating. 16 is a chess master's: a rating settles within about
            50 matches and then wanders by about 25.
    """

    beta: float = 25.0 / 6.0
    learner_tau: float = 25.0 / 300.0
    fixed_tau: float = 0.0
    draw_probability: float = 0.10
    elo_k: float = 16.0

    def __post_init__(self) -> None:
        if not self.beta > 0.0:
            raise ValueError(f"beta must be positive, not {self.beta}")
        if not 0.0 <= self.draw_probability < 1.0:
            raise ValueError(f"draw_probability must be at least 0 and below 1, not {self.draw_probability}")

    @property
    def draw_margin(self) -> float:
        """Difference in performance below which two players draw."""
        return NormalDist().inv_cdf((self.draw_probability + 1.0) / 2.0) * math.sqrt(2.0) * self.beta

    def tau(self, kind: Kind) -> float:
        """tau of a player of this kind."""
        return self.learner_tau if kind is Kind.LEARNER else self.fixed_tau


DEFAULT = RatingSettings()

_FAR = 30.0
"""Standard deviations beyond which the normal's tail is taken from its asymptotic series (it underflows at 38)."""
_VERY_FAR = 1e4
_NARROW = 1e-7


def update_ratings(
    ratings: Mapping[str, Rating],
    result: MatchResult,
    kinds: Mapping[str, Kind],
    settings: RatingSettings = DEFAULT,
) -> dict[str, Rating]:
    """Fold one line of the log, match by match in the order of its outcomes.

    Args:
        ratings: the ratings before; players that are missing start at `Rating()`. Not changed.
        result: the line.
        kinds: kind of both players.
        settings: constants.

    Returns:
        The ratings after, of the two players only; empty for a result without matches. The same arguments give the
        same bits.

    Raises:
        ValueError: the kind of a player is not known.
    """
    for player in (result.a, result.b):
        if player not in kinds:
            raise ValueError(f"result {result.id} names {player}, whose kind is not known")
    if not result.outcomes:
        return {}
    a, b = ratings.get(result.a, Rating()), ratings.get(result.b, Rating())
    mu_a, sigma_a, elo_a, mu_b, sigma_b, elo_b = a.mu, a.sigma, a.elo, b.mu, b.sigma, b.elo
    tau_a, tau_b, margin = settings.tau(kinds[result.a]), settings.tau(kinds[result.b]), settings.draw_margin
    for score in _scores(result.outcomes):
        mu_a, sigma_a, mu_b, sigma_b = _trueskill(
            mu_a, math.hypot(sigma_a, tau_a), mu_b, math.hypot(sigma_b, tau_b), score, settings.beta, margin
        )
        gain = settings.elo_k * (score - elo_expectation(elo_a, elo_b))
        elo_a, elo_b = elo_a + gain, elo_b - gain
    wins, draws, losses = (result.count(letter) for letter in "wdl")
    return {
        result.a: _after(a, mu_a, sigma_a, elo_a, wins, draws, losses),
        result.b: _after(b, mu_b, sigma_b, elo_b, losses, draws, wins),
    }


def elo_expectation(elo_a: float, elo_b: float) -> float:
    """Expected score of a against b, 1 / (1 + 10^((b - a) / 400)), for any finite ratings."""
    exponent = (elo_b - elo_a) / 400.0
    return 1.0 / (1.0 + math.pow(10.0, min(exponent, 300.0)))


def _scores(outcomes: str) -> Iterator[float]:
    return ({"w": 1.0, "d": 0.5, "l": 0.0}[letter] for letter in outcomes)


def _after(rating: Rating, mu: float, sigma: float, elo: float, wins: int, draws: int, losses: int) -> Rating:
    return Rating(
        mu=mu,
        sigma=sigma,
        elo=elo,
        games=rating.games + wins + draws + losses,
        wins=rating.wins + wins,
        draws=rating.draws + draws,
        losses=rating.losses + losses,
    )


def _trueskill(
    mu_a: float, sigma_a: float, mu_b: float, sigma_b: float, score: float, beta: float, margin: float
) -> tuple[float, float, float, float]:
    """Both players' (mu, sigma) after one match with a's score 1, 0.5 or 0."""
    noise, of_a, of_b = 2.0 * beta * beta, sigma_a * sigma_a, sigma_b * sigma_b
    variance = noise + of_a + of_b
    c = math.sqrt(variance)
    sign = -1.0 if score == 0.0 else 1.0
    t = sign * (mu_a - mu_b) / c
    v, w = draw_corrections(t, margin / c) if score == 0.5 else win_corrections(t, margin / c)
    # sigma^2 (1 - sigma^2 / c^2 w), written without a difference: it stays positive however large sigma is.
    return (
        mu_a + sign * of_a / c * v,
        sigma_a * math.sqrt((noise + of_b + of_a * (1.0 - w)) / variance),
        mu_b - sign * of_b / c * v,
        sigma_b * math.sqrt((noise + of_a + of_b * (1.0 - w)) / variance),
    )


def win_corrections(t: float, margin: float) -> tuple[float, float]:
    """(v, w) of a win: mean and variance corrections of a normal truncated below at `margin - t`.

    v = pdf(x)/cdf(x) and w = v (v + x) with x = t - margin; finite for every finite t, 0 < w < 1 up to rounding.
    """
    x = t - margin
    excess = _hazard_excess(-x)
    v = excess - x
    return v, min(max(v * excess, 0.0), 1.0)


def draw_corrections(t: float, margin: float) -> tuple[float, float]:
    """(v, w) of a draw: the same for a normal truncated to [-margin - t, margin - t]; finite for every finite t.

    With the tails written by their hazards, pdf = hazard * tail, nothing underflows however far t is. A margin too
    small for doubles is a performance known exactly: v = -t, w = 1; and w is 1 to within 1e-8 beyond 1e4 deviations.
    """
    if margin < _NARROW:
        return -t, 1.0
    d = abs(t)
    near, far = d - margin, d + margin
    ratio = math.exp(-2.0 * margin * d)  # pdf(far) / pdf(near)
    if near > 0.0:
        mass = 1.0 / (_hazard_excess(near) + near) - ratio / (_hazard_excess(far) + far)  # in units of pdf(near)
    else:
        mass = (_cdf(-near) - _cdf(-far)) / _pdf(near)
    v = (1.0 - ratio) / mass
    w = v * v - (near - far * ratio) / mass if near < _VERY_FAR else 1.0
    return math.copysign(v, -t), min(max(w, 0.0), 1.0)


def _hazard_excess(x: float) -> float:
    """pdf(x) / (1 - cdf(x)) - x: how far beyond x the mean of a normal beyond x lies. Positive, about 1/x far out."""
    if x < _FAR:
        return _pdf(x) / _cdf(-x) - x
    # Asymptotic series of the inverse Mills ratio; the next term is below 1e-7 of the last at x = 30.
    y = 1.0 / (x * x)
    return (1.0 - y * (2.0 - y * (10.0 - 74.0 * y))) / x


def _pdf(x: float) -> float:
    return math.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)


def _cdf(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))
