"""`python -m tests.chaos.crew.learner`: the real learner, which writes down what it reports and what it has saved."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any
from unittest.mock import patch

from torch import Tensor

from agents.state_store import StateStore
from league import learner
from league.process import parse_place, run_process
from league.training import Iteration, Trainer
from matchmaking.processes import Processes
from matchmaking.records import LearnerStatus
from matchmaking.run_records import Ticket
from matchmaking.store import Row, Store
from tests.chaos.crew.journal import Journal
from tests.chaos.crew.times import shorten
from tests.chaos.forking import name_this

SAVE_EVERY = 1.0  # seconds
PAUSE = 0.02  # seconds after each iteration: the machine is for those that start again


def keep_account(journal: Journal) -> None:
    """Write down every report, every status and every saved state."""
    report, show, save, iterate = Store._report, Processes.set_status, StateStore.save, Trainer.iterate

    def reporting(store: Store, reports: Sequence[Sequence[Row]], first: Ticket) -> int:
        journal.write(report=[*first], rows=reports)
        new = report(store, reports, first)
        journal.write(reported=[*first], count=len(reports))
        return new

    def showing(processes: Processes, status: LearnerStatus) -> None:
        journal.write(player=status.player, steps=status.steps)
        show(processes, status)

    def saving(states: StateStore, tensors: Mapping[str, Tensor], extra: Mapping[str, Any]) -> str:
        sha = save(states, tensors, extra)
        journal.write(saved={player: career["steps"] for player, career in extra["careers"].items()}, sha=sha)
        return sha

    def iterating(trainer: Trainer) -> Iteration:
        time.sleep(PAUSE)
        return iterate(trainer)

    for where, name, what in (
        (Store, "_report", reporting),
        (Processes, "set_status", showing),
        (StateStore, "save", saving),
        (Trainer, "iterate", iterating),
    ):
        patch.object(where, name, what).start()


def main() -> int:
    """Be a learner; gives the exit code."""
    name = f"learner-{parse_place('learner').index}"
    name_this(name)
    shorten()
    patch.object(learner, "SAVE_EVERY", SAVE_EVERY).start()
    keep_account(Journal(name))
    return run_process("learner", learner.work)


if __name__ == "__main__":
    sys.exit(main())
