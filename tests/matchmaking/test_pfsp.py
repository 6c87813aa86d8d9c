"""PFSP weights and draws: published values, and the inputs that crashed other leagues."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchmaking.bench_pfsp import bench_pfsp
from matchmaking.pfsp import Sampler, Weighting, draw, pfsp_weights

RATES = np.array([0.0, 0.25, 0.5, 1.0])


@pytest.mark.parametrize(
    ("weighting", "weights"),
    [
        (Weighting.SQUARED, [1.0, 0.5625, 0.25, 0.0]),
        (Weighting.LINEAR, [1.0, 0.75, 0.5, 0.0]),
        (Weighting.LINEAR_CAPPED, [0.5, 0.5, 0.5, 0.0]),
        (Weighting.VARIANCE, [0.0, 0.1875, 0.25, 0.0]),
    ],
)
def test_the_published_weights(weighting: Weighting, weights: list[float]) -> None:
    np.testing.assert_allclose(pfsp_weights(RATES, weighting), np.array(weights) / sum(weights), rtol=1e-15)


@pytest.mark.parametrize("weighting", Weighting)
@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_all_alike_is_uniform_and_never_zero_over_zero(weighting: Weighting, rate: float) -> None:
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(pfsp_weights(np.full(4, rate), weighting), np.full(4, 0.25))


def test_a_sum_below_1e_10_is_uniform_and_one_above_is_not() -> None:
    assert pfsp_weights(np.array([1.0, 1.0 - 0.9e-5]), Weighting.SQUARED).tolist() == [0.5, 0.5]
    assert pfsp_weights(np.array([1.0, 1.0 - 1.1e-5]), Weighting.SQUARED).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("weighting", Weighting)
def test_no_candidates_give_no_weights_and_no_draw(weighting: Weighting) -> None:
    weights = pfsp_weights(np.empty(0), weighting)
    assert weights.shape == (0,)
    assert draw(weights, np.random.default_rng(0)) is None


@given(st.lists(st.floats(0.0, 1.0 + 1e-15), min_size=1, max_size=50), st.sampled_from(list(Weighting)), st.integers(0))
def test_weights_are_probabilities_and_a_draw_is_a_candidate(
    rates: list[float], weighting: Weighting, seed: int
) -> None:
    weights = pfsp_weights(np.array(rates), weighting)
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1.0)
    drawn = draw(weights, np.random.default_rng(seed))
    assert drawn is not None
    assert weights[drawn] > 0


def test_zero_weights_are_drawn_uniformly() -> None:
    rng = np.random.default_rng(0)
    counts = np.bincount([draw(np.zeros(3), rng) or 0 for _ in range(3000)], minlength=3)
    assert (abs(counts - 1000) < 120).all()


def test_draws_follow_the_weights_and_never_take_a_zero() -> None:
    sampler, rng = Sampler(np.array([0.0, 3.0, 0.0, 1.0, 0.0])), np.random.default_rng(0)
    counts = np.bincount([sampler.draw(rng) or 0 for _ in range(10_000)], minlength=5)
    assert counts[[0, 2, 4]].sum() == 0
    assert counts[1] == pytest.approx(7500, abs=200)


class _Always(np.random.Generator):
    """A generator whose every number is the same."""

    def __init__(self, number: float) -> None:
        super().__init__(np.random.PCG64(0))
        self._number = number

    def random(self, *args: object, **kwargs: object) -> float:  # type: ignore[override]
        return self._number


def test_a_point_rounded_up_to_the_sum_falls_on_the_last_weight() -> None:
    highest = _Always(float(np.nextafter(1.0, 0.0)))
    for total in (0.1, 0.7, 3.3, 1e-300, 5e-324):
        assert draw(np.array([total, 0.0]), highest) == 0


def test_a_point_at_zero_or_on_a_border_falls_on_a_weight() -> None:
    assert draw(np.array([0.0, 1.0, 1.0]), _Always(0.0)) == 1
    assert draw(np.array([1.0, 0.0, 1.0]), _Always(0.5)) == 2


@pytest.mark.parametrize("weights", [[-1.0, 2.0], [float("nan"), 1.0], [float("inf"), 1.0]])
def test_weights_that_are_none_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        draw(np.array(weights), np.random.default_rng(0))


def test_ten_thousand_candidates_take_a_millisecond_at_most() -> None:
    figures = bench_pfsp(10_000, repeats=30)
    slow = {name: figure for name, figure in figures.items() if name != "candidates" and figure > 1000.0}
    assert not slow
