"""SPRT on seat-swapped pairs: its likelihood against fishtest's formula, its error rates, intervals that cover."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import brentq

from matchmaking.sprt import (
    SCORES,
    Floats,
    PairCounts,
    Sprt,
    Verdict,
    bounds,
    elo_of,
    estimate,
    expected_score,
    interval,
    llr,
    llrs,
    log_ratio,
    status,
)

COUNTS = st.builds(PairCounts, *[st.integers(0, 200)] * 5)
RUNS = 1000
ERRORS = 0.05


def pair_distribution(elo: float, draws: float, seen_twice: float = 0.0, decided_by_seat: float = 0.0) -> Floats:
    """Probabilities of the five scores of a pair whose mean is that of `elo`.

    Args:
        elo: difference of the two players.
        draws: share of drawn matches, as a part of what is possible at that score.
        seen_twice: share of pairs whose second match ends like the first one (from the player's view).
        decided_by_seat: share of pairs in which the same seat wins both matches.
    """
    score = (expected_score(elo) - decided_by_seat / 2) / (1 - decided_by_seat)
    drawn = draws * 2 * min(score, 1 - score)
    match = np.array([1 - score - drawn / 2, drawn, score - drawn / 2])
    alike = np.array([match[0], 0, match[1], 0, match[2]])
    pair = (1 - seen_twice) * np.convolve(match, match) + seen_twice * alike
    pair = (1 - decided_by_seat) * pair
    pair[2] += decided_by_seat
    assert SCORES @ pair == pytest.approx(expected_score(elo))
    return np.asarray(pair)


def accepted(pair: Floats, test: Sprt, runs: int, rng: np.random.Generator, step: int = 1) -> tuple[float, float]:
    """How often H0 and H1 are accepted, over `runs` tests that look after every `step` pairs."""
    lower, upper = test.bounds()
    counts: NDArray[np.int64] = np.zeros((runs, 5), dtype=np.int64)
    going, verdicts = np.arange(runs), np.zeros(runs)
    while len(going):
        counts[going] += rng.multinomial(step, pair, size=len(going))
        assert counts[going[0]].sum() < 50_000
        ratio = llrs(counts[going], test.elo0, test.elo1)
        verdicts[going[ratio <= lower]] = -1
        verdicts[going[ratio >= upper]] = 1
        going = going[(lower < ratio) & (ratio < upper)]
    return float((verdicts < 0).mean()), float((verdicts > 0).mean())


def limit(runs: int) -> float:
    """What a share of errors of 5 % stays below in all but one of 1,000 series of so many runs."""
    return ERRORS + 3.1 * math.sqrt(ERRORS * (1 - ERRORS) / runs)


CASES = [
    pytest.param(0.0, 0.0, 0.0, id="no draws"),
    pytest.param(0.6, 0.0, 0.0, id="many draws"),
    pytest.param(0.3, 0.5, 0.0, id="matches of a pair end alike"),
    pytest.param(0.3, 0.0, 0.4, id="the seat decides most pairs"),
]


@pytest.mark.parametrize(("draws", "seen_twice", "decided_by_seat"), CASES)
def test_error_rates(draws: float, seen_twice: float, decided_by_seat: float) -> None:
    """alpha = beta = 0.05, 1,000 tests at each of the two hypotheses."""
    rng, test = np.random.default_rng(7), Sprt(0.0, 50.0)
    at_h0 = accepted(pair_distribution(test.elo0, draws, seen_twice, decided_by_seat), test, RUNS, rng)
    at_h1 = accepted(pair_distribution(test.elo1, draws, seen_twice, decided_by_seat), test, RUNS, rng)
    assert at_h0[1] <= limit(RUNS) and at_h1[0] <= limit(RUNS)
    assert sum(at_h0) == sum(at_h1) == 1.0
    assert at_h0[1] > 0.01 and at_h1[0] > 0.01, "a test that never errs takes too many matches"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("draws", "seen_twice", "decided_by_seat"), CASES)
@pytest.mark.parametrize(("elo0", "elo1", "step"), [(0, 20, 1), (-10, 10, 4), (0, 100, 1), (0, 200, 1)])
def test_error_rates_of_many_windows(
    elo0: float, elo1: float, step: int, draws: float, seen_twice: float, decided_by_seat: float
) -> None:
    rng, test, runs = np.random.default_rng(8), Sprt(elo0, elo1), 4000
    at_h0 = accepted(pair_distribution(elo0, draws, seen_twice, decided_by_seat), test, runs, rng, step)
    at_h1 = accepted(pair_distribution(elo1, draws, seen_twice, decided_by_seat), test, runs, rng, step)
    # Where a handful of pairs decides, Wald's bounds and the estimated distribution are only nearly right.
    slack = 0.0 if elo1 - elo0 < 100 else 0.02
    assert max(at_h0[1], at_h1[0]) <= limit(runs) + slack


def fishtest_llr(counts: PairCounts, elo0: float, elo1: float) -> float:
    """The same by the secular equation as fishtest solves it (Van den Bergh); every count must be above 0."""
    share = np.array(counts.as_tuple()) / counts.pairs

    def constrained(mean: float) -> Floats:
        away = SCORES - mean
        ends = -1 / away[-1] + 1e-9, -1 / away[0] - 1e-9
        root = brentq(lambda x: float((share * away / (1 + x * away)).sum()), *ends, xtol=1e-14)
        return np.asarray(share / (1 + root * away))

    p0, p1 = constrained(expected_score(elo0)), constrained(expected_score(elo1))
    return float(counts.pairs * (share * np.log(p1 / p0)).sum())


@given(st.builds(PairCounts, *[st.integers(1, 500)] * 5), st.floats(-100, 100, width=32), st.floats(1, 100, width=32))
def test_the_ratio_is_fishtests(counts: PairCounts, elo0: float, width: float) -> None:
    expected = fishtest_llr(counts, elo0, elo0 + width)
    assert llr(counts, elo0, elo0 + width) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_ratios_in_closed_form() -> None:
    """One kind of pair only: the best distribution of mean mu puts the rest on the far end."""
    s0, s1 = expected_score(0), expected_score(20)
    assert llr(PairCounts(two=7), 0, 20) == pytest.approx(7 * math.log(s1 / s0))
    assert llr(PairCounts(zero=7), 0, 20) == pytest.approx(7 * math.log((1 - s1) / (1 - s0)))
    assert llr(PairCounts(), 0, 20) == 0.0
    assert llr(PairCounts(one=10), -20, 20) == pytest.approx(0.0, abs=1e-9)


@given(COUNTS, st.floats(0.02, 0.98))
def test_no_distribution_is_likelier_than_the_counts_own(counts: PairCounts, mean: float) -> None:
    ratio = float(log_ratio(counts.as_tuple(), mean))
    assert ratio <= 1e-9
    if counts.pairs and abs(mean - counts.score) > 0.01:
        assert ratio < 0


@given(COUNTS, COUNTS)
def test_counts_add_and_turn_round(one: PairCounts, other: PairCounts) -> None:
    assert (one + other).pairs == one.pairs + other.pairs
    assert ~~one == one
    assert ~(one + other) == ~one + ~other
    assert (~one).score == pytest.approx(1 - one.score)
    assert llr(~one, -20, 0) == pytest.approx(-llr(one, 0, 20), abs=1e-6)


def test_counts_of_outcomes() -> None:
    counts = PairCounts.of("llldwldwww")
    assert counts == PairCounts(1, 1, 1, 1, 1)
    assert counts.score == 0.5
    assert PairCounts.of("dd") == PairCounts.of("wl") == PairCounts(one=1)
    assert PairCounts.of("") == PairCounts()
    for wrong in ("w", "wx", "WL"):
        with pytest.raises(ValueError, match="pairs of the letters w, d and l"):
            PairCounts.of(wrong)


def test_bounds_are_walds() -> None:
    lower, upper = bounds(0.05, 0.05)
    assert (lower, upper) == pytest.approx((-2.944439, 2.944439))
    assert bounds(0.01, 0.1) == pytest.approx((math.log(0.1 / 0.99), math.log(90)))
    assert [status(ratio, lower, upper) for ratio in (-3.0, lower, 0.0, upper, 3.0)] == [
        Verdict.H0,
        Verdict.H0,
        Verdict.UNDECIDED,
        Verdict.H1,
        Verdict.H1,
    ]
    test = Sprt(0, 20)
    assert test.verdict(PairCounts(10, 20, 300, 120, 90)) is Verdict.H1
    assert test.verdict(~PairCounts(10, 20, 300, 120, 90)) is Verdict.H0
    assert test.verdict(PairCounts(one=10)) is Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((20, 0), "elo0 has to be below elo1, not 20 and 0"),
        ((0, math.inf), "elo0 has to be below elo1"),
        ((0, 20, 0.0, 0.05), "alpha and beta have to be between 0 and 0.5, not 0 and 0.05"),
        ((0, 20, 0.05, 0.7), "alpha and beta"),
    ],
)
def test_a_test_that_makes_no_sense(arguments: tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sprt(*arguments)


@pytest.mark.parametrize("elo", [0.0, 150.0, -300.0])
@pytest.mark.parametrize(("draws", "seen_twice"), [(0.0, 0.0), (0.5, 0.0), (0.3, 0.5)])
def test_intervals_cover(elo: float, draws: float, seen_twice: float) -> None:
    rng, mean = np.random.default_rng(3), expected_score(elo)
    low, high = interval(rng.multinomial(60, pair_distribution(elo, draws, seen_twice), size=4000))
    assert 0.93 <= ((low <= mean) & (mean <= high)).mean() <= 0.97


@pytest.mark.parametrize("elo", [0.0, 400.0])
def test_intervals_of_few_pairs_cover(elo: float) -> None:
    """The mean and its standard error cover 91 and 80 % here, and 73 and 64 % with four pairs."""
    rng, mean = np.random.default_rng(4), expected_score(elo)
    for pairs in (4, 10):
        low, high = interval(rng.multinomial(pairs, pair_distribution(elo, 0.0), size=4000))
        assert ((low <= mean) & (mean <= high)).mean() >= 0.9


def test_the_interval_is_the_usual_one_for_many_pairs() -> None:
    counts = PairCounts(400, 900, 2500, 1300, 700)
    variance = float(SCORES**2 @ counts.as_tuple()) / counts.pairs - counts.score**2
    half = 1.959964 * math.sqrt(variance / counts.pairs)
    found = estimate(counts)
    assert found.score_low == pytest.approx(counts.score - half, abs=2e-4)
    assert found.score_high == pytest.approx(counts.score + half, abs=2e-4)
    assert found.elo == pytest.approx(elo_of(counts.score))


def test_the_interval_where_all_pairs_end_alike() -> None:
    won = estimate(PairCounts(two=10))
    assert (won.score, won.score_high, won.elo) == (1.0, 1.0, math.inf)
    assert won.score_low == pytest.approx(math.exp(-1.920729 / 10), abs=1e-6)
    assert won.superiority > 0.999
    even = estimate(PairCounts(one=10))
    assert even.score_low == pytest.approx(0.412623, abs=1e-5)
    assert even.score_high == pytest.approx(1 - even.score_low)
    assert even.superiority == pytest.approx(0.5)


def test_nothing_is_known_of_no_pairs() -> None:
    found = estimate(PairCounts())
    assert found.score == 0.5 and found.superiority == pytest.approx(0.5)
    assert found.score_low == pytest.approx(0.0, abs=1e-9) and found.score_high == pytest.approx(1.0, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(COUNTS)
def test_superiority_and_interval_agree(counts: PairCounts) -> None:
    found = estimate(counts)
    assert 0.0 <= found.score_low <= found.score + 1e-12 and found.score - 1e-12 <= found.score_high <= 1.0
    if found.superiority > 0.98:
        assert found.score_low > 0.5
    if found.superiority < 0.97:
        assert found.score_low <= 0.5
    assert estimate(~counts).superiority == pytest.approx(1 - found.superiority, abs=1e-6)


def test_elo_and_score() -> None:
    assert expected_score(0) == 0.5
    assert expected_score(400) == pytest.approx(10 / 11)
    assert elo_of(10 / 11) == pytest.approx(400)
    assert (elo_of(0.0), elo_of(1.0)) == (-math.inf, math.inf)
