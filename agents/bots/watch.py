"""The limits of bots that the kernel does not hold them to: memory with its page tables, and threads."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from agents.bots.channel import WATCH, ChannelError
from agents.bots.core import FailureCode, Limits


class OverLimitError(ChannelError):
    """The process uses more than it may."""

    def __init__(self, code: FailureCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class Measured(Protocol):
    """What a round goes over: a bot's process."""

    def measure(self) -> None:
        """Hold it to its limits."""


class Round:
    """All bots' processes of this program. While one of them is waited for, all are held to their limits.

    Once in `WATCH` seconds is enough, however many of them are asked in turn: measuring everybody at each of their
    requests would grow with the square of their number.

    Args:
        clock: seconds that pass.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._members: weakref.WeakSet[Measured] = weakref.WeakSet()
        self._clock = clock
        self._made: float | None = None

    def join(self, process: Measured) -> None:
        """From now on it is measured."""
        self._members.add(process)

    def leave(self, process: Measured) -> None:
        """It is not any more."""
        self._members.discard(process)

    def make(self) -> None:
        """Measure everybody, where it is due."""
        if self._made is not None and self._clock() - self._made < WATCH:
            return
        for each in list(self._members):
            each.measure()
        self._made = self._clock()


ROUND = Round()


def over_limit(pid: int, limits: Limits) -> OverLimitError | None:
    """What a process uses too much of, if anything."""
    memory, threads = usage(pid)
    if memory > limits.memory:
        text = f"uses {memory // 2**20:,} MiB of memory; it may use {limits.memory // 2**20:,}"
        return OverLimitError(FailureCode.OOM, text)
    if threads > limits.threads:
        return OverLimitError(FailureCode.SANDBOX_DENIED, f"runs {threads} threads; it may run {limits.threads}")
    return None


def usage(pid: int) -> tuple[int, int]:
    """Bytes of memory that a process has, its page tables with it, and how many threads; zeros where it is ending."""
    try:
        memory, threads = _status(f"/proc/{pid}/status")
        if memory == 0 and threads > 1:  # its first thread has ended and others go on
            tasks = Path(f"/proc/{pid}/task").iterdir()
            memory = max((_status(f"{task}/status")[0] for task in tasks), default=0)
    except OSError:
        return 0, 0
    return memory, threads


def _status(path: str) -> tuple[int, int]:
    """Memory and threads as proc(5) tells them; in the process's name, the kernel escapes ends of lines."""
    text = Path(path).read_bytes()
    kibibytes = _figure(text, b"\nVmRSS:") + _figure(text, b"\nVmPTE:")
    return 1024 * kibibytes, _figure(text, b"\nThreads:")


def _figure(text: bytes, name: bytes) -> int:
    """The number behind a name, 0 where it is missing. By place: this is done for every bot many times a second."""
    place = text.find(name)
    return int(text[place + len(name) : text.index(b"\n", place + 1)].split()[0]) if place >= 0 else 0
