"""The Bradley-Terry fit: closed forms, coverage of the intervals, order."""

from __future__ import annotations

import numpy as np
import pytest

from matchmaking import bradley_terry
from matchmaking.bradley_terry import ELO, fit
from matchmaking.counts import aggregate
from tests.matchmaking.simulated import result, simulated_log


def difference(outcomes: str) -> tuple[float, float]:
    """Fitted log-odds of a over b, and its standard error."""
    fitted = fit(aggregate([result(0, "a", "b", outcomes)]))
    error = fitted.covariance[0, 0] + fitted.covariance[1, 1] - 2 * fitted.covariance[0, 1]
    return float(fitted.strength[0] - fitted.strength[1]), float(np.sqrt(error))


@pytest.mark.parametrize(("wins", "draws", "losses"), [(3, 0, 1), (1, 0, 1), (3, 2, 1), (1, 5, 4)])
def test_two_players_have_the_log_odds_of_their_decided_games(wins: int, draws: int, losses: int) -> None:
    """Davidson 1970: with both seats alike the maximum is ln(wins / losses), whatever the draws (up to the prior)."""
    pairs = "ww" * wins + "dd" * draws + "ll" * losses
    found, error = difference(pairs * 1000)
    assert found == pytest.approx(np.log(wins / losses), abs=2e-3)
    if draws == 0:
        assert error == pytest.approx(np.sqrt(1 / (2000 * wins) + 1 / (2000 * losses)), rel=1e-3)


def test_seat_advantage_is_estimated_apart_from_strength() -> None:
    """a wins 80 % from seat 0 and 40 % from seat 1: logits +-(theta) + gamma by symmetry of the two seats."""
    fitted = fit(aggregate([result(0, "a", "b", "ww" * 4000 + "wl" * 4000 + "ll" * 2000)]))
    from_first, from_second = np.log(0.8 / 0.2), np.log(0.4 / 0.6)
    assert fitted.seat == pytest.approx((from_first - from_second) / 2, abs=2e-3)
    assert fitted.strength[0] - fitted.strength[1] == pytest.approx((from_first + from_second) / 2, abs=2e-3)


def test_the_draw_parameter_is_the_share_of_draws_between_equals() -> None:
    fitted = fit(aggregate([result(0, "a", "b", "wwdddddddlld" * 1000)]))
    share = np.exp(fitted.draw) / (2 + np.exp(fitted.draw))
    assert share == pytest.approx(8 / 12, abs=1e-3)


def test_players_that_won_or_lost_everything_stay_finite() -> None:
    found, error = difference("ww" * 100)
    assert 3.0 < found < 12.0
    assert 0.5 < error < 6.0
    assert difference("dd" * 100)[0] == pytest.approx(0.0, abs=1e-9)
    extreme = fit(aggregate([result(i, f"p{i}", f"p{i + 1}", "ww" * 100_000) for i in range(20)]))
    assert np.isfinite(extreme.strength).all()
    assert (np.diff(extreme.strength[[extreme.players.index(f"p{i}") for i in range(21)]]) < 0).all()


def test_what_is_not_known_of_the_spread_widens_the_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kass and Steffey 1989, equation 3.5, with the derivative of the ratings by log s taken from two fits."""
    counts = aggregate(simulated_log([-200.0, 0.0, 50.0, 400.0], 20, 2, np.random.default_rng(0)))
    spread = bradley_terry._estimate_spread(counts)

    def at(shift: float, variance: float) -> bradley_terry.Fit:
        moved = spread._replace(log=spread.log + shift, variance=variance)
        monkeypatch.setattr(bradley_terry, "_estimate_spread", lambda _: moved)
        return fit(counts)

    slope = (at(1e-4, 0.0).strength - at(-1e-4, 0.0).strength) / 2e-4
    assert np.abs(slope).max() > 0.05
    added = at(0.0, spread.variance).covariance - at(0.0, 0.0).covariance
    assert added == pytest.approx(spread.variance * np.outer(slope, slope), rel=1e-3, abs=1e-7)


def test_counts_by_pair_and_seat() -> None:
    counts = aggregate([result(0, "b", "a", "wdll"), result(1, "a", "b", "wl"), result(2, "c", "a", "")])
    assert counts.players == ("a", "b")
    # a in seat 0: b's second letters d, l are a's d, w; then a's own first letter w.
    table = {
        (int(i), int(j)): row.tolist() for i, j, row in zip(counts.first, counts.second, counts.outcomes, strict=True)
    }
    assert table == {(0, 1): [2, 1, 0], (1, 0): [2, 0, 1]}
    assert counts.totals().tolist() == [[3, 1, 2], [2, 1, 3]]
    assert counts.games().tolist() == [[0, 6], [6, 0]]
    assert counts.points().tolist() == [[0, 3.5], [2.5, 0]]


def test_no_matches_give_an_empty_fit() -> None:
    fitted = fit(aggregate([]))
    assert fitted.players == ()
    assert fitted.strength.shape == (0,)


def test_order_and_cutting_change_no_bit() -> None:
    """The same log in 40 orders, with a and b exchanged, and cut into single pairs."""
    log = simulated_log([-200.0, -50.0, 0.0, 100.0, 150.0], 40, 5, np.random.default_rng(0))
    expected = fit(aggregate(log))
    rng = np.random.default_rng(1)
    flip = str.maketrans("wl", "lw")
    cut = [
        result(0, line.b, line.a, (line.outcomes[i + 1] + line.outcomes[i]).translate(flip))
        for line in log
        for i in range(0, len(line.outcomes), 2)
    ]
    for variant in (log, cut):
        for _ in range(20):
            found = fit(aggregate([variant[index] for index in rng.permutation(len(variant))]))
            assert found.strength.tobytes() == expected.strength.tobytes()
            assert found.covariance.tobytes() == expected.covariance.tobytes()


def coverage(leagues: int, seed: int) -> tuple[float, int]:
    """Share of the 95 % intervals that hold the true strength, over leagues of 12 with 240 pairings of 5 pairs."""
    rng = np.random.default_rng(seed)
    inside = total = 0
    for _ in range(leagues):
        truth = rng.normal(0.0, 200.0, size=12)
        log = simulated_log(truth, 240, 5, rng)
        fitted = fit(aggregate(log))
        error = 1.959964 * np.sqrt(np.diag(fitted.covariance))
        inside += int((np.abs(fitted.strength - (truth - truth.mean()) / ELO) <= error).sum())
        total += len(truth)
    return inside / total, total


def test_intervals_cover_about_95_percent() -> None:
    share, _ = coverage(60, seed=0)
    assert 0.92 <= share <= 0.98


@pytest.mark.slow
def test_intervals_cover_93_to_97_percent() -> None:
    share, total = coverage(1000, seed=1)
    assert total == 12_000
    assert 0.93 <= share <= 0.97
