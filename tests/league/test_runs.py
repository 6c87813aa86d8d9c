"""Run folders: made, found, refused, deleted."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from league.errors import RunError
from league.lock import RunBusyError, run_lock
from league.runs import create, find, fresh_name, list_runs, mark_newest, runs_root
from league.settings import resolve

CONFIG = resolve("tic_tac_toe", environment={})


def test_a_run_has_its_folders_and_its_configuration(tmp_path: Path) -> None:
    run = create(tmp_path, CONFIG, "first")
    assert run.config() == CONFIG
    for name in ("redis", "checkpoints", "bots", "replays", "logs", "metrics", "exports"):
        assert (run.path / name).is_dir()
    assert stat.S_IMODE((run.path / "redis").stat().st_mode) == 0o700


def test_the_newest_run_is_the_default(tmp_path: Path) -> None:
    first, second = create(tmp_path, CONFIG, "b"), create(tmp_path, CONFIG, "a")
    assert find(tmp_path) == second
    mark_newest(first)
    assert find(tmp_path) == first
    assert find(tmp_path, "a") == second
    assert {run.name for run in list_runs(tmp_path)} == {"a", "b"}


def test_without_its_marker_the_last_one_made_is_the_newest(tmp_path: Path) -> None:
    create(tmp_path, CONFIG, "b")
    second = create(tmp_path, CONFIG, "a")
    (tmp_path / ".newest").unlink()
    assert find(tmp_path) == second


def test_a_run_that_exists_is_not_touched(tmp_path: Path) -> None:
    run = create(tmp_path, CONFIG, "mine")
    (run.logs / "keep.log").write_text("x", encoding="utf-8")
    with pytest.raises(RunError, match=r"`league resume mine`.*--fresh"):
        create(tmp_path, CONFIG, "mine")
    assert (run.logs / "keep.log").exists()


def test_fresh_starts_over(tmp_path: Path) -> None:
    run = create(tmp_path, CONFIG, "mine")
    (run.logs / "old.log").write_text("x", encoding="utf-8")
    create(tmp_path, CONFIG, "mine", fresh=True)
    assert not (run.logs / "old.log").exists()


def test_fresh_does_not_delete_what_is_running(tmp_path: Path) -> None:
    run = create(tmp_path, CONFIG, "mine")
    with run_lock(run), pytest.raises(RunBusyError, match="running already"):
        create(tmp_path, CONFIG, "mine", fresh=True)
    assert run.config_file.exists()


def test_fresh_does_not_delete_a_folder_that_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("x", encoding="utf-8")
    with pytest.raises(RunError, match="is no run"):
        create(tmp_path, CONFIG, "thesis", fresh=True)
    assert (tmp_path / "thesis" / "chapter.tex").exists()


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "-flag", "x" * 65, "a b"])
def test_names_that_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunError, match="is no name for a run"):
        create(tmp_path, CONFIG, name)
    assert list(tmp_path.iterdir()) == []


def test_runs_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"there is no run in .*`league start` makes one"):
        find(tmp_path)
    create(tmp_path, CONFIG, "connect")
    with pytest.raises(RunError, match=r"there is no run 'conect' in .*; did you mean 'connect'"):
        find(tmp_path, "conect")


def test_made_up_names_are_valid_and_differ(tmp_path: Path) -> None:
    names = {fresh_name("pettingzoo:classic/connect_four-v3") for _ in range(20)}
    assert len(names) == 20
    for name in names:
        create(tmp_path, CONFIG, name)


def test_the_folder_of_all_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAGUE_RUNS", str(tmp_path / "there"))
    assert runs_root() == tmp_path / "there"
    assert runs_root(tmp_path) == tmp_path
    monkeypatch.delenv("LEAGUE_RUNS")
    assert runs_root() == Path("runs")
