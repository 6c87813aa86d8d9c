"""Intransitivity: 1 for rock-paper-scissors, 0 for Elo's model, Hodge's share in between, and noise is no cycle."""

from __future__ import annotations

import numpy as np
import pytest

from matchmaking.bradley_terry import ELO, fit
from matchmaking.counts import aggregate
from matchmaking.intransitivity import Share, intransitivity
from matchmaking.pfsp import Floats
from matchmaking.records import MatchResult
from tests.matchmaking.simulated import result, simulated_log


def share(log: list[MatchResult]) -> Share | None:
    counts = aggregate(log)
    return intransitivity(counts, fit(counts))


def of_log_odds(matrix: Floats, pairs: int) -> list[MatchResult]:
    """A log whose scores are, up to rounding, those of these log-odds, `pairs` seat-swapped pairs for each two."""
    log = []
    for i in range(len(matrix)):
        for j in range(i + 1, len(matrix)):
            wins = round(pairs / (1.0 + np.exp(-matrix[i, j])))
            log.append(result(0, f"p{i:03}", f"p{j:03}", "ww" * wins + "ll" * (pairs - wins)))
    return log


def test_rock_paper_scissors_is_all_cyclic() -> None:
    found = share([result(n, f"p{n}", f"p{(n + 1) % 3}", "ww" * 50) for n in range(3)])
    assert found is not None
    assert found.value == pytest.approx(1.0, abs=1e-9)
    assert found.low > 0.95


def test_a_pure_order_is_not_although_its_log_odds_saturate() -> None:
    """Hodge's share of a matrix of signs is 1/9 for three players; no rating has to miss any of these results."""
    found = share([result(0, f"p{i}", f"p{j}", "ww" * 50) for i in range(5) for j in range(i + 1, 5)])
    assert found is not None
    assert found.value < 0.01


@pytest.mark.parametrize("cyclic", [0.0, 0.05, 0.1, 0.3])
def test_close_players_have_hodges_share(cyclic: float) -> None:
    """Balduzzi et al. 2018, section 3: A = grad r + rot, with r the row means of A."""
    rng = np.random.default_rng(3)
    rating, noise = rng.normal(0.0, 0.1, 8), rng.normal(0.0, cyclic, (8, 8))
    matrix = np.subtract.outer(rating, rating) + noise - noise.T
    means = matrix.mean(axis=1)
    rest = matrix - np.subtract.outer(means, means)
    expected = float((rest**2).sum() / (matrix**2).sum())
    found = share(of_log_odds(matrix, 100_000))
    assert found is not None
    assert found.value == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize(("players", "results", "pairs"), [(12, 240, 5), (30, 60, 4), (64, 300, 4), (128, 3000, 8)])
def test_noise_is_no_cycle(players: int, results: int, pairs: int) -> None:
    """Elo's own model, from a few matches a pair: on the scale of log-odds, noise alone would make 20 %."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        found = share(simulated_log(rng.normal(0.0, 200.0, players), results, pairs, rng, seat=100.0))
        assert found is not None
        assert found.value < 0.05
        assert found.low == 0.0


def test_a_cycle_in_a_noisy_log_is_found() -> None:
    """Three players who beat each other in a ring (75 %), in a pool that is spread as Elo's model has it."""
    rng = np.random.default_rng(0)
    truth = rng.normal(0.0, 100.0, 12)
    log = simulated_log(truth, 400, 5, rng)
    ring = [simulated_log([200.0, 0.0], 40, 5, rng) for _ in range(3)]
    for n, matches in enumerate(ring):
        rename = {"p000": f"q{n}", "p001": f"q{(n + 1) % 3}"}
        log += [line.model_copy(update={"a": rename[line.a], "b": rename[line.b]}) for line in matches]
    found = share(log)
    assert found is not None
    assert 0.02 < found.low < found.value < found.high < 1.0


def test_equal_players_leave_nothing_to_explain() -> None:
    for seed in range(12):
        assert share(simulated_log(np.zeros(12), 240, 5, np.random.default_rng(seed))) is None
    assert share([result(0, "a", "b", "wl")]) is None
    assert share([]) is None


def test_the_first_seats_advantage_is_no_cycle() -> None:
    found = share(simulated_log([-150.0, 0.0, 150.0], 300, 5, np.random.default_rng(0), seat=400.0))
    assert found is not None
    assert found.value < 0.02
    assert fit(aggregate(simulated_log([0.0, 1.0], 300, 5, np.random.default_rng(0), seat=400.0))).seat * ELO > 300.0
