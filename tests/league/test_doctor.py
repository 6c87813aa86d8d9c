"""`league doctor` sees what is wrong with a machine and a run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from league import doctor
from league.doctor import Finding, Grade, examine
from league.runs import RunFolder, create
from league.settings import resolve
from matchmaking.errors import ServerNotFoundError


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.what: finding for finding in findings}


def test_a_machine(tmp_path: Path) -> None:
    found = by_name(list(examine(tmp_path / "not" / "yet", None)))
    assert found["Redis server"].grade is Grade.OK
    assert str(tmp_path) in found["disk"].detail
    assert {"torch", "CUDA", "compiler", "CPU"} <= set(found)


def test_no_redis_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Path:
        raise ServerNotFoundError("install redis")

    monkeypatch.setattr(doctor, "find_server", none)
    found = by_name(list(examine(tmp_path, None)))["Redis server"]
    assert (found.grade, found.detail) == (Grade.BAD, "install redis")


def test_a_run_whose_checkpoints_are_gone(made_up: RunFolder) -> None:
    found = by_name(list(examine(made_up.path.parent, made_up)))
    assert found["Redis"].grade is Grade.OK
    assert found["logs"].grade is Grade.OK
    assert found["checkpoints"].grade is Grade.BAD
    assert "no such file" in found["checkpoints"].detail
    assert "(and 5 more)" in found["checkpoints"].detail


def test_a_run_whose_configuration_is_broken(tmp_path: Path) -> None:
    run = create(tmp_path, resolve("tic_tac_toe", environment={}), "mine")
    run.config_file.write_text("seed = 'x'\n", encoding="utf-8")
    last = list(examine(tmp_path, run))[-1]
    assert (last.grade, last.what) == (Grade.BAD, "configuration")
    assert "seed" in last.detail


def test_a_torn_replay_of_a_tournament_is_told(made_up: RunFolder) -> None:
    folder = made_up.path / "tournaments" / "torn"
    path = folder / "replays" / "r1.1.jsonl.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"{}")
    try:
        found = by_name(list(examine(made_up.path.parent, made_up)))["replays"]
    finally:
        shutil.rmtree(folder)
    assert found.grade is Grade.NOTE
    assert f"{path} is damaged" in found.detail
