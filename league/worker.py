"""A process that is to run for as long as its league does: started again when it dies or hangs, in the end given up."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass

from league.errors import LeagueError
from league.launchers.core import Handle, Launcher, ProcessSpec
from league.process import DISK_FULL
from league.telling import MAKE_ROOM

USERS_FAULT = frozenset({2, 4})  # exit codes after which another try would end the same way: usage, state or schema
TAIL_LINES = 15
TAIL_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a worker is given before something is done about it; all in seconds.

    Attributes:
        quick: a process that lives for less than this died quickly.
        attempts: how often in a row it may die quickly before the run fails.
        first_delay: before the first new start; each further one in a row waits twice as long.
        longest_delay: the most that a new start waits.
        silence: without a heartbeat, before a process is taken for hung. A first compilation has to fit.
    """

    quick: float = 30.0
    attempts: int = 4
    first_delay: float = 0.5
    longest_delay: float = 20.0
    silence: float = 180.0


class WorkerFailedError(LeagueError):
    """A process of the league cannot be kept alive."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Worker:
    """A watched process. The times given to its methods are of one monotonic clock, in seconds.

    Args:
        spec: what to start.
        launcher: how to start it.
        patience: when to step in.
        say: told in one line what happens.
        complete: whether an end without a fault (exit code 0) is no death: its work is done.

    Attributes:
        spec: what to start.
        fault: how it ended while it was being stopped, where that was not as it should be.
    """

    def __init__(
        self,
        spec: ProcessSpec,
        launcher: Launcher,
        patience: Patience,
        say: Callable[[str], None],
        complete: Callable[[], bool] = lambda: False,
    ) -> None:
        self.spec = spec
        self.fault: str | None = None
        self._complete = complete
        self._launcher = launcher
        self._patience = patience
        self._say = say
        self._handle: Handle | None = None
        self._started = 0.0
        self._heard = 0.0
        self._last_beat: float | None = None
        self._beats = 0
        self._deaths = 0  # in a row, quickly
        self._restart_at: float | None = None
        self._log_start = 0

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._handle.pid if self._handle is not None else None

    @property
    def working(self) -> bool:
        """Whether it runs and has been heard of since it was started."""
        return self._handle is not None and self._beats > 0

    def start(self, now: float) -> None:
        """Start the process."""
        self._log_start = self.spec.log.stat().st_size if self.spec.log.exists() else 0
        self._handle = self._launcher.start(self.spec)
        self._started = self._heard = now
        self._beats = 0
        self._restart_at = None

    def hear(self, pid: int, beat: float, now: float) -> None:
        """Take note of its last heartbeat, which process `pid` sent at `beat` by whatever clock."""
        if pid == self.pid and beat != self._last_beat:
            self._last_beat = beat
            self._heard = now
            self._beats += 1

    def excuse(self, now: float) -> None:
        """Nobody could be heard until now: its silence does not count."""
        self._heard = max(self._heard, now)

    def check(self, now: float) -> None:
        """Start it again where it died or hangs.

        Raises:
            WorkerFailedError: it died too often in a row, or for a reason that another start does not change.
        """
        if self._handle is None:
            if self._restart_at is not None and now >= self._restart_at:
                self.start(now)
            return
        code = self._handle.poll()
        if code == 0 and self._complete():
            self._handle = None
        elif code is not None:
            self._died(_cause(code), code, now)
        elif now - self._heard > self._patience.silence:
            self._handle.kill()
            self._died(f"gave no sign of life for {self._patience.silence:.0f} s and was killed", None, now)

    def poll(self) -> bool:
        """Whether it still runs; unlike `check` it only takes note of a `fault`."""
        if self._handle is not None and (code := self._handle.poll()) is not None:
            self._handle = None
            ended_in_its_start = code == -signal.SIGTERM and not self._beats  # it had nothing to save yet
            if code != 0 and not ended_in_its_start:
                self.fault = (
                    f"{self.name} {_cause(code)} when it was stopped; the end of {self.spec.log}:\n{self.tail()}"
                )
        return self._handle is not None

    def terminate(self) -> None:
        """Ask it to stop and do not start it again."""
        self._restart_at = None
        if self._handle is not None:
            self._handle.terminate()

    def kill(self) -> None:
        """End it at once and do not start it again."""
        self._restart_at = None
        if self._handle is not None:
            self._handle.kill()
            self._handle = None

    def _died(self, cause: str, code: int | None, now: float) -> None:
        quickly = now - self._started < self._patience.quick or not self._beats
        self._deaths = self._deaths + 1 if quickly else 1
        self._handle = None
        if code == DISK_FULL:
            place = self.spec.log.parent.parent
            raise WorkerFailedError(f"{place}: the disk is full; nothing was damaged, {MAKE_ROOM}")
        if code in USERS_FAULT:
            raise WorkerFailedError(self.last_line() or f"{self.name} {cause}", exit_code=code)
        if self._deaths >= self._patience.attempts:
            raise WorkerFailedError(
                f"{self.name} {cause}, {self._deaths} times in a row; the end of {self.spec.log}:\n{self.tail()}"
            )
        delay = min(self._patience.first_delay * 2 ** (self._deaths - 1), self._patience.longest_delay)
        self._restart_at = now + delay
        self._say(f"{self.name} {cause}; starting it again")

    def tail(self) -> str:
        """The last lines that it wrote since it was last started."""
        if not self.spec.log.exists():
            return ""
        with self.spec.log.open("rb") as log:
            end = log.seek(0, 2)
            log.seek(max(self._log_start, end - TAIL_BYTES))
            lines = log.read().decode("utf-8", errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-TAIL_LINES:])

    def last_line(self) -> str:
        """The last line that it wrote, without its prefix for the log."""
        lines = self.tail().splitlines()
        return lines[-1].strip().removeprefix("error: ") if lines else ""


def _cause(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
