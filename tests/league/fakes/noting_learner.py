"""A learner process as it is, by whose clock an iteration takes a second, and which writes down whom it chooses.

So it saves every 15 iterations, and at each freeze, however fast the machine is.
"""

from __future__ import annotations

import itertools
import json
from types import SimpleNamespace

from league import learner as module
from league.process import Process
from league.training import Trainer

NOTES = "choices.jsonl"


def work(process: Process) -> None:
    """Train this process's share of the league."""
    choose = Trainer._choose_opponents
    with (process.run.logs / NOTES).open("a", encoding="utf-8") as notes:

        def noted(trainer: Trainer) -> dict[str, dict[str, int]]:
            branches = choose(trainer)
            names = [one and trainer.population.player(one).name for one in trainer.opponents]
            taken = [branches.get(player, {}) for player in trainer.players]
            notes.write(json.dumps([trainer.iteration, names, taken]) + "\n")
            notes.flush()
            return branches

        Trainer._choose_opponents = noted  # type: ignore[method-assign, assignment]
        seconds = itertools.count()
        module.time = SimpleNamespace(monotonic=lambda: float(next(seconds)))  # type: ignore[attr-defined, assignment]
        module.work(process)
