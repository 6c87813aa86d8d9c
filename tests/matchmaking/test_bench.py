"""The benchmark runs and returns its figures; the speed that is promised is measured on its own, when asked for."""

from __future__ import annotations

import pytest

from matchmaking.bench import bench_verbs
from matchmaking.server import EmbeddedServer, connect

FIGURES = {
    "register",
    "heartbeat",
    "rows_128",
    "rows_1024",
    "rows_4096",
    "games_1024",
    "payoff_row_ms",
    "plan",
    "lease_report",
    "fold_results",
}


def test_figures_come_back_and_the_run_is_removed(server: EmbeddedServer) -> None:
    figures = bench_verbs(server.url, seconds=0.01, num_players=20)
    assert figures.keys() == FIGURES
    assert all(value > 0 for value in figures.values())
    with connect(server.url) as client:
        assert list(client.scan_iter("league:{bench-*")) == []


@pytest.mark.slow
def test_results_a_second(server: EmbeddedServer) -> None:
    """At least 300,000 results a second into the payoff, in batches, with every report fsynced."""
    figures = [bench_verbs(server.url) for _ in range(3)]
    assert max(figure["rows_4096"] for figure in figures) >= 300_000
    assert max(figure["games_1024"] for figure in figures) >= 300_000
