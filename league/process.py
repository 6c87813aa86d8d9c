"""What every process of a running league shares: its command line, its run, its store, signs of life, and when to stop.

    def work(process: Process) -> None: ...

    if __name__ == "__main__":
        sys.exit(run_process("rater", work))

The supervisor starts it as `python -m league.rater --run FOLDER --index 0 --parent PID`; without `--parent` it can be
started by hand. Nothing here imports torch.
"""

from __future__ import annotations

import argparse
import ctypes
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from league.config import LeagueConfig
from league.runs import RunFolder
from league.telling import disk_full, for_people, told
from matchmaking.errors import RedisUnreachableError
from matchmaking.records import Heartbeat
from matchmaking.server import EmbeddedServer
from matchmaking.store import Store

BEAT_EVERY = 1.0  # seconds
NAP = 0.05  # seconds; how late a sleeping process may notice that it is to stop
PATIENCE = 240.0  # seconds for which a process waits for Redis to come back: less than its supervisor does
STOP, FINISH = "stop", "finish"
"""Commands to one process: stop now; go on until the work at hand is done, then stop."""

DISK_FULL = 74
"""Exit code of a process that found the disk full (EX_IOERR of sysexits.h): its log may not have taken the message."""

PR_SET_PDEATHSIG = 1  # linux/prctl.h

log = logging.getLogger("league")


@dataclass(frozen=True, slots=True)
class Place:
    """What a process is told when it is started.

    Attributes:
        run: the run's folder.
        index: which of its kind it is.
        core: the CPU that it is to keep to, where it computes on the CPU; None for no choice.
        parent: process id of the supervisor that it must not outlive; None when started by hand.
    """

    run: RunFolder
    index: int
    core: int | None = None
    parent: int | None = None

    def arguments(self) -> tuple[str, ...]:
        """The command line that `parse_place` reads."""
        words = ["--run", str(self.run.path), "--index", str(self.index)]
        if self.core is not None:
            words += ["--core", str(self.core)]
        if self.parent is not None:
            words += ["--parent", str(self.parent)]
        return tuple(words)


def parse_place(kind: str, arguments: Sequence[str] | None = None) -> Place:
    """The place that a command line names; None reads the process's own."""
    parser = argparse.ArgumentParser(prog=f"python -m league.{kind}", description=f"One {kind} process of a league.")
    parser.add_argument("--run", type=Path, required=True, help="the run's folder")
    parser.add_argument("--index", type=int, default=0, help=f"which {kind} of the run it is, from 0")
    parser.add_argument("--core", type=int, help="the CPU to keep to")
    parser.add_argument("--parent", type=int, help="process id of the supervisor, whose death ends this process")
    given = parser.parse_args(arguments)
    return Place(RunFolder(given.run), given.index, given.core, given.parent)


def redis_url(run: RunFolder, configured: str | None) -> str:
    """Where the run's Redis answers: the one that was configured, else the one embedded in the run's folder."""
    return configured or EmbeddedServer(run.redis).url


