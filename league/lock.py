"""A run folder has one supervisor at a time.

The lock is the kernel's (`flock`): it ends with the process that holds it, however that process ends, so what a dead
supervisor left behind is no obstacle.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from league.errors import RunError
from league.runs import RunFolder

LOCK = ".supervisor"
PAUSE = 0.05  # seconds


class RunBusyError(RunError):
    """Another supervisor runs this run."""


@contextmanager
def run_lock(run: RunFolder, wait: float = 0.0) -> Iterator[None]:
    """Hold the run for as long as the block lasts.

    Args:
        run: the run's folder.
        wait: seconds to wait for whoever holds it: a command that only looks at a run is soon done.

    Raises:
        RunBusyError: somebody else holds it.
    """
    descriptor = os.open(run.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        deadline = time.monotonic() + wait
        while not _locked(descriptor):
            if time.monotonic() >= deadline:
                holder = os.pread(descriptor, 32, 0).decode().strip() or "unknown"
                raise RunBusyError(
                    f"run {run.name!r} is running already (process {holder}): watch it with "
                    f"`league watch {run.name}`, stop it with `league stop {run.name}`"
                )
            time.sleep(PAUSE)
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def held(run: RunFolder) -> bool:
    """Whether somebody holds the run. Asking writes nothing, and two who ask do not take each other for a holder."""
    try:
        descriptor = os.open(run.path / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
