"""What durability costs is measured on real servers: a learner and an evaluator under each policy, in turns."""

from __future__ import annotations

from pathlib import Path

import pytest

from league import bench_redis as module
from league.bench_learner import Case
from matchmaking.server import EmbeddedServer, connect


def test_the_policies_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = EmbeddedServer(tmp_path)
    server.start()
    clock = iter(range(1000))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(clock)))
    turns = module.Turns(server.url, rounds=2, seconds=1.0)
    seen = []
    done = 0
    while not turns.over:
        turns.note(done)
        done += 6
        with connect(server.url) as client:
            seen.append(client.config_get("appendfsync")["appendfsync"])
    server.stop()
    assert seen[:6] == ["always", "everysec", "no", "always", "everysec", "no"]
    assert turns.paces == {"always": [6.0, 6.0], "everysec": [6.0, 6.0], "no": [6.0, 6.0]}


def test_figures_of_verbs_and_of_a_league(monkeypatch: pytest.MonkeyPatch) -> None:
    small = Case(compiled=False, lanes=4, environments=64)
    monkeypatch.setattr(module, "Case", lambda **_: small)
    figures = module.bench_redis(rounds=1, seconds=0.05, verb=0.002)
    assert figures.keys() == {"always", "everysec", "no"}
    for figure in ("heartbeat", "lease_report", "learner_samples_per_second", "rated_games_per_second"):
        assert all(figures[policy][figure] > 0 for policy in figures)
    assert figures["no"]["learner_samples_over_no_ratio"] == figures["no"]["rated_games_over_no_ratio"] == 1.0