class Process:
    """One process of a running league.

    Attributes:
        name: such as `learner-0`: the name of its heartbeat and of its log.
        place: what it was told when it was started.
        run: the run's folder.
        config: the run's configuration.
        store: the run in Redis; its calls wait for `PATIENCE` where the server does not answer.
    """

    def __init__(self, kind: str, place: Place, config: LeagueConfig, store: Store) -> None:
        self.name = f"{kind}-{place.index}"
        self.place = place
        self.run = place.run
        self.config = config
        self.store = store
        self._stopping = False
        self._finishing = False
        self._next_beat = 0.0
        self._commands_seen = store.processes.num_commands()

    @property
    def stopping(self) -> bool:
        """Whether it is to save what it has and leave."""
        return self._stopping

    @property
    def finishing(self) -> bool:
        """Whether it is to do only what is due already, and then leave."""
        return self._finishing

    @property
    def orphaned(self) -> bool:
        """Whether the supervisor that started it is gone."""
        return self.place.parent is not None and os.getppid() != self.place.parent

    def stop(self) -> None:
        """From now on it is `stopping`."""
        self._stopping = True

    def catch_signals(self) -> None:
        """SIGTERM and SIGINT ask the process to stop; only its main thread may call this."""

        def handle(number: int, frame: FrameType | None) -> None:
            self._stopping = True

        signal.signal(signal.SIGTERM, handle)
        signal.signal(signal.SIGINT, handle)

    def beat(self, status: str = "", numbers: Mapping[str, float] | None = None) -> None:
        """Give a sign of life and look for commands; more than once a second it does nothing, so call it often.

        Args:
            status: one line for people.
            numbers: what the process measures of itself.
        """
        now = time.monotonic()
        if now < self._next_beat:
            return
        self._next_beat = now + BEAT_EVERY
        if self.orphaned:  # where the kernel does not tell (see `die_with`)
            self._stopping = True
        processes = self.store.processes
        processes.beat(Heartbeat(process=self.name, pid=os.getpid(), status=status, numbers=dict(numbers or {})))
        orders = processes.commands(self.name, self._commands_seen)
        self._commands_seen = orders.seen
        for order in orders.commands:
            if order.target == self.name:  # what is for all is the supervisor's to carry out, in its order
                self._stopping |= order.name == STOP
                self._finishing |= order.name == FINISH

    def sleep(self, seconds: float, status: str = "") -> None:
        """Sleep, with signs of life, until the time is over or the process is to stop."""
        end = time.monotonic() + seconds
        while not self._stopping and (left := end - time.monotonic()) > 0:
            self.beat(status)
            time.sleep(min(left, NAP))

    def pin(self) -> None:
        """Keep to the core that the supervisor chose: for processes that compute on the CPU with one thread."""
        if self.place.core is not None and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {self.place.core})


def die_with(parent: int, number: signal.Signals) -> None:
    """Ask the kernel for the signal `number` when the process `parent` dies, and leave at once where it is dead.

    Linux only (prctl, PR_SET_PDEATHSIG); elsewhere a process notices at its next heartbeat.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(f"error: the supervisor (process {parent}) is gone")


def open_store(place: Place, config: LeagueConfig) -> Store:
    """The run in Redis. A process of a supervisor waits for a server that is just being brought back.

    Raises:
        RedisUnreachableError: there is none.
    """
    deadline = time.monotonic() + (0.0 if place.parent is None else PATIENCE)
    while True:
        try:
            return Store.open(redis_url(place.run, config.redis), place.run.name, PATIENCE, place.run.logs)
        except RedisUnreachableError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(NAP)


def run_process(
    kind: str,
    work: Callable[[Process], None],
    arguments: Sequence[str] | None = None,
    *,
    death_signal: signal.Signals = signal.SIGKILL,
) -> int:
    """Be a process of a league until `work` returns; gives the exit code.

    Args:
        kind: `learner`, `evaluator` or `rater`.
        work: what it does; it looks at `process.stopping`, and calls `process.beat` at least once in a few seconds.
        arguments: the command line; None reads the process's own.
        death_signal: what the death of the supervisor sends.
    """
    place = parse_place(kind, arguments)
    if place.parent is not None:
        die_with(place.parent, death_signal)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S"
    )
    try:
        config = place.run.config()
        store = open_store(place, config)
        process = Process(kind, place, config, store)
        process.catch_signals()
        log.info("%s of run %s, process %d", process.name, place.run.name, os.getpid())
        work(process)
        store.close()
    except for_people() as error:
        if isinstance(error, OSError) and not disk_full(error):
            raise  # not a person's doing here: the log shows where it came from
        return _fail(error)
    return 0


def _fail(error: BaseException) -> int:
    """Leave the error as the last line of the log; gives the exit code."""
    message, code = told(error)
    full = disk_full(error)
    try:
        print(f"error: {message}", file=sys.stderr, flush=True)
    except OSError:
        if not full:
            raise
        sys.stderr = None  # the log is on the same disk: a last flush would only spoil the exit code
    return DISK_FULL if full else code
