"""A real league in a process of its own, what a test does to it, and what must be true of it afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from league.access import opened
from league.runs import RunFolder
from matchmaking.errors import MatchmakingError
from matchmaking.rating_store import RatingState
from matchmaking.rebuild import rebuild
from matchmaking.records import Counters, LearnerStatus, MatchResult, Player
from matchmaking.server import EmbeddedServer
from matchmaking.store import Row, Store
from tests.league.supervised import ROOT, alive, until

PATIENCE = 120.0  # seconds: starting four processes with torch takes long on a machine that others use
NAME = "chaos"


class Recorded(NamedTuple):
    """What a run has in Redis."""

    players: list[Player]
    matches: list[MatchResult]
    episodes: list[list[Row]]
    payoff: dict[tuple[int, int], Counters]
    ratings: RatingState
    statuses: dict[str, LearnerStatus]


class RealLeague:
    """The run `chaos` of a folder, through the command line as a person calls it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.run = RunFolder(root / NAME)
        self._process: subprocess.Popen[str] | None = None

    def call(self, *arguments: str) -> None:
        """Start a command that runs the league."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "league", *arguments, "--runs-dir", str(self.root)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def interrupt(self) -> None:
        """Ctrl-C in a terminal: a signal to the whole process group."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGINT)

    def kill(self) -> None:
        """`kill -9` of the supervisor, with which its processes die."""
        assert self._process is not None
        self._process.kill()
        self._process.communicate(timeout=PATIENCE)

    def wait(self, seconds: float = PATIENCE) -> tuple[int, str]:
        """Exit code and output."""
        assert self._process is not None
        output, _ = self._process.communicate(timeout=seconds)
        return self._process.returncode, output

    @contextmanager
    def watched(self) -> Iterator[Store]:
        """The store of the league while it runs, as soon as there is one."""
        store = until(self._store, "a run in Redis", PATIENCE)
        try:
            yield store
        finally:
            store.close()

    def _store(self) -> Store | None:
        server = EmbeddedServer(self.run.redis)
        try:
            return Store.open(server.url, NAME, patience=10.0) if server.running() else None
        except MatchmakingError:
            return None

    def recorded(self) -> Recorded:
        """What is in Redis once the league has ended; the logs must give what is derived from them."""
        with opened(self.run) as matchmaker:
            store = matchmaker.store
            assert rebuild(store).exact, "payoff and ratings are what a replay of the logs gives"
            return Recorded(
                store.players(),
                store.queue.matches(),
                store.episode_rows(0, store.episode_reports()),
                store.payoff_pairs(),
                store.ratings.state(),
                store.processes.statuses(),
            )

    def left_over(self) -> list[str]:
        """Command lines of processes that belong to the run and still live."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and int(entry.name) != os.getpid() and alive(int(entry.name)):
                try:
                    words = (entry / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
                except (FileNotFoundError, ProcessLookupError):
                    continue
                if str(self.root) in words:
                    found.append(words)
        redis = EmbeddedServer(self.run.redis)
        return [*found, *(["redis"] if redis.running() else [])]

    def close(self) -> None:
        """Leave nothing behind, whatever the test came to."""
        if self._process is not None:
            self._process.kill()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process.wait()
        EmbeddedServer(self.run.redis).stop()


def pid_of(store: Store, name: str, other_than: int = 0) -> int | None:
    """Process id of a process that gives signs of life."""
    for beat in store.processes.heartbeats():
        if beat.process == name and beat.pid != other_than and alive(beat.pid):
            return beat.pid
    return None
