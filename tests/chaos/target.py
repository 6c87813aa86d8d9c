"""A real league of its own, as its user sees it: `league start`, `league resume`, `league stop`, and its processes."""

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


class League:
    """The run `chaos` under `root`, as its user sees it.

    Args:
        root: a folder of its own.
        warm: whether its processes are forked from this one, or started as anybody starts them.
        patience: seconds for a command to end in.
    """

    def __init__(self, root: Path, *, warm: bool = True, patience: float = COMEBACK) -> None:
        self.root, self.patience, self._warm = root, patience, warm
        self.run = RunFolder(root / "runs" / NAME)
        self.temporary, self.journals, self._output = root / "tmp", root / "journals", root / "output.log"
        for folder in (self.temporary, self.journals):
            folder.mkdir()
        self._process: subprocess.Popen[bytes] | Forked | None = None
        self._environment = {
            journal.FOLDER: str(self.journals),
            "TMPDIR": str(self.temporary),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(Path.cwd()),
        }

    @property
    def pid(self) -> int | None:
        """The supervisor's process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def call(self, *arguments: str) -> None:
        """Start a command that runs the league."""
        self._process = self._start(*arguments)

    def ask(self, *arguments: str) -> int:
        """Run a command to its end; gives the exit code."""
        return self._start(*arguments).wait(self.patience)

    def _start(self, *arguments: str) -> subprocess.Popen[bytes] | Forked:
        words = [*arguments, "--runs-dir", str(self.run.path.parent)]
        if self._warm:

            def work() -> int:
                os.environ.update(self._environment)
                return command(words, warm=True)

            return fork("league", work, self._output)
        with self._output.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.league", *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | self._environment,
                start_new_session=True,
            )

    def ended(self) -> int:
        """Wait for the supervisor's end; gives its exit code."""
        assert self._process is not None
        return self._process.wait(self.patience)

    def last_words(self) -> str:
        """The last line that a command printed."""
        return (self._output.read_text(errors="replace").splitlines() or [""])[-1]

    def victims(self) -> dict[Kind, list[Proc]]:
        """Who lives, by kind."""
        processes.bury(besides=[] if self._process is None else [self._process.pid])
        return processes.by_kind(processes.below(os.getpid()), self.pid)

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The store of the running league.

        Raises:
            MatchmakingError: it does not answer.
        """
        store = Store.open(EmbeddedServer(self.run.redis).url, NAME, patience=0.0, files=self.run.logs)
        try:
            yield store
        finally:
            store.close()

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
        EmbeddedServer(self.run.redis).stop()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        processes.bury()
