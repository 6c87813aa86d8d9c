"""Storage that fails: recovered, or refused with a line that says what and how to go on; never silently wrong."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from agents.durable import CheckpointError
from league import keeper as keeping
from league.access import opened
from league.cli import main
from league.doctor import Finding, Grade
from league.doctor_run import examine_run
from league.errors import StateMismatchError
from league.files import replace_text
from league.keeper import RedisKeeper
from league.lock import run_lock
from league.runs import RunFolder
from league.watermark import FILE, Watermark
from matchmaking import session as sessions
from matchmaking.appendonly import files
from matchmaking.errors import (
    MatchmakingError,
    RedisUnreachableError,
    SchemaMismatchError,
    ServerStartError,
    StoreWriteError,
)
from matchmaking.rebuild import rebuild
from matchmaking.records import Kind, Pairing
from matchmaking.run_records import Reported
from matchmaking.server import EmbeddedServer, connect
from matchmaking.store import Store
from tests.league.learners import League, after, rules, stop_after
from tests.league.test_backup import play


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that was trained for a few iterations and closed in order; tests take a copy of it."""
    made = League(tmp_path_factory.mktemp("whole"), {"roles": rules(main_agent=after(2))})
    learner = made.learner()
    stop_after(learner, 5)
    learner.run()
    play(made.store, 20)
    Watermark(made.run).write(made.store)
    made.close()
    return made.run


@pytest.fixture
def run(whole: RunFolder, tmp_path: Path) -> Iterator[RunFolder]:
    copy = tmp_path / "runs" / whole.name
    shutil.copytree(whole.path, copy, ignore=shutil.ignore_patterns("*.sock", "socket-directory"))
    yield RunFolder(copy)
    EmbeddedServer(copy / "redis").stop()


def found(run: RunFolder) -> dict[str, Finding]:
    """The findings that are not in order, by what they are about."""
    return {each.what: each for each in examine_run(run) if each.grade is not Grade.OK}


