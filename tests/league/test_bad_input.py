"""What people do wrong, and what a machine refuses: one clear line, the right exit code, nothing damaged."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner, Result

from agents.checkpoint import CheckpointStore, Manifest
from agents.durable import CheckpointError
from league import keeper, process
from league.cli import main
from league.config import LeagueConfig
from league.doctor import Grade, examine
from league.files import replace_text
from league.keeper import RedisKeeper
from league.launchers.core import ProcessSpec
from league.lock import run_lock
from league.process import DISK_FULL, Process, run_process
from league.runs import RunFolder, create, list_runs
from league.settings import resolve
from league.telling import told
from league.worker import Patience, Worker, WorkerFailedError
from matchmaking.errors import RedisUnreachableError
from matchmaking.records import Kind, Player, new_id
from matchmaking.server import EmbeddedServer
from matchmaking.store import Store
from tests.league.test_worker import FakeLauncher


def full() -> OSError:
    """What a write to a full disk raises."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def call(words: str) -> Result:
    return CliRunner().invoke(main, words.split())


def one_line(result: Result, code: int) -> str:
    """The one line of a command that has to fail with this code."""
    assert result.exit_code == code, result.output
    (line,) = (line for line in result.stderr.splitlines() if line and not line.startswith(("Usage:", "Try '")))
    assert line.startswith("Error: ")
    return line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("rollout.environments=33", "rollout.environments: 33 is not a multiple of rollout.lanes (16)"),
        ("network.trunk=conv", "network.trunk: 'conv' needs network.channels"),
        ("arena=openspiel:kuhn_poker(players=3)", "this arena has teams of 1 and 1 and 1"),
        ("arena=rock_paper_scissors --set rollout.opened_environments=0.5", "random openings need a native arena"),
        ("evaluation.anchors=random", "evaluation.anchors = 'random' is not valid: expected a list"),
        ("ppo.epochs=many", "ppo.epochs = 'many' is not valid: expected a valid integer"),
    ],
)
def test_settings_that_do_not_fit_the_arena_are_told_before_anything_starts(words: str, message: str) -> None:
    arena = "" if words.startswith("arena=") else "tic_tac_toe"
    assert message in one_line(call(f"start {arena} --device cpu --set {words}"), 2)


