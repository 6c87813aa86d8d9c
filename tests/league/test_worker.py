"""A watched process: restarts, their limits, hanging, and processes that leave nobody behind."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest

from league.launchers.core import ProcessSpec
from league.launchers.local import LocalLauncher
from league.worker import Patience, Worker, WorkerFailedError

QUICK = Patience(quick=5.0, attempts=3, first_delay=0.01, longest_delay=0.02, silence=60.0)


class FakeHandle:
    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.code: int | None = None
        self.killed = False

    def poll(self) -> int | None:
        return self.code

    def terminate(self) -> None:
        self.code = 0

    def kill(self) -> None:
        self.killed = True
        self.code = -9


class FakeLauncher:
    def __init__(self) -> None:
        self.handles: list[FakeHandle] = []

    def start(self, spec: ProcessSpec) -> FakeHandle:
        self.handles.append(FakeHandle(100 + len(self.handles)))
        return self.handles[-1]


class Bench:
    """A worker with a launcher whose processes do as they are told."""

    def __init__(self, log: Path, patience: Patience = QUICK) -> None:
        self.launcher = FakeLauncher()
        self.said: list[str] = []
        self.log = log
        self.worker = Worker(ProcessSpec("learner-0", "x", (), log), self.launcher, patience, self.said.append)
        self.worker.start(0.0)

    @property
    def handle(self) -> FakeHandle:
        return self.launcher.handles[-1]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "learner-0.log")


def test_a_dead_process_is_started_again_after_a_delay(bench: Bench) -> None:
    bench.handle.code = -9
    bench.worker.check(1.0)
    assert bench.said == ["learner-0 was killed by SIGKILL; starting it again"]
    bench.worker.check(1.005)
    assert len(bench.launcher.handles) == 1, "it waits before it starts again"
    bench.worker.check(1.02)
    assert len(bench.launcher.handles) == 2
    assert bench.worker.pid == 101


def test_a_process_that_keeps_dying_is_given_up_with_the_end_of_its_log(bench: Bench) -> None:
    bench.log.write_text("old line of an earlier life\n")
    with pytest.raises(WorkerFailedError, match="3 times in a row") as caught:
        _die_again_and_again(bench)
    assert caught.value.exit_code == 1
    assert "ended with exit code 1" in str(caught.value)
    assert str(caught.value).endswith("ValueError: at life 3")
    assert "old line" not in str(caught.value), "only what it wrote since its last start"


def _die_again_and_again(bench: Bench) -> None:
    for moment in range(1, 20):
        if bench.worker.pid is not None:
            with bench.log.open("a") as log:
                log.write(f"ValueError: at life {len(bench.launcher.handles)}\n")
            bench.handle.code = 1
        bench.worker.check(moment / 10)


def test_deaths_after_a_long_life_are_not_in_a_row(bench: Bench) -> None:
    now = 0.0
    for number in range(10):
        bench.worker.hear(bench.handle.pid, float(number), now + 1.0)
        bench.handle.code = -11
        now += QUICK.quick + 1.0
        bench.worker.check(now)  # notices the death
        now += 1.0
        bench.worker.check(now)  # starts it again
    assert len(bench.launcher.handles) == 11


def test_a_fault_of_the_user_is_not_tried_again(bench: Bench) -> None:
    bench.log.write_text("12:00:00 INFO hello\nerror: cuda was asked for and there is no GPU\n")
    bench.worker.start(0.5)
    with bench.log.open("a") as log:
        log.write("error: cuda was asked for and there is no GPU\n")
    bench.handle.code = 2
    with pytest.raises(WorkerFailedError, match=r"^cuda was asked for and there is no GPU$") as caught:
        bench.worker.check(1.0)
    assert caught.value.exit_code == 2


def test_a_silent_process_is_killed_and_started_again(bench: Bench) -> None:
    bench.worker.hear(100, 1.0, 10.0)
    bench.worker.check(69.0)
    assert not bench.handle.killed
    bench.worker.hear(100, 1.0, 69.0)  # the same heartbeat as before is no new sign of life
    bench.worker.check(71.0)
    assert bench.launcher.handles[0].killed
    assert "no sign of life for 60 s" in bench.said[0]
    bench.worker.check(72.0)
    assert len(bench.launcher.handles) == 2
    bench.worker.check(130.0)
    assert not bench.handle.killed, "a new process has its own time"


def test_silence_that_is_excused_does_not_count(bench: Bench) -> None:
    bench.worker.excuse(50.0)
    bench.worker.check(100.0)
    assert not bench.handle.killed


def test_a_heartbeat_of_an_earlier_process_is_not_its_own(bench: Bench) -> None:
    bench.worker.hear(99, 5.0, 1.0)
    assert not bench.worker.working
    bench.worker.hear(100, 6.0, 1.0)
    assert bench.worker.working


def test_a_terminated_process_stays_down(bench: Bench) -> None:
    bench.worker.terminate()
    assert not bench.worker.poll()
    bench.worker.check(100.0)
    assert len(bench.launcher.handles) == 1


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


PARENT_OF_ONE = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("child", child.pid, flush=True)
{then}
"""


def _start_parent(folder: Path, monkeypatch: pytest.MonkeyPatch, then: str) -> tuple[LocalLauncher, ProcessSpec]:
    (folder / "parent_of_one.py").write_text(PARENT_OF_ONE.format(then=then))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return LocalLauncher(), ProcessSpec("parent", "parent_of_one", (), folder / "logs" / "parent.log")


def _child(log: Path) -> int:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if log.exists() and (words := log.read_text().split()) and words[0] == "child":
            return int(words[1])
        time.sleep(0.01)
    raise AssertionError("the process wrote nothing")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("end", ["kill", "death of its own"])
def test_nothing_outlives_a_local_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    then = "time.sleep(600)" if end == "kill" else "sys.exit(7)"
    launcher, spec = _start_parent(tmp_path, monkeypatch, then)
    handle = launcher.start(spec)
    child = _child(spec.log)
    if end == "kill":
        handle.kill()
    deadline = time.monotonic() + 10
    while (handle.poll() is None or _alive(child)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert handle.poll() == (-9 if end == "kill" else 7)
    assert not _alive(child)
    handle.kill()  # nothing happens
    handle.terminate()


@pytest.mark.parametrize(("heard", "faulty"), [(False, False), (True, True)])
def test_a_process_that_is_stopped_in_its_start_has_no_fault(bench: Bench, heard: bool, faulty: bool) -> None:
    if heard:
        bench.worker.hear(bench.handle.pid, 1.0, 1.0)
    bench.worker.terminate()
    bench.handle.code = -signal.SIGTERM  # it does not catch signals before it works
    assert not bench.worker.poll()
    assert (bench.worker.fault is not None) is faulty
