"""A bound on how much of a core something takes, kept by sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable

LONGEST_REST = 0.5  # seconds: whoever rests has to look around now and then
CREDIT = 0.5  # seconds of CPU that may be saved up while there was nothing to do


class Throttle:
    """Keeps a process at a share of one core.

    Args:
        share: CPU seconds a second; 1 or more rests never.
        used: CPU seconds that the process has used so far.
        clock: seconds of a monotonic clock.
        sleep: passes time.
    """

    def __init__(
        self,
        share: float,
        *,
        used: Callable[[], float] = time.process_time,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._share = share
        self._used = used
        self._clock = clock
        self._sleep = sleep
        self._then = clock()
        self._spent = used()
        self._credit = CREDIT

    def release(self) -> None:
        """Take whatever there is from now on."""
        self._share = 1.0

    def rest(self) -> None:
        """Sleep off what was taken beyond the share since the last call, at most `LONGEST_REST` of it at once."""
        if self._share >= 1:
            return
        now, used = self._clock(), self._used()
        self._credit = min(self._credit + (now - self._then) * self._share - (used - self._spent), CREDIT)
        self._then, self._spent = now, used
        if self._credit < 0:
            self._sleep(min(-self._credit / self._share, LONGEST_REST))
