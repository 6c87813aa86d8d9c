"""Starting many bots: nothing is left behind, and a nursery that dies is the host's fault and is replaced."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import arenas.registry as arenas
from agents.bots.core import BotFailedError, Clocks, FailureCode, InfraError, Isolation, Limits
from agents.bots.interpreter import Interpreter
from agents.bots.nursery import Nursery
from agents.bots.sandbox import layers
from tests.agents.bots.bots import LINES, RANDOM, acting, write_bot

SPEC = arenas.make("connect_four").spec
CLOCKS = Clocks(start=60.0, move=30.0, bank=0.0)
EMPTY = np.zeros(SPEC.observation_shape, np.float32)
ALL = np.ones(SPEC.num_actions, np.bool_)
NAMES = ("rlimits", "capabilities", "landlock", "seccomp")


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    with Nursery() as nursery:
        yield nursery


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in text.split()]


def gone(pid: int, within: float = 10.0) -> bool:
    """Whether a process ends, or has, within some seconds; a zombie has not gone."""
    deadline = time.monotonic() + within
    while Path(f"/proc/{pid}").exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_the_layers_are_told_once_at_the_first_bot(
    nursery: Nursery, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = write_bot(tmp_path / "good", RANDOM)
    caplog.set_level(logging.INFO, "league.bots")
    for _ in range(2):
        nursery.start(source, SPEC, CLOCKS).kill()
    assert caplog.messages == [f"sandbox: {line}" for line in nursery.layers()]
    assert [name for name in NAMES if any(name in line for line in caplog.messages)] == list(NAMES)


def test_fifty_starts_leave_no_descriptor_and_no_zombie(nursery: Nursery, tmp_path: Path) -> None:
    good = write_bot(tmp_path / "good", RANDOM)
    broken = write_bot(tmp_path / "broken", "raise ValueError")
    lines = write_bot(tmp_path / "lines", LINES, language="command")
    crashing = write_bot(tmp_path / "crashing", acting("import os; os._exit(1)"))
    nursery.start(good, SPEC, CLOCKS).kill()
    before, own = descriptors(), set(children(os.getpid()))
    (parent,) = [pid for pid in own if b"harness.py" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    inside = len(list(Path(f"/proc/{parent}/fd").iterdir()))
    for number in range(50):
        if number % 10 == 0:
            process = nursery.start(crashing, SPEC, CLOCKS)
            with pytest.raises(BotFailedError):
                process.act(EMPTY, ALL, 0)
        elif number % 10 == 1:
            with pytest.raises(BotFailedError):
                nursery.start(broken, SPEC, CLOCKS)
        else:
            nursery.start(lines if number % 10 == 2 else good, SPEC, CLOCKS).kill()
    assert descriptors() == before
    assert set(children(os.getpid())) == own
    assert children(parent) == []
    assert len(list(Path(f"/proc/{parent}/fd").iterdir())) == inside


def test_closing_ends_every_bot_and_the_nursery(tmp_path: Path) -> None:
    nursery = Nursery()
    before = descriptors()
    processes = [nursery.start(write_bot(tmp_path / "b", RANDOM), SPEC, CLOCKS) for _ in range(3)]
    pids = [process.pid for process in processes]
    assert all(Path(f"/proc/{pid}").exists() for pid in pids)
    nursery.close()
    assert all(gone(pid) for pid in pids)
    for process in processes:
        assert process.kill() is None
    assert descriptors() == before


def test_a_nursery_that_is_killed_takes_its_bots_along_and_is_replaced(nursery: Nursery, tmp_path: Path) -> None:
    source = write_bot(tmp_path / "b", RANDOM)
    process = nursery.start(source, SPEC, CLOCKS)
    process.reset(None, 1, "player_0")
    (parent,) = [pid for pid in children(os.getpid()) if process.pid in children(pid)]
    os.kill(parent, signal.SIGKILL)
    assert gone(process.pid)
    with pytest.raises(InfraError, match="most likely its nursery has died"):
        process.act(EMPTY, ALL, 0)
    again = nursery.start(source, SPEC, CLOCKS)
    again.reset(None, 1, "player_0")
    assert again.act(EMPTY, ALL, 0) in range(7)
    assert gone(parent)


def test_one_bot_s_end_is_not_another_s(nursery: Nursery, tmp_path: Path) -> None:
    first = nursery.start(write_bot(tmp_path / "a", acting("return 1")), SPEC, CLOCKS)
    second = nursery.start(write_bot(tmp_path / "b", acting("return 2")), SPEC, CLOCKS)
    first.kill()
    first.kill()
    assert second.act(EMPTY, ALL, 0) == 2


def test_a_nursery_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = descriptors()
    with pytest.raises(InfraError, match="No module named 'no_module_of_that_name'"):
        Interpreter(["no_module_of_that_name"])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "missing"))
    with pytest.raises(InfraError, match=r"cannot be started: .*missing"):
        Interpreter([])
    assert descriptors() == before


def test_where_a_layer_is_missing_no_bot_starts(
    nursery: Nursery, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(layers, "_kernel_layers", lambda: {name: layers.Layer(name, False, "off") for name in NAMES})
    with pytest.raises(layers.SandboxUnavailableError):
        nursery.start(write_bot(tmp_path / "b", RANDOM), SPEC, CLOCKS)


def test_the_layers_are_told(nursery: Nursery) -> None:
    lines = nursery.layers()
    assert [line.split()[0] for line in lines] == list(NAMES)
    assert all("active" in line for line in lines)


def test_without_isolation_a_bot_s_own_processes_end_with_it(tmp_path: Path) -> None:
    body = """
        import subprocess
        child = subprocess.Popen(["sleep", "600"])
        return int(child.pid % 7 == 0)
    """
    with Nursery(Isolation.NONE) as nursery:
        process = nursery.start(write_bot(tmp_path / "b", acting(body)), SPEC, CLOCKS)
        process.act(EMPTY, ALL, 0)
        (child,) = children(process.pid)
        process.kill()
        assert gone(child)


def test_a_fork_is_denied_and_named(nursery: Nursery, tmp_path: Path) -> None:
    process = nursery.start(write_bot(tmp_path / "b", acting("import os; os.fork()")), SPEC, CLOCKS)
    with pytest.raises(BotFailedError) as caught:
        process.act(EMPTY, ALL, 0)
    assert caught.value.record.code is FailureCode.SANDBOX_DENIED


def test_too_many_threads_are_noticed_while_it_thinks(tmp_path: Path) -> None:
    body = """
        import threading, time
        for _ in range(20): threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
        time.sleep(600)
    """
    with Nursery(limits=Limits(threads=10)) as nursery:
        process = nursery.start(write_bot(tmp_path / "b", acting(body)), SPEC, CLOCKS)
        with pytest.raises(BotFailedError) as caught:
            process.act(EMPTY, ALL, 0)
    record = caught.value.record
    assert record.code is FailureCode.SANDBOX_DENIED
    assert record.message.endswith("threads; it may run 10")


def test_a_command_s_memory_is_watched_while_it_thinks(tmp_path: Path) -> None:
    """Shared memory escapes RLIMIT_DATA, and so seccomp does not allow it; nothing resident escapes the referee."""
    eats = "import mmap; m = mmap.mmap(-1, 300 << 20); m.write(b'x' * (300 << 20)); import time; time.sleep(600)"
    code = LINES.replace("legal = [", f"{eats}; legal = [")
    with Nursery(limits=Limits(memory=400 << 20), without=("seccomp",)) as nursery:
        process = nursery.start(write_bot(tmp_path / "b", code, language="command"), SPEC, CLOCKS)
        process.reset(None, 1, "player_0")
        with pytest.raises(BotFailedError) as caught:
            process.act(EMPTY, ALL, 0)
    record = caught.value.record
    assert record.code is FailureCode.OOM
    assert record.message.endswith("MiB of memory; it may use 400")


def test_cpu_time_is_bounded(tmp_path: Path) -> None:
    with Nursery(limits=Limits(cpu=1)) as nursery:
        process = nursery.start(write_bot(tmp_path / "b", acting("while True: pass")), SPEC, CLOCKS)
        with pytest.raises(BotFailedError) as caught:
            process.act(EMPTY, ALL, 0)
    record = caught.value.record
    assert (record.code, record.message) == (FailureCode.TIMEOUT, "used all of its 1 s of CPU")
