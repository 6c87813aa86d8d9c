"""Live TrueSkill and Elo: agreement with the reference package, extreme gaps, tau, determinism."""

from __future__ import annotations

import math

import pytest
import trueskill
from hypothesis import given, settings
from hypothesis import strategies as st

from matchmaking.ratings import (
    RatingSettings,
    draw_corrections,
    elo_expectation,
    update_ratings,
    win_corrections,
)
from matchmaking.records import Kind, MatchResult, Rating

FROZEN = {"a": Kind.FROZEN, "b": Kind.FROZEN}


def result(outcomes: str, a: str = "a", b: str = "b") -> MatchResult:
    return MatchResult(id="m", a=a, b=b, seed=0, outcomes=outcomes)


def reference(a: Rating, b: Rating, outcomes: str, environment: trueskill.TrueSkill) -> tuple[float, ...]:
    """The `trueskill` package over the same outcomes, by its own explicit environment."""
    first, second = environment.create_rating(a.mu, a.sigma), environment.create_rating(b.mu, b.sigma)
    for outcome in outcomes:
        if outcome == "l":
            second, first = trueskill.rate_1vs1(second, first, env=environment)
        else:
            first, second = trueskill.rate_1vs1(first, second, drawn=outcome == "d", env=environment)
    return first.mu, first.sigma, second.mu, second.sigma


def ours(a: Rating, b: Rating, outcomes: str, kinds: dict[str, Kind] = FROZEN) -> tuple[float, ...]:
    after = update_ratings({"a": a, "b": b}, result(outcomes), kinds)
    return after["a"].mu, after["a"].sigma, after["b"].mu, after["b"].sigma


