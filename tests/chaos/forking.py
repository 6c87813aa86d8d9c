"""Processes that are forked from an interpreter which has everything loaded: a start costs hundredths of a second.

Loading torch takes longer than all that is to be shown of a process that is killed a moment later. What is forked is
what would have been started otherwise, in a session of its own, with nothing open that was not meant for it.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, cast

from league.launchers.core import ProcessSpec
from league.launchers.local import THREAD_VARIABLES, LocalHandle

PR_SET_NAME = 15  # linux/prctl.h
PAUSE = 0.01  # seconds between two looks for the end of a process


class Forked:
    """A child, with what a handle wants of `subprocess.Popen`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, once it has ended."""
        if self.returncode is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; gives its exit code."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
            time.sleep(PAUSE)
        return code

    def kill(self) -> None:
        """End it at once."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


def fork(name: str, work: Callable[[], int], output: Path) -> Forked:
    """Run `work` in a child whose exit code is what it gives.

    Args:
        name: of the process, for the kernel: at most 15 letters.
        work: what it does.
        output: the file that takes its output and errors, after whatever is in it.
    """
    sys.stdout.flush()
    pid = os.fork()
    return Forked(pid) if pid else _become(name, work, output)


def _become(name: str, work: Callable[[], int], output: Path) -> NoReturn:
    status = 1
    try:
        os.setsid()
        _only_these_files(output)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        name_this(name)
        status = work()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _only_these_files(output: Path) -> None:
    """Nothing to read, output into the file, and nothing else: no lock and no connection of the parent."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))


def name_this(name: str) -> None:
    """Tell the kernel what this process is called."""
    ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode(), 0, 0, 0)


class ForkLauncher:
    """Starts processes from the interpreter that runs this one, which must have one thread."""

    def start(self, spec: ProcessSpec) -> LocalHandle:
        """See `league.launchers.core.Launcher.start`; the module's `main` is what runs."""
        spec.log.parent.mkdir(parents=True, exist_ok=True)

        def work() -> int:
            os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(spec.threads)))
            sys.argv = [spec.module, *spec.arguments]
            code: int = importlib.import_module(spec.module).main()
            return code

        return LocalHandle(cast("subprocess.Popen[bytes]", fork(spec.name, work, spec.log)))
