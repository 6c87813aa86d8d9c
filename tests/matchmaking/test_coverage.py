"""The 95 % intervals hold the truth 95 times in a hundred, however the matches came about."""

from __future__ import annotations

import numpy as np
import pytest

from tests.matchmaking.designs import DESIGNS, adaptive, covered, errors, normal
from tests.matchmaking.designs import Design as League


def test_intervals_cover_between_93_and_97_percent_and_broken_ones_do_not() -> None:
    """All designs together; seen apart, each has too few leagues here for more than wide bounds."""
    of_design = {name: errors(design, 24, seed=0)[0] for name, design in DESIGNS.items()}
    for name, found in of_design.items():
        assert 0.91 <= covered(found) <= 0.985, name
    everything = np.concatenate(list(of_design.values()))
    assert len(everything) > 5000
    assert 0.935 <= covered(everything) <= 0.965
    for width in (0.5, 0.8, 1.3):
        assert not 0.93 <= covered(everything, width) <= 0.97


def test_intervals_of_the_first_seats_advantage() -> None:
    found = np.concatenate([errors(DESIGNS[name], 150, seed=0)[1] for name in ("balanced", "large seat advantage")])
    assert 0.92 <= covered(found) <= 0.98


def test_the_spread_of_the_pool_is_found() -> None:
    """Within its error: over 30 players a standard deviation is known to 13 %."""
    for spread in (60.0, 200.0, 500.0):
        rng = np.random.default_rng(1)
        league = League(normal(30, spread), adaptive(200))
        ratios = [league.simulate(rng)[1].spread * 173.717793 / spread for _ in range(6)]
        assert 0.8 <= float(np.mean(ratios)) <= 1.25


@pytest.mark.slow
@pytest.mark.parametrize("name", DESIGNS)
def test_each_design_covers_between_93_and_97_percent(name: str) -> None:
    of_ratings, of_seat = errors(DESIGNS[name], 200, seed=2)
    assert 0.93 <= covered(of_ratings) <= 0.97
    assert 0.90 <= covered(of_seat) <= 0.99  # of 200: two standard errors are 3 %
