"""Signs of life and the lease while a pairing is played.

Between two plies the evaluator does both itself. A bot may think for minutes, and the time that Redis takes must not
come off its clock: while bots play, a thread does it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from league.process import Process
from matchmaking.errors import MatchmakingError
from matchmaking.records import Lease
from matchmaking.service import Matchmaker

LEASE_BEATS = 4  # heartbeats in the time that a lease lasts
LONGEST = 0.5  # seconds between two looks of the thread


class LeaseLostError(Exception):
    """The pairing has been handed to somebody else: what was played so far is worth nothing."""


class StoppedError(Exception):
    """The process was told to stop in the middle of a pairing."""


class LeaseWatch:
    """Keeps one lease.

    Args:
        process: who plays.
        matchmaker: of the run.
        lease: what it holds.
        seconds: how long the lease lasts without a heartbeat.
        tell: status and numbers for the process's own heartbeat.
    """

    def __init__(
        self,
        process: Process,
        matchmaker: Matchmaker,
        lease: Lease,
        seconds: float,
        tell: Callable[[], tuple[str, Mapping[str, float]]],
    ) -> None:
        self._process, self._matchmaker, self._lease, self._seconds = process, matchmaker, lease, seconds
        self._tell = tell
        self._keep_at = time.monotonic() + seconds / LEASE_BEATS
        self._lost = False
        self._fault: MatchmakingError | None = None
        self._thread: threading.Thread | None = None
        self._done = threading.Event()

    def look(self) -> None:
        """Do what is due, and see whether it is worth going on.

        Raises:
            LeaseLostError, StoppedError: it is not.
            MatchmakingError: Redis does not answer.
        """
        if self._thread is None:
            self._tend()
        self.check()

    def check(self) -> None:
        """See whether it is worth going on; this asks nobody, so that it can be called while a bot thinks.

        Raises:
            LeaseLostError, StoppedError: it is not.
            MatchmakingError: Redis does not answer.
        """
        if self._fault is not None:
            raise self._fault
        if self._process.stopping:
            raise StoppedError
        if self._lost:
            raise LeaseLostError

    @contextmanager
    def in_background(self) -> Iterator[None]:
        """Let a thread do what is due for as long as the block lasts."""
        self._thread = threading.Thread(target=self._run, name=f"lease of {self._lease.pairing.id}", daemon=True)
        self._thread.start()
        try:
            yield
        finally:
            self._done.set()
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while not self._done.wait(min(LONGEST, self._seconds / LEASE_BEATS / 2)):
            try:
                self._tend()
            except MatchmakingError as error:
                self._fault = error
                return

    def _tend(self) -> None:
        self._process.beat(*self._tell())
        if not self._process.stopping and time.monotonic() >= self._keep_at:
            self._keep_at = time.monotonic() + self._seconds / LEASE_BEATS
            self._lost |= self._matchmaker.heartbeat(self._lease, self._seconds) is None
