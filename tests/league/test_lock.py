"""One supervisor a run."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from league.lock import LOCK, RunBusyError, held, run_lock
from league.runs import RunFolder

HOLD = """
import sys, time
from pathlib import Path
from league.lock import run_lock
from league.runs import RunFolder
with run_lock(RunFolder(Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_run_is_held_once(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    with run_lock(run):
        with pytest.raises(RunBusyError, match=rf"process {os.getpid()}.*league stop") as caught, run_lock(run):
            pass
        assert caught.value.exit_code == 2
    with run_lock(run):
        pass


def test_a_killed_holder_is_no_obstacle(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(RunBusyError, match=f"process {holder.pid}"), run_lock(run):
            pass
        holder.send_signal(signal.SIGKILL)
    with run_lock(run):
        pass


def test_asking_disturbs_nobody(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert not held(run)
    assert list(tmp_path.iterdir()) == [], "nothing is written"
    with run_lock(run):
        assert held(run)
    assert not held(run)
    descriptor = os.open(tmp_path / LOCK, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)  # somebody else who asks
    assert not held(run)
    os.close(descriptor)
