"""Processes on this machine, each the leader of a session of its own.

A session of its own keeps the terminal's Ctrl-C from the process: the supervisor alone decides in which order the
league stops. It also makes one process group of the process and of all that it starts, so that nothing outlives it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress

from league.launchers.core import ProcessSpec

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class LocalLauncher:
    """Starts processes with the interpreter that runs this one."""

    def start(self, spec: ProcessSpec) -> LocalHandle:
        environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(spec.threads))
        spec.log.parent.mkdir(parents=True, exist_ok=True)
        with spec.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", spec.module, *spec.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        return LocalHandle(process)


class LocalHandle:
    """A child of this process and its process group."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self) -> int | None:
        if self._process.returncode is None and self._process.poll() is not None:
            self._kill_group()  # its own children go with it
        return self._process.returncode

    def terminate(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)  # the leader decides what becomes of its own children

    def kill(self) -> None:
        if self.poll() is None:
            self._kill_group()
            self._process.wait()

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
