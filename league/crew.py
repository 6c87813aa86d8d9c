"""The processes of one run, as its supervisor watches them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from league.config import LeagueConfig
from league.cores import idlest_cores
from league.hosting import hosting
from league.launchers.core import Launcher, ProcessSpec
from league.process import Place
from league.runs import RunFolder
from league.worker import Patience, Worker
from matchmaking.records import Heartbeat, Player


@dataclass(frozen=True, slots=True)
class Programs:
    """The modules that are run; tests put theirs in their place."""

    learner: str = "league.learner"
    evaluator: str = "league.evaluator"
    rater: str = "league.rater"


@dataclass(frozen=True, slots=True)
class Crew:
    """Watched processes by kind."""

    learners: Sequence[Worker]
    evaluators: Sequence[Worker]
    raters: Sequence[Worker]

    @property
    def everyone(self) -> tuple[Worker, ...]:
        return (*self.learners, *self.evaluators, *self.raters)

    @property
    def working(self) -> bool:
        """Whether the run gets on: a learner is at work, or an evaluator where nobody is trained."""
        return any(worker.working for worker in self.learners or self.evaluators)

    def hear(self, heartbeats: Sequence[Heartbeat], now: float) -> None:
        """Take note of the last heartbeats."""
        beats = {beat.process: beat for beat in heartbeats}
        for worker in self.everyone:
            if worker.name in beats:
                worker.hear(beats[worker.name].pid, beats[worker.name].at, now)

    def excuse(self, now: float) -> None:
        """Nobody could be heard until now."""
        for worker in self.everyone:
            worker.excuse(now)

    def check(self, now: float) -> None:
        """Start again what died or hangs."""
        for worker in self.everyone:
            worker.check(now)

    def kill(self) -> None:
        """End everything at once."""
        for worker in self.everyone:
            worker.kill()


def make_crew(
    run: RunFolder,
    config: LeagueConfig,
    learners: Sequence[Player],
    *,
    launcher: Launcher,
    programs: Programs,
    patience: Patience,
    say: Callable[[str], None],
    complete: Callable[[Sequence[Player]], bool],
) -> Crew:
    """The crew of a run; nobody is started yet.

    Args:
        run: the run's folder.
        config: its configuration.
        learners: the players in training.
        launcher: starts the processes.
        programs: what they run.
        patience: before something is done about one.
        say: told what happens.
        complete: whether these players have the training that was asked for.
    """
    cores = idlest_cores()

    def worker(kind: str, module: str, index: int, hosted: Sequence[Player] = (), core: int | None = None) -> Worker:
        place = Place(run, index, core, parent=os.getpid())
        name = f"{kind}-{index}"
        threads = config.learners.threads if hosted else 1
        spec = ProcessSpec(name, module, place.arguments(), run.logs / f"{name}.log", threads)
        return Worker(spec, launcher, patience, say, complete=lambda: bool(hosted) and complete(hosted))

    groups = [group for group in hosting(learners, config.learners.processes) if group]
    # More processes than cores, or several threads each: where they run is for the kernel to say.
    pinned = len(groups) <= len(cores) and config.learners.threads == 1
    return Crew(
        learners=[
            worker("learner", programs.learner, index, group, cores[index] if pinned else None)
            for index, group in enumerate(groups)
        ],
        evaluators=[worker("evaluator", programs.evaluator, index) for index in range(config.evaluation.evaluators)],
        raters=[worker("rater", programs.rater, 0)],
    )
