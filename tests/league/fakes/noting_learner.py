"""A learner process as it is, by whose clock an iteration takes a second, and which writes down whom it chooses.

So it saves every 15 iterations, and at each freeze, however fast the machine is.
"""

from __future__ import annotations

import itertools
import json
from types import SimpleNamespace
from unittest.mock import patch

from league import learner as module
from league.process import Process
from league.trainers import make_training
from league.training import Training
from tests.league.interruptions import note_choices

NOTES = "choices.jsonl"


def work(process: Process) -> None:
    """Train this process's share of the league."""
    with (process.run.logs / NOTES).open("a", encoding="utf-8") as notes:

        def write(*noted: object) -> None:
            notes.write(json.dumps(noted) + "\n")
            notes.flush()

        def make_noted(*arguments: object) -> Training:
            training = make_training(*arguments)  # type: ignore[arg-type]
            note_choices(training, write)
            return training

        seconds = itertools.count()
        clock = SimpleNamespace(monotonic=lambda: float(next(seconds)))
        with patch.multiple(module, make_training=make_noted, time=clock):
            module.work(process)
