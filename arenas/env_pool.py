"""A pool of worker processes that step environments over shared memory (`arenas.env_worker` is the other end).

A command costs one byte to each worker that has something to do and one byte back. Socket pairs were chosen over
eventfd and busy-waiting by measurement: a round trip to a sleeping worker on another core takes 48 us by socket, 52 us
by eventfd and 0.5 us by spinning, next to some 6,000 us that 2 workers spend in a step of 256 Connect Four
environments; and a socket also tells that the other end has died, while spinning takes the core away from the workers.

The memory is an anonymous file (memfd): it has no name, so nothing stays behind however the processes end.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import mmap
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from arenas import env_worker
from arenas.env_worker import DONE, Layout, Recipe

GRACE = 0.5  # seconds that a worker gets to leave by itself


class ArenaFault(RuntimeError):  # noqa: N818  # the house's word; what failed is not ours
    """The environment behind an arena failed: it raised, its process died, or it did not answer in time."""


@dataclass(slots=True)
class _Worker:
    first: int
    last: int
    process: subprocess.Popen[bytes]
    control: socket.socket
    lifeline: int


def default_workers() -> int:
    """As many workers as this process may use cores."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class EnvPool:
    """`layout.batch` environments in worker processes; `arrays` is the memory shared with them.

    Args:
        recipe: how a worker makes its environments.
        layout: the sizes of the batch.
        workers: how many processes; each has a contiguous share of the batch.
        max_steps: episodes that are longer are truncated.
        timeout: seconds until a worker that does not answer is a fault.

    Raises:
        ArenaFault: a worker could not make its environments.
    """

    def __init__(self, recipe: Recipe, layout: Layout, workers: int, max_steps: int, timeout: float) -> None:
        self._recipe, self._layout, self._max_steps, self._timeout = recipe, layout, max_steps, timeout
        memory = _shared_memory(layout.size)
        self._memory = mmap.mmap(memory, layout.size)
        self.arrays = layout.arrays(self._memory)
        self._workers: list[_Worker] = []
        self._finalizer = weakref.finalize(self, _stop, self._workers)
        bounds = np.linspace(0, layout.batch, min(workers, layout.batch) + 1).astype(int).tolist()
        try:
            for first, last in itertools.pairwise(bounds):
                self._workers.append(self._start(first, last, memory))
        finally:
            os.close(memory)
        self._settle(self._workers)

    @property
    def closed(self) -> bool:
        return not self._finalizer.alive

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers."""
        return [worker.process.pid for worker in self._workers]

    def run(self, command: bytes, selected: NDArray[np.bool_]) -> None:
        """Run a command for the selected environments (bool [B]) and wait until it is done.

        Raises:
            ArenaFault: a worker died, raised or did not answer; the pool is closed then.
        """
        np.copyto(self.arrays.selected, selected)
        busy = [worker for worker in self._workers if selected[worker.first : worker.last].any()]
        for worker in busy:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # _wait says what happened to it
                worker.control.send(command)
        self._settle(busy)

    def close(self) -> None:
        """Stop the workers. Safe to call twice; also called when the pool is collected and at exit."""
        self._finalizer()

    def _start(self, first: int, last: int, memory: int) -> _Worker:
        ours, theirs = socket.socketpair()
        watched, lifeline = os.pipe()
        descriptors = (theirs.fileno(), memory, watched)
        process = subprocess.Popen(
            # The arena's own environment has warned already: each worker would repeat it for each of its own.
            [sys.executable, "-P", "-W", "ignore", str(Path(env_worker.__file__)), *map(str, descriptors)],
            stdin=subprocess.DEVNULL,
            pass_fds=descriptors,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYGAME_HIDE_SUPPORT_PROMPT": "1"},
        )
        theirs.close()
        os.close(watched)
        ours.settimeout(self._timeout)
        config = {
            "first": first,
            "last": last,
            "max_steps": self._max_steps,
            "path": [entry or str(Path.cwd()) for entry in sys.path],
            "layout": asdict(self._layout),
            "recipe": asdict(self._recipe),
        }
        worker = _Worker(first, last, process, ours, lifeline)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            ours.sendall(json.dumps(config).encode() + b"\n")
        return worker

    def _settle(self, busy: list[_Worker]) -> None:
        """Wait for answers. Whatever interrupts that (a fault, Ctrl-C) leaves some unread, so it ends the pool."""
        settled = False
        try:
            for worker in busy:
                self._wait(worker)
            settled = True
        finally:
            if not settled:
                self.close()

    def _wait(self, worker: _Worker) -> None:
        try:
            answer = worker.control.recv(1)
        except TimeoutError:
            self._fail(worker, f"did not answer for {self._timeout:g} s")
        except ConnectionResetError:
            answer = b""
        if answer == DONE:
            return
        if answer:
            self._fail(worker, "failed in " + _rest(worker.control))
        with contextlib.suppress(subprocess.TimeoutExpired):
            worker.process.wait(GRACE)
        code = worker.process.poll()
        how = signal.Signals(-code).name if code is not None and code < 0 else f"exit status {code}"
        self._fail(worker, f"died ({how})")

    def _fail(self, worker: _Worker, what: str) -> None:
        whose = f"worker {worker.process.pid} of {self._recipe.id} (environments {worker.first} to {worker.last - 1})"
        raise ArenaFault(f"{whose} {what}")


def _rest(control: socket.socket) -> str:
    chunks = []
    with contextlib.suppress(OSError):
        while chunk := control.recv(65536):
            chunks.append(chunk)
    return b"".join(chunks).decode(errors="replace").strip()


def _shared_memory(size: int) -> int:
    """A descriptor of `size` bytes without a name in the file system."""
    if hasattr(os, "memfd_create"):
        memory = os.memfd_create("arena")
    else:
        with tempfile.TemporaryFile() as file:
            memory = os.dup(file.fileno())
    os.ftruncate(memory, size)
    return memory


def _stop(workers: list[_Worker]) -> None:
    """Hang up, give the workers a moment (an environment may have something to close), then kill the rest."""
    for worker in workers:
        worker.control.close()
    deadline = time.monotonic() + GRACE
    for worker in workers:
        try:
            worker.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
        os.close(worker.lifeline)