def test_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAGUE_PPO__EPOCS", "3")
    assert "LEAGUE_PPO__EPOCS: unknown key 'ppo.epocs'; did you mean 'epochs'?" in one_line(call("start"), 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[ppo]\nepocs = 2\n", "unknown key 'ppo.epocs'; did you mean 'epochs'?"),
        ('[ppo]\nepochs = "two"\n', "ppo.epochs = 'two' is not valid: expected a valid integer"),
        ("[players]\nmain_agnt = 1\n", "unknown key 'players.main_agnt'; did you mean 'main_agent'?"),
        ("[learners]\ndevice = 'cud'\n", "learners.device = 'cud' is not valid; did you mean 'cuda'?"),
        ("arena = 5\n", "arena = 5 is not valid: expected a valid string"),
    ],
)
def test_the_file_is_named(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    assert one_line(call(f"start --config {file}"), 2) == f"Error: {file}: {message}"


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1", "unix:///nowhere.sock", "notaurl", "http://127.0.0.1"])
def test_a_redis_that_is_not_there_is_told_soon(url: str, tmp_path: Path) -> None:
    before = time.monotonic()
    one_line(call(f"start tic_tac_toe --device cpu --redis {url}"), 3)
    assert time.monotonic() - before < 20.0
    assert not (tmp_path / "runs").exists()


def test_a_league_toml_that_somebody_broke(tmp_path: Path) -> None:
    run = create(tmp_path / "runs", resolve("tic_tac_toe", environment={}), "mine")
    run.config_file.write_text("[rollout]\nenvironments = 33\n", encoding="utf-8")
    assert "33 is not a multiple" in one_line(call("resume mine"), 2)


@pytest.mark.parametrize(
    ("words", "option", "most"),
    [
        ("train mappo spread --seed", "--seed", "9,007,199,254,740,991"),
        ("train mappo spread --environments", "--environments", "65,536"),
        ("match random random --arena tic_tac_toe -n", "-n", "10,000,000"),
        ("replay -n", "-n", "9,007,199,254,740,991"),
        ("arenas check tic_tac_toe --episodes", "--episodes", "100,000"),
    ],
)
def test_a_number_that_nothing_can_hold(words: str, option: str, most: str) -> None:
    line = one_line(call(f"{words} 100000000000000000000"), 2)
    assert line == f"Error: Invalid value for '{option}': 100000000000000000000 is too large: at most {most}."


@pytest.mark.parametrize("given", ["nan", "inf"])
def test_a_number_that_is_none(given: str) -> None:
    line = one_line(call(f"match random random --arena tic_tac_toe --temperature {given}"), 2)
    assert line == f"Error: Invalid value for '--temperature': {given} is no finite number."


def test_a_wrong_time_changes_nothing(tmp_path: Path) -> None:
    run = create(tmp_path / "runs", resolve("tic_tac_toe", environment={}), "mine")
    before = run.config_file.read_bytes()
    assert "'soon' is no duration" in one_line(call("resume mine --steps 5 --for soon"), 2)
    assert run.config_file.read_bytes() == before


# A full disk.


def test_a_run_that_could_not_be_made_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def flush(_: int) -> None:
        raise full()

    monkeypatch.setattr(os, "fsync", flush)
    line = one_line(call("start tic_tac_toe --device cpu --name mine"), 1)
    assert "league.toml: No space left on device; nothing was damaged, make room" in line
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_checkpoint_that_found_no_room_is_no_damaged_one() -> None:
    error = CheckpointError(Path("x"), "the disk is full")
    assert told(error) == ("x: the disk is full", 4)
    error.__cause__ = full()
    message, code = told(error)
    assert code == 1
    assert "make room" in message


@pytest.fixture
def served(tmp_path: Path) -> RunFolder:
    return create(tmp_path / "runs", LeagueConfig(), "served")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (full(), DISK_FULL, "error: No space left on device; nothing was damaged, make room"),
        (CheckpointError(Path("x.safetensors"), "damaged"), 4, "error: x.safetensors: damaged\n"),
    ],
)
def test_a_process_says_it_in_one_line(
    served: RunFolder, error: Exception, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(_: Process) -> None:
        raise error

    server = EmbeddedServer(served.redis)
    server.start()
    try:
        Store.create(server.url, served.name, "connect_four").close()
        assert run_process("evaluator", work, ["--run", str(served.path)]) == code
    finally:
        server.stop()
    assert said in capsys.readouterr().err


def test_a_log_on_the_full_disk_does_not_change_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def write(_: str) -> int:
        raise full()

    monkeypatch.setattr(sys, "stderr", SimpleNamespace(write=write, flush=lambda: None))
    assert process._fail(full()) == DISK_FULL
    assert sys.stderr is None, "a last flush would make the exit code another one"


def test_a_process_that_found_the_disk_full_is_not_started_again(tmp_path: Path) -> None:
    launcher, said = FakeLauncher(), list[str]()
    log = tmp_path / "full" / "logs" / "learner-0.log"
    worker = Worker(ProcessSpec("learner-0", "x", (), log), launcher, Patience(), said.append)
    worker.start(0.0)
    launcher.handles[-1].code = DISK_FULL
    with pytest.raises(WorkerFailedError, match="full: the disk is full; nothing was damaged, make room") as caught:
        worker.check(1.0)
    assert caught.value.exit_code == 1
    assert said == []


@pytest.mark.parametrize("free", [0, keeper.ROOM])
def test_a_redis_that_died_for_want_of_room(free: int, served: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    kept = RedisKeeper(served, LeagueConfig(), None, said.append)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    try:
        if free:
            kept.revive(RedisUnreachableError("gone"))
            assert EmbeddedServer(served.redis).running()
        else:
            with pytest.raises(OSError, match="No space left") as caught:
                kept.revive(RedisUnreachableError("gone"))
            assert told(caught.value)[1] == 1
    finally:
        kept.close()
    assert said == ["Redis does not answer; starting it again"]


# A damaged checkpoint.


def test_doctor_finds_a_flipped_bit_and_the_board_is_read_all_the_same(tmp_path: Path) -> None:
    run = create(tmp_path / "runs", resolve("tic_tac_toe", environment={}), "mine")
    store = CheckpointStore(run.checkpoints)
    manifest = Manifest(arena="tic_tac_toe", observation_shape=(2, 3, 3), num_actions=9, network={})
    sha = store.save({"weight": torch.arange(8.0)}, manifest)
    server = EmbeddedServer(run.redis)
    server.start()
    try:
        league = Store.create(server.url, run.name, "tic_tac_toe")
        league.register(Player(id=new_id("p"), name="old", kind=Kind.FROZEN, checkpoint=sha))
        league.close()
        graded = {finding.what: finding for finding in examine(tmp_path / "runs", run)}
        assert graded["checkpoints"].grade is Grade.OK
        data = bytearray(store.path(sha).read_bytes())
        data[-1] ^= 1
        store.path(sha).write_bytes(data)
        found = {finding.what: finding for finding in examine(tmp_path / "runs", run)}["checkpoints"]
        assert found.grade is Grade.BAD
        assert f"old: {store.path(sha)}: damaged or not the right file: expected sha256 {sha}" in found.detail
        assert call("leaderboard --run mine").exit_code == 0
    finally:
        server.stop()


def test_commands_beside_a_running_run_do_not_disturb_it(tmp_path: Path) -> None:
    run = create(tmp_path / "runs", resolve("tic_tac_toe", environment={}), "mine")
    with run_lock(run):
        assert "is running already" in one_line(call("resume mine"), 2)
        assert "is running already" in one_line(call("start tic_tac_toe --device cpu --name mine --fresh"), 2)
    assert [folder.name for folder in list_runs(tmp_path / "runs")] == ["mine"]


def test_doctor_goes_on_where_the_run_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = create(tmp_path / "runs", resolve("tic_tac_toe", environment={}), "mine")

    def refuse(_: EmbeddedServer) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "x/redis")

    monkeypatch.setattr(EmbeddedServer, "start", refuse)
    found = {finding.what: finding for finding in examine(tmp_path / "runs", run)}
    disk = found["disk of the run"]
    assert (disk.grade, disk.detail) == (Grade.BAD, "x/redis: Read-only file system")
    assert "torch" in found


def test_a_file_that_cannot_be_replaced_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "a draft")

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(OSError, match="Read-only") as caught:
        replace_text(tmp_path / "league.toml", "seed = 1")
    assert caught.value.filename == str(tmp_path / "league.toml")
