"""A league of its own, as its user sees it: `league start`, `league resume`, `league stop`, and its processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from agents.bots.store import BotStore
from league.runs import RunFolder
from matchmaking.bot_records import BotRecord
from matchmaking.errors import MatchmakingError
from matchmaking.records import Kind as PlayerKind
from matchmaking.records import Player, new_id
from matchmaking.server import EmbeddedServer
from matchmaking.store import Store
from tests.chaos import processes
from tests.chaos.crew import journal
from tests.chaos.faults import LEASE
from tests.chaos.forking import Forked, fork
from tests.chaos.league import command
from tests.chaos.processes import Kind, Proc
from tests.league.supervised import until

NAME = "chaos"
COMEBACK = 150.0  # seconds in which everybody must be at work again; a loaded machine starts a process in 10
BOTS = {
    "first": "def act(observation, action_mask, clock):\n    return int(action_mask.argmax())\n",
    "fickle": "def act(observation, action_mask, clock):\n"
    "    if observation.sum() >= 4 and not action_mask[0]:\n        raise RuntimeError('I wanted the corner')\n"
    "    return int(action_mask.argmin()) if action_mask.all() else int(action_mask.argmax())\n",
}
"""One that plays, and one that fails now and then: forfeits are to count once as well."""


def settings(learners: int, evaluators: int) -> list[str]:
    """The options of `league start`."""
    values = {
        "run.tensorboard": "false",
        "learners.processes": learners,
        "network.hidden": "[16]",
        "rollout.lanes": 4,
        "rollout.environments": 32,
        "rollout.horizon": 8,
        "ppo.minibatch": 128,
        "evaluation.evaluators": evaluators,
        "evaluation.pairs": 4,
        "evaluation.share": 1.0,
        "evaluation.closing_seconds": 2,
        "evaluation.lease_seconds": LEASE,
        "bots.pairs": 1,
        "bots.lanes": 2,
        "bots.suspend_after": 0,
        **{f"roles.{role}.min_steps": 50_000 for role in ("main_agent", "main_exploiter", "league_exploiter")},
        **{f"roles.{role}.max_steps": 100_000 for role in ("main_agent", "main_exploiter", "league_exploiter")},
    }
    return [word for name, value in values.items() for word in ("--set", f"{name}={value}")]


class RealLeague:
    """The run `chaos` under `root`, through the command line.

    Args:
        root: a folder of its own.
        patience: seconds for a command to end in, or to come up.
    """

    program = "league"

    def __init__(self, root: Path, patience: float = COMEBACK) -> None:
        root.mkdir(exist_ok=True)
        self.root, self.patience = root, patience
        self.run = RunFolder(root / "runs" / NAME)
        self._output = root / "output.log"
        self._process: subprocess.Popen[bytes] | Forked | None = None
        self._environment = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path.cwd())}

    @property
    def pid(self) -> int | None:
        """The supervisor's process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def call(self, *arguments: str) -> None:
        """Start a command that runs the league."""
        self._process = self._start([*arguments, "--runs-dir", str(self.run.path.parent)])

    def _start(self, words: list[str]) -> subprocess.Popen[bytes] | Forked:
        with self._output.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", self.program, *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | self._environment,
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
        self._process.wait(self.patience)

    def ended(self, seconds: float | None = None) -> int:
        """Wait for the supervisor's end; gives its exit code."""
        assert self._process is not None
        return self._process.wait(seconds or self.patience)

    def output(self) -> str:
        """What all commands have printed."""
        return self._output.read_text(errors="replace")

    def last_words(self) -> str:
        """The last line that a command printed."""
        return (self.output().splitlines() or [""])[-1]

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The store of the running league.

        Raises:
            MatchmakingError: it does not answer.
        """
        store = self._open(patience=0.0)
        try:
            yield store
        finally:
            store.close()

    @contextmanager
    def watched(self) -> Iterator[Store]:
        """The store of the league while it runs, as soon as there is one."""
        store = until(self._found, "a run in Redis", self.patience)
        try:
            yield store
        finally:
            store.close()

    def _found(self) -> Store | None:
        with suppress(MatchmakingError):
            return self._open(patience=10.0)
        return None

    def _open(self, patience: float) -> Store:
        return Store.open(EmbeddedServer(self.run.redis).url, NAME, patience=patience, files=self.run.logs)

    def close(self) -> None:
        """Leave nothing behind, whatever it came to."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        EmbeddedServer(self.run.redis).stop()


class League(RealLeague):
    """One with the crew of this folder: its processes come back at once, and write down what they do.

    Args:
        root: a folder of its own.
        warm: whether its processes are forked from this one, or started as anybody starts them.
        patience: seconds for a command to end in.
    """

    program = "tests.chaos.league"

    def __init__(self, root: Path, *, warm: bool = True, patience: float = COMEBACK) -> None:
        super().__init__(root, patience)
        self._warm = warm
        self.temporary, self.journals = root / "tmp", root / "journals"
        for folder in (self.temporary, self.journals):
            folder.mkdir()
        self._environment |= {journal.FOLDER: str(self.journals), "TMPDIR": str(self.temporary)}

    def _start(self, words: list[str]) -> subprocess.Popen[bytes] | Forked:
        if not self._warm:
            return super()._start(words)

        def work() -> int:
            os.environ.update(self._environment)
            return command(words, warm=True)

        return fork("league", work, self._output)

    def ask(self, *arguments: str) -> int:
        """Run a command to its end; gives the exit code."""
        return self._start([*arguments, "--runs-dir", str(self.run.path.parent)]).wait(self.patience)

    def victims(self) -> dict[Kind, list[Proc]]:
        """Who lives, by kind."""
        processes.bury(besides=[] if self._process is None else [self._process.pid])
        return processes.by_kind(processes.below(os.getpid()), self.pid)

    def enter_bots(self) -> None:
        """Submit the bots, their check left out."""
        with self.store() as store:
            for name, source in BOTS.items():
                path = self.root / f"{name}.py"
                path.write_text(source)
                stored = BotStore(self.run.bots).add(path)
                player = Player(id=new_id("p"), name=name, kind=PlayerKind.BOT, version=stored.version)
                record = BotRecord(
                    player=player.id,
                    lineage=name,
                    author="chaos",
                    language="python",
                    entry=stored.entry,
                    size=stored.size,
                )
                store.bots.enter(player, record, supersedes=None, entered=store.bots.count())

    def close(self) -> None:
        """Leave nothing behind, whatever it came to."""
        for proc in processes.below(os.getpid()).values():
            with suppress(ProcessLookupError):
                os.kill(proc.pid, signal.SIGKILL)
        super().close()
        processes.bury()