mus = st.floats(10.0, 40.0)
sigmas = st.floats(0.5, 25.0 / 3.0)
pairs_of_outcomes = st.text("wdl", min_size=2, max_size=6).map(lambda text: text[: len(text) // 2 * 2])


@settings(max_examples=150, deadline=None)
@given(mus, sigmas, mus, sigmas, pairs_of_outcomes)
def test_agrees_with_the_package(mu_a: float, sigma_a: float, mu_b: float, sigma_b: float, outcomes: str) -> None:
    a, b = Rating(mu=mu_a, sigma=sigma_a), Rating(mu=mu_b, sigma=sigma_b)
    assert ours(a, b, outcomes) == pytest.approx(reference(a, b, outcomes, trueskill.TrueSkill(tau=0.0)), abs=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.floats(-20.0, 70.0), st.floats(0.3, 9.0), st.floats(-20.0, 70.0), st.floats(0.3, 9.0), pairs_of_outcomes)
def test_agrees_far_out_with_the_package_on_accurate_normals(
    mu_a: float, sigma_a: float, mu_b: float, sigma_b: float, outcomes: str
) -> None:
    a, b = Rating(mu=mu_a, sigma=sigma_a), Rating(mu=mu_b, sigma=sigma_b)
    accurate = trueskill.TrueSkill(tau=0.0, backend="scipy")
    assert ours(a, b, outcomes) == pytest.approx(reference(a, b, outcomes, accurate), abs=1e-7)


@settings(max_examples=150, deadline=None)
@given(
    st.floats(-500.0, 500.0),
    st.floats(-3.0, 2.0).map(lambda power: 10.0**power),
    st.floats(-3.0, 2.0).map(lambda power: 10.0**power),
    st.sampled_from("wdl"),
)
def test_agrees_at_extreme_gaps_and_sigmas_with_the_package_in_high_precision(
    gap: float, sigma_a: float, sigma_b: float, outcome: str
) -> None:
    """By its backend mpmath at 100 digits; its own floats raise or are wrong there."""
    a, b = Rating(mu=25.0 + gap, sigma=sigma_a), Rating(mu=25.0, sigma=sigma_b)
    result = MatchResult.model_construct(id="m", a="a", b="b", seed=0, outcomes=outcome, forfeits=())
    after = update_ratings({"a": a, "b": b}, result, FROZEN)
    found = (after["a"].mu, after["a"].sigma, after["b"].mu, after["b"].sigma)
    with pytest.importorskip("mpmath").workdps(100):  # torch brings it
        precise = trueskill.TrueSkill(tau=0.0, backend="mpmath")
        expected = [float(value) for value in reference(a, b, outcome, precise)]
    assert found == pytest.approx(expected, abs=1e-5)


@settings(max_examples=300, deadline=None)
@given(
    st.floats(-1e12, 1e12),
    st.floats(-1e12, 1e12),
    st.floats(1e-9, 1e9),
    st.floats(1e-9, 1e9),
    st.floats(-1e6, 1e6),
    pairs_of_outcomes,
    st.sampled_from(list(Kind)),
)
def test_no_finite_rating_raises(
    mu_a: float, mu_b: float, sigma_a: float, sigma_b: float, elo: float, outcomes: str, kind: Kind
) -> None:
    before = {"a": Rating(mu=mu_a, sigma=sigma_a, elo=elo), "b": Rating(mu=mu_b, sigma=sigma_b)}
    for player, new in update_ratings(before, result(outcomes), {"a": kind, "b": Kind.BOT}).items():
        assert math.isfinite(new.mu) and math.isfinite(new.elo)
        assert new.sigma > 0.0, "a sigma of 0 would never move again"
        if player == "b":
            assert new.sigma <= sigma_b


def test_two_new_players_by_the_published_values() -> None:
    """Herbrich et al.'s defaults: a first win gives 29.396 +- 7.171, a first draw 25.000 +- 6.458."""
    learners = {"a": Kind.LEARNER, "b": Kind.LEARNER}
    won = ours(Rating(), Rating(), "ww", learners)
    package = trueskill.TrueSkill()
    assert won == pytest.approx(reference(Rating(), Rating(), "ww", package), abs=1e-5)
    first, _ = trueskill.rate_1vs1(package.create_rating(), package.create_rating(), env=package)
    assert (first.mu, first.sigma) == pytest.approx((29.396, 7.171), abs=5e-4)
    once = _one_match(Rating(), Rating(), 1.0)
    assert once == pytest.approx((29.396, 7.171, 20.604, 7.171), abs=5e-4)
    assert _one_match(Rating(), Rating(), 0.5) == pytest.approx((25.0, 6.458, 25.0, 6.458), abs=5e-4)


def _one_match(a: Rating, b: Rating, score: float) -> tuple[float, ...]:
    """A single match of two learners, from the corrections alone."""
    constants = RatingSettings()
    variance_a, variance_b = (rating.sigma**2 + constants.learner_tau**2 for rating in (a, b))
    c = math.sqrt(2.0 * constants.beta**2 + variance_a + variance_b)
    corrections = draw_corrections if score == 0.5 else win_corrections
    v, w = corrections((a.mu - b.mu) / c, constants.draw_margin / c)
    return (
        a.mu + variance_a / c * v,
        math.sqrt(variance_a * (1.0 - variance_a / c**2 * w)),
        b.mu - variance_b / c * v,
        math.sqrt(variance_b * (1.0 - variance_b / c**2 * w)),
    )


@pytest.mark.parametrize("gap", [230.0, 1e3, 1e5, 1e8, 1e15])
@pytest.mark.parametrize("outcomes", ["ll", "ww", "dd", "ld"])
def test_extreme_gaps_never_raise(gap: float, outcomes: str) -> None:
    """The package raises FloatingPointError from a gap of 230 at sigma 0.8."""
    a, b = Rating(mu=25.0 + gap, sigma=0.8), Rating(mu=25.0, sigma=0.8)
    mu_a, sigma_a, mu_b, sigma_b = ours(a, b, outcomes)
    assert all(math.isfinite(value) for value in (mu_a, sigma_a, mu_b, sigma_b))
    assert 0.0 < sigma_a <= 0.8
    assert 0.0 < sigma_b <= 0.8
    if outcomes == "ww":
        assert (mu_a, mu_b) == (a.mu, b.mu)
    else:
        assert mu_a < a.mu
        assert mu_b > b.mu


def test_the_package_does_raise_there() -> None:
    a, b = Rating(mu=255.0, sigma=0.8), Rating(mu=25.0, sigma=0.8)
    with pytest.raises(FloatingPointError):
        reference(a, b, "l", trueskill.TrueSkill(tau=0.0))


@given(st.floats(-1e12, 1e12), st.floats(0.0, 10.0))
def test_corrections_are_finite_and_variance_never_grows(t: float, margin: float) -> None:
    for v, w in (win_corrections(t, margin), draw_corrections(t, margin)):
        assert math.isfinite(v)
        assert 0.0 <= w <= 1.0
    assert win_corrections(t, margin)[0] >= 0.0
    assert draw_corrections(t, margin)[0] * t <= 0.0


@pytest.mark.parametrize("margin", [1e-3, 0.05, 1.0])
def test_both_formulas_of_the_tails_join(margin: float) -> None:
    """The asymptotic series and the exact tail agree on both sides of where they meet, at 30 deviations."""
    for corrections, sign in ((win_corrections, -1.0), (draw_corrections, 1.0)):
        low, high = (corrections(sign * t, margin) for t in (30.0 - 2e-9 + margin, 30.0 + 2e-9 + margin))
        assert low == pytest.approx(high, abs=1e-7)


@pytest.mark.parametrize(("t", "margin"), [(5.0, 1e-12), (29.0, 1e-12), (2e4, 0.1), (1e9, 0.1), (1e15, 1.0)])
def test_a_draw_far_out_or_within_no_margin_is_a_performance_known_exactly(t: float, margin: float) -> None:
    """Cancellation would otherwise leave w anywhere between 0 and 1."""
    v, w = draw_corrections(t, margin)
    assert v == pytest.approx(-t, rel=1e-4)
    assert w == pytest.approx(1.0, abs=1e-6)


def test_sigma_of_fixed_players_only_shrinks_and_a_learners_does_not_vanish() -> None:
    kinds = {"a": Kind.FROZEN, "b": Kind.LEARNER}
    ratings: dict[str, Rating] = {}
    for _ in range(400):
        previous = ratings
        ratings = ratings | update_ratings(ratings, result("wlwl"), kinds)
        assert not previous or ratings["a"].sigma < previous["a"].sigma
    assert ratings["a"].sigma < 0.5 < ratings["b"].sigma


@pytest.mark.parametrize("kind", [Kind.FROZEN, Kind.BOT, Kind.SCRIPTED])
def test_tau_is_zero_for_whoever_does_not_change(kind: Kind) -> None:
    assert RatingSettings().tau(kind) == 0.0
    assert RatingSettings().tau(Kind.LEARNER) == 25.0 / 300.0


def test_floats_are_the_state_so_replay_is_equal_to_the_bit() -> None:
    """One fold, a fold that stores and reloads after each line, and a second run."""
    log = [result("wdlw"), result("llwd", "b", "c"), result("wwdl", "c", "a")] * 50
    kinds = {"a": Kind.FROZEN, "b": Kind.LEARNER, "c": Kind.BOT}

    def fold(stored: bool) -> dict[str, Rating]:
        ratings: dict[str, Rating] = {}
        for line in log:
            ratings |= update_ratings(ratings, line, kinds)
            if stored:
                ratings = {id: Rating.model_validate_json(rating.model_dump_json()) for id, rating in ratings.items()}
        return ratings

    assert fold(False) == fold(True) == fold(False)


def test_global_environment_of_the_package_is_neither_read_nor_written() -> None:
    before = ours(Rating(), Rating(), "wd")
    try:
        trueskill.setup(mu=0.0, sigma=1.0, beta=0.1, tau=0.5, draw_probability=0.5)
        changed = trueskill.global_env()
        assert ours(Rating(), Rating(), "wd") == before
        assert trueskill.global_env() is changed
    finally:
        trueskill.setup()


def test_elo_moves_by_k_times_the_surprise_and_counts_games() -> None:
    assert elo_expectation(1200.0, 1000.0) == pytest.approx(0.7597469, abs=1e-7)
    after = update_ratings({"a": Rating(elo=1200.0, games=4, wins=4)}, result("wl"), FROZEN)
    first = 16.0 * (1.0 - 0.7597469)
    second = -16.0 * elo_expectation(1200.0 + first, 1000.0 - first)
    assert after["a"].elo == pytest.approx(1200.0 + first + second, abs=1e-5)
    assert after["a"].elo + after["b"].elo == pytest.approx(2200.0)
    assert (after["a"].games, after["a"].wins, after["a"].losses, after["b"].games) == (6, 5, 1, 2)
    assert math.isfinite(elo_expectation(-1e9, 1e9))
    assert elo_expectation(1e9, -1e9) == 1.0


def test_only_the_two_players_change_and_input_stays() -> None:
    ratings = {"a": Rating(), "c": Rating(mu=30.0)}
    after = update_ratings(ratings, result("ww"), FROZEN)
    assert set(after) == {"a", "b"}
    assert ratings == {"a": Rating(), "c": Rating(mu=30.0)}
    assert update_ratings(ratings, result(""), FROZEN) == {}


def test_both_sides_count_their_own_games() -> None:
    after = update_ratings({}, result("wwdwwl"), FROZEN)
    counts = {id: (rating.games, rating.wins, rating.draws, rating.losses) for id, rating in after.items()}
    assert counts == {"a": (6, 4, 1, 1), "b": (6, 1, 1, 4)}


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(ValueError, match="result m names b, whose kind is not known"):
        update_ratings({}, result("ww"), {"a": Kind.BOT})


@pytest.mark.parametrize("bad", [{"beta": 0.0}, {"draw_probability": 1.0}])
def test_bad_constants_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        RatingSettings(**bad)
