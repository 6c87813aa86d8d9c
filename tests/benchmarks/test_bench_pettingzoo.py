"""The benchmark of the PettingZoo adapter: that it runs, and the figure that the adapter is held to."""

from __future__ import annotations

import pytest

from arenas.bench_pettingzoo import bench


def test_the_benchmark_reports_every_part() -> None:
    figures = bench(seconds=0.1, environments=8, workers=1, rounds=1)
    parts = ("random_play", "bare_play", "arena_random", "arena_policy", "policy_alone")
    assert all(figures[part] > 0 for part in parts)
    assert figures["ratio"] == figures["arena_policy"] / figures["random_play"]
    assert (figures["policy"], figures["environments"], figures["workers"]) == ("84-128-128-8", 8, 1)
    assert figures["name"] == "pettingzoo:classic/connect_four-v3"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["classic/connect_four-v3", "classic/leduc_holdem-v4"])
def test_the_arena_keeps_four_fifths_of_the_environments_own_speed(name: str) -> None:
    figures = bench(name)
    assert figures["ratio"] >= 0.8 or figures["arena_policy"] >= 0.8 * figures["policy_alone"]
