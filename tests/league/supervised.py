"""A supervised run in a process of its own, and what a test asks of it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from league.config import LeagueConfig
from league.runs import RunFolder, create
from matchmaking.errors import MatchmakingError
from matchmaking.server import EmbeddedServer
from matchmaking.store import Store

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0  # seconds: generous, for a machine that others use as well

T = TypeVar("T")


def until(question: Callable[[], T | None], what: str, seconds: float = PATIENCE) -> T:
    """The first answer to `question` that is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        time.sleep(0.02)
    raise AssertionError(f"in {seconds:.0f} s there was never: {what}")


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


class SupervisedRun:
    """A run folder, and the supervisor that runs it while it is started.

    Args:
        root: the folder of all runs.
        settings: of the configuration.
    """

    def __init__(self, root: Path, **settings: object) -> None:
        base: dict[str, object] = {"arena": "tic_tac_toe", "evaluation": {"closing_seconds": 20.0}}
        self.config = LeagueConfig.model_validate(base | settings)
        self.run: RunFolder = create(root, self.config, "test")
        self.process: subprocess.Popen[str] | None = None
        self._started: list[subprocess.Popen[str]] = []

    def behave(self, name: str, manner: str) -> None:
        """Tell a fake process how it is to behave from its next start on."""
        (self.run.path / f"behaviour-{name}").write_text(manner)

    def start(self, silence: float = 60.0) -> None:
        """Start the supervisor; it takes a process for hung after `silence` seconds."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.league.supervise", str(self.run.path), str(silence)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._started.append(self.process)

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, seconds: float = PATIENCE) -> tuple[int, str]:
        """Exit code and output of the supervisor."""
        assert self.process is not None
        output, _ = self.process.communicate(timeout=seconds)
        return self.process.returncode, output

    def events(self, name: str) -> list[str]:
        """What a fake process wrote down."""
        path = self.run.path / f"events-{name}"
        return path.read_text().splitlines() if path.exists() else []

    def started(self, name: str, times: int = 1) -> int:
        """Wait until a fake process has been started so often; gives its process id."""
        return until(lambda: self._pid(name, times), f"start {times} of {name}")

    def _pid(self, name: str, times: int) -> int | None:
        starts = [event for event in self.events(name) if event.startswith("start")]
        return int(starts[times - 1].split()[1]) if len(starts) >= times else None

    def store(self) -> Store:
        """The run in Redis, once it is there."""
        return until(self._store, "a run in Redis")

    def _store(self) -> Store | None:
        server = EmbeddedServer(self.run.redis)
        try:
            return Store.open(server.url, self.run.name) if server.running() else None
        except MatchmakingError:
            return None

    def heard(self, name: str, other_than: int | None = None) -> int:
        """Wait for a heartbeat of a process (of a new one); gives its process id."""
        store = self.store()
        try:
            return until(lambda: self._heard(store, name, other_than), f"heartbeat of {name}")
        finally:
            store.close()

    def _heard(self, store: Store, name: str, other_than: int | None) -> int | None:
        for beat in store.processes.heartbeats():
            if beat.process == name and beat.pid != other_than and alive(beat.pid):
                return beat.pid
        return None

    def redis_pid(self) -> int | None:
        return EmbeddedServer(self.run.redis).pid()

    def close(self) -> None:
        """Leave nothing behind."""
        for process in self._started:
            process.kill()
            if process.stdout is not None:
                process.stdout.close()
            process.wait()
        EmbeddedServer(self.run.redis).stop()
