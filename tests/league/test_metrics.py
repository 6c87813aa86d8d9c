"""Curves of training on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from league import metrics
from league.metrics import MetricsWriter


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_jsonl_is_appended_and_readable_at_once(tmp_path: Path) -> None:
    with MetricsWriter(tmp_path / "metrics", "learner-0", tensorboard=False) as writer:
        writer.write("main_agent-1", 100, {"entropy": 1.5, "approx_kl": float("nan")})
        first = lines(tmp_path / "metrics" / "learner-0.jsonl")  # while the writer is open
    with MetricsWriter(tmp_path / "metrics", "learner-0", tensorboard=False) as writer:
        writer.write("main_agent-1", 200, {"entropy": 1.25})
    both = lines(tmp_path / "metrics" / "learner-0.jsonl")
    assert [(line["player"], line["step"], line["entropy"]) for line in both] == [
        ("main_agent-1", 100, 1.5),
        ("main_agent-1", 200, 1.25),
    ]
    assert first[0]["approx_kl"] is None
    assert not (tmp_path / "metrics" / "tensorboard").exists()


def test_tensorboard_gets_a_folder_for_each_player(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    with MetricsWriter(tmp_path, "learner-0") as writer:
        writer.write("a", 1, {"loss": 0.5})
        writer.write("b", 1, {"loss": 0.5})
    assert sorted(path.name for path in (tmp_path / "tensorboard").iterdir()) == ["a", "b"]


def test_without_tensorboard_the_jsonl_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "tensorboard_installed", lambda: False)
    with MetricsWriter(tmp_path, "learner-0") as writer:
        writer.write("a", 1, {"loss": 0.5})
    assert [path.name for path in tmp_path.iterdir()] == ["learner-0.jsonl"]
