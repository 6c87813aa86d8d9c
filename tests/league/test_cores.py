"""Which cores a process should keep to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from league import cores


def test_cores_are_those_that_may_be_used() -> None:
    assert set(cores.idlest_cores()) == os.sched_getaffinity(0)


def test_the_idlest_core_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stat = tmp_path / "stat"
    before = "cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 10 0 5 100 0 0 0 0 0 0\ncpu1 90 0 5 100 0 0 0 0 0 0\nintr 5\n"
    after = "cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 60 0 5 150 0 0 0 0 0 0\ncpu1 91 0 5 900 0 0 0 0 0 0\nintr 9\n"
    stat.write_text(before)
    monkeypatch.setattr(cores, "PROC_STAT", stat)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr("time.sleep", lambda _: stat.write_text(after))
    assert cores.idlest_cores() == [1, 0]