def invoke(run: RunFolder, *words: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, [*words, "--runs-dir", str(run.path.parent)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def kept(run: RunFolder, said: list[str] | None = None) -> RedisKeeper:
    """The run's Redis as its supervisor brings it up."""
    return RedisKeeper(run, run.config(), run.config().redis, (said if said is not None else []).append)


def test_a_sound_run_has_no_findings(run: RunFolder) -> None:
    assert found(run) == {}
    keeper = kept(run)
    keeper.open()
    keeper.close()


def refuses(run: RunFolder) -> bool:
    """Whether a league does not go on, since Redis has lost something; any other refusal is an error."""
    keeper = kept(run)
    try:
        keeper.open()
    except StateMismatchError as error:
        return "Redis has lost what it had" in str(error) and "--accept-loss" in str(error)
    finally:
        keeper.close()
    return False


def test_an_append_only_file_that_is_torn_anywhere(run: RunFolder) -> None:
    """What is left is a whole past of the run; that something is missing is noticed before a league goes on."""
    path = files(run.redis)[-1]
    content = path.read_bytes()
    rng = random.Random(5)
    refused = 0
    for cut in [len(content) - 3, *(rng.randrange(len(content) // 3, len(content)) for _ in range(5))]:
        path.write_bytes(content[:cut])
        refused += refuses(run)
        with opened(run) as matchmaker:
            assert rebuild(matchmaker.store).exact, "a write is there whole or not at all"
            left = Watermark(run).lost(matchmaker.store)
        if left:
            assert "--accept-loss" in found(run)["what Redis had"].mend
    assert refused >= 4
    code, output = invoke(run, "rebuild", run.name, "--accept-loss")
    assert code == 0, output
    assert "what Redis had" not in found(run)
    keeper = kept(run)
    keeper.open()
    keeper.close()


def test_an_append_only_file_that_is_damaged_in_the_middle(run: RunFolder) -> None:
    path = files(run.redis)[-1]
    content = bytearray(path.read_bytes())
    place = content.index(b"\r\n*", len(content) // 2) + 2
    content[place : place + 1] = b"?"
    path.write_bytes(content)
    keeper = kept(run)
    with pytest.raises(ServerStartError, match="Bad file format"):
        keeper.open()
    keeper.close()
    findings = found(run)
    assert findings["append-only file"].grade is Grade.NOTE
    assert "can be read as whole writes" in findings["append-only file"].detail
    assert findings["Redis"].grade is Grade.BAD and "--accept-loss" in findings["Redis"].mend
    code, output = invoke(run, "rebuild", run.name, "--accept-loss")
    assert code == 0 and "cut off" in output
    assert path.with_name(f"{path.name}.damaged").read_bytes() == content
    assert {each for each in found(run) if each != "learners' states"} == set()


def test_a_redis_that_was_emptied_or_brought_back_older(run: RunFolder) -> None:
    shutil.rmtree(run.redis)
    run.redis.mkdir(mode=0o700)
    assert "Redis holds nothing of this run" in found(run)["append-only file"].detail
    keeper = kept(run)
    with pytest.raises(StateMismatchError, match=r"Redis has lost what it had of run 'test': \d+ of \d+ players"):
        keeper.open()
    keeper.close()
    assert "league restore" in found(run)["Redis"].mend
    (run.path / FILE).write_text("{")
    with pytest.raises(StateMismatchError, match="is damaged"):
        kept(run).open()
    EmbeddedServer(run.redis).stop()


@pytest.mark.parametrize("harm", ["missing", "altered", "torn"])
def test_a_checkpoint_that_is_not_what_it_was(run: RunFolder, harm: str) -> None:
    with opened(run) as matchmaker:
        frozen = [player for player in matchmaker.players() if player.kind is Kind.FROZEN]
    checkpoints = [run.checkpoints / f"{frozen[0].checkpoint}.safetensors", *run.checkpoints.glob("learner-0-*")]
    for path in checkpoints:
        content = bytearray(path.read_bytes())
        if harm == "missing":
            path.unlink()
        elif harm == "torn":
            path.write_bytes(content[: len(content) // 2])
        else:
            content[-5] ^= 1
            path.write_bytes(content)
    findings = found(run)
    for what in ("checkpoints", "learners' states"):
        assert findings[what].grade is Grade.BAD
        assert "expected sha256" in findings[what].detail
        assert "league restore" in findings[what].mend
    assert frozen[0].name in findings["checkpoints"].detail
    code, output = invoke(run, "doctor", run.name)
    assert code == 1 and "->" in output
    with pytest.raises(CheckpointError, match="expected sha256"):
        resumed(run)


def resumed(run: RunFolder) -> None:
    """What a learner process does at its start."""
    from league.learner import Learner
    from league.process import Place, Process

    with opened(run) as matchmaker:
        Learner(Process("learner", Place(run, 0), run.config(), matchmaker.store))


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk of its own, mounted at `folder`; only root may do that."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this user may not mount a disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, capture_output=True)


def fill(path: Path) -> None:
    """Leave no room on a disk."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def write_on(keeper: RedisKeeper) -> None:
    store = keeper.open()
    for number in range(1000):
        store.set_fact("a", f"{number}" * 50)


def test_a_full_disk(run: RunFolder, tmp_path: Path) -> None:
    """Nothing that was there is harmed, every command says in one line that the disk is full, and room mends it."""
    with small_disk(tmp_path / "disk", "12m") as disk:
        copy = RunFolder(disk / run.name)
        shutil.copytree(run.path, copy.path, ignore=shutil.ignore_patterns("*.sock", "socket-directory"))
        ballast = disk / "ballast"
        fill(ballast)
        for words in (("backup", run.name, str(disk / "x.tar.gz")), ("export", "ratings", "-o", str(disk / "r.csv"))):
            code, output = invoke(copy, *words)
            assert code != 0 and "disk is full" in output.replace("No space left on device", "disk is full"), output
            assert output.count("\n") <= 2, output
        keeper = kept(copy)
        with pytest.raises((OSError, MatchmakingError)) as caught:
            write_on(keeper)
        assert "\n" not in str(caught.value)
        keeper.close()
        ballast.unlink()
        assert found(copy) == {}
        EmbeddedServer(copy.redis).stop()


def test_a_read_only_run_folder(run: RunFolder, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "20m") as disk:
        copy = RunFolder(disk / run.name)
        shutil.copytree(run.path, copy.path, ignore=shutil.ignore_patterns("*.sock", "socket-directory"))
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True, capture_output=True)
        finding = found(copy)["run folder"]
        assert finding.grade is Grade.BAD and "cannot be written to" in finding.detail and "chmod" in finding.mend
        for words in (("status", run.name), ("gc", run.name), ("rebuild", run.name)):
            code, output = invoke(copy, *words)
            assert code != 0 and output.count("\n") == 1, output
            assert "Read-only file system" in output or "read-only" in output.lower(), output
        with pytest.raises(OSError, match="Read-only"), run_lock(copy):
            pass
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True, capture_output=True)
        assert found(copy) == {}
        EmbeddedServer(copy.redis).stop()


def test_a_redis_that_is_frozen_is_waited_for(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute without it, in short: calls are repeated, nothing counts twice, the supervisor kills nobody."""
    said: list[str] = []
    keeper = kept(run, said)
    keeper.open()
    server = EmbeddedServer(run.redis)
    pid = server.pid()
    assert pid is not None
    patient = Store.open(server.url, run.name, patience=120.0)
    patient.session._client.connection_pool.connection_kwargs["socket_timeout"] = 0.2
    patient.session._client.connection_pool.disconnect()
    before = patient.episode_reports()
    os.kill(pid, signal.SIGSTOP)
    reports = threading.Thread(target=lambda: patient.report_rows([(0, 3, 0, 1, 0, 0)]))
    try:
        reports.start()
        with pytest.raises(RedisUnreachableError) as caught:
            Store.open(server.url, run.name)
        started = time.monotonic()
        keeper.revive(caught.value)
        assert time.monotonic() - started < 20.0, "it does not start a second one"
        assert said == ["Redis does not answer"]
        monkeypatch.setattr(keeping, "SILENCE", -1.0)
        with pytest.raises(RedisUnreachableError, match="does not answer"):
            keeper.revive(caught.value)
    finally:
        os.kill(pid, signal.SIGCONT)
    reports.join(60)
    assert patient.episode_reports() == before + 1
    keeper.answered()
    assert said[-1] == "Redis answers again"
    assert rebuild(patient).exact
    patient.close()
    keeper.close()


def test_a_redis_that_is_out_of_memory(run: RunFolder) -> None:
    keeper = kept(run)
    store = keeper.open()
    server = EmbeddedServer(run.redis)
    before = store.episode_reports(), store.payoff_pairs(), store.facts
    with connect(server.url) as client:
        client.config_set("maxmemory", "100kb")
        with pytest.raises(
            StoreWriteError, match=r"refuses to write: .*(OOM|maxmemory).*check its disk, memory and log"
        ) as caught:
            store.report_rows([(0, 3, 0, 1, 0, 0)])
        assert "\n" not in str(caught.value)
        with pytest.raises(StoreWriteError):
            store.set_fact("a", "b")
        assert (store.episode_reports(), store.payoff_pairs(), store.facts) == before
        finding = found(run)["Redis settings"]
        assert finding.grade is Grade.BAD and "raise its maxmemory" in finding.mend
        client.config_set("maxmemory", "0")
    assert store.report_rows([(0, 3, 0, 1, 0, 0)])
    assert rebuild(store).exact
    assert found(run) == {}
    keeper.close()


def test_a_run_of_another_schema(run: RunFolder) -> None:
    server = EmbeddedServer(run.redis)
    server.start()
    with connect(server.url) as client:
        client.hset(f"league:{{{run.name}}}:run", "schema", "99")
        before = client.hgetall(f"league:{{{run.name}}}:run")
        keeper = kept(run)
        with pytest.raises(SchemaMismatchError, match="schema 99"):
            keeper.open()
        assert client.hgetall(f"league:{{{run.name}}}:run") == before
        assert "use the version" in found(run)["Redis"].mend
    keeper.close()
    code, output = invoke(run, "status", run.name)
    assert code == 4 and output.count("\n") == 1


def test_clocks_that_jump(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis's clock set forward: leases end early, nothing counts twice. Set back: nobody dead is waited for."""
    server = EmbeddedServer(run.redis)
    server.start()
    store = Store.open(server.url, run.name)
    real = sessions.script
    key = f"league:{{{run.name}}}:facts"

    def shifted(name: str) -> sessions.Script:
        """The script, with the server's clock off by what the fact `shift` says."""
        shift = f"(redis.call('HGET', '{key}', 'shift') or 0)"
        clock = f"(function() local t = redis.call('TIME'); return {{t[1] + {shift}, t[2]}} end)()"
        text = real(name).text.replace("redis.call('TIME')", clock)
        return sessions.Script(name, text, "0" * 40)

    monkeypatch.setattr(sessions, "script", shifted)
    play(store, 3)
    begun = store.queue.num_matches()
    pairing = store.queue.matches()[-1]
    store.queue.enqueue([Pairing(id=f"late_{n}", a=pairing.a, b=pairing.b, pairs=1, seed=1) for n in range(2)])
    first = store.queue.lease("one", 60)
    assert first is not None
    store.set_fact("shift", "3600")
    second = store.queue.lease("two", 60)
    third = store.queue.lease("three", 60)
    assert second is not None and third is not None
    assert {second.pairing.id, third.pairing.id} == {"late_0", "late_1"}, "an hour is over: it is handed out again"
    mine = second if second.pairing.id == first.pairing.id else third
    other = third if mine is second else second
    assert store.queue.report(first, "wl") is Reported.REFUSED
    assert store.queue.report(mine, "wl") is Reported.RECORDED
    assert store.queue.num_matches() == begun + 1
    store.set_fact("shift", "-7200")  # who holds the other one is dead
    assert store.queue.lease("four", 60) is None
    store.set_fact("shift", str(-7200 + 61))
    again_leased = store.queue.lease("four", 60)
    assert again_leased is not None and again_leased.pairing.id == other.pairing.id, "within a minute by any clock"
    assert store.queue.report(other, "wl") is Reported.REFUSED
    store.close()


def test_clocks_that_differ_are_noted(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 3600)
    finding = found(run)["clocks"]
    assert finding.grade is Grade.NOTE and "3,600 s ahead of" in finding.detail


def test_a_watermark_is_written_whole(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = kept(run)
    store = keeper.open()
    monkeypatch.setattr(keeping, "MARK_EVERY", 0.0)
    keeper.answered()
    before = json.loads((run.path / FILE).read_text())
    store.report_rows([(0, 3, 0, 1, 0, 0)])
    keeper.answered()
    assert json.loads((run.path / FILE).read_text())["episodes"] == before["episodes"] + 1
    keeper.close()
    replace_text(run.path / FILE, json.dumps(before | {"episodes": before["episodes"] + 2}))
    with pytest.raises(StateMismatchError, match=r"lost what it had .*: 1 of \d+ reports of episodes"):
        kept(run).open()
    EmbeddedServer(run.redis).stop()
