"""A learner process as it is, which saves often and writes down whom it chooses, one line an iteration."""

from __future__ import annotations

import json

from league import learner as module
from league.process import Process
from league.training import Trainer

NOTES = "choices.jsonl"
SAVE_EVERY = 0.25  # seconds: seldom enough that a kill takes many iterations, often enough that some are kept


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
        module.SAVE_EVERY = SAVE_EVERY
        module.work(process)
