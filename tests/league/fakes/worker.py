"""What a fake does: it behaves as the file `behaviour-NAME` in the run's folder says, and writes into `events-NAME`."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from league import process as shared
from league.hosting import hosting
from league.process import Process, run_process
from matchmaking.records import Kind, LearnerStatus

shared.BEAT_EVERY = 0.05
STEPS_A_SECOND = 1000


def behaviour(folder: Path, name: str) -> str:
    path = folder / f"behaviour-{name}"
    return path.read_text() if path.exists() else "steady"


def work(process: Process) -> None:
    folder = process.run.path

    def note(event: str) -> None:
        with (folder / f"events-{process.name}").open("a") as events:
            events.write(f"{event}\n")

    manner = behaviour(folder, process.name)
    note(f"start {os.getpid()} core {process.place.core}")
    if manner == "die":
        raise RuntimeError("the fake learner has a fault")
    if manner == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if manner == "hang":
        process.beat("training")
        (folder / f"behaviour-{process.name}").write_text("steady")
        time.sleep(600)
    limit = process.config.run.steps
    steps = 0
    while not (process.stopping or process.finishing):
        steps += STEPS_A_SECOND // 50
        process.beat("training")
        if process.name.startswith("learner"):
            _report(process, steps)
            if limit is not None and steps >= limit:
                break
        time.sleep(0.02)
    note("finish" if process.finishing else "stop" if process.stopping else "enough")


def _report(process: Process, steps: int) -> None:
    learners = [player for player in process.store.players() if player.kind is Kind.LEARNER]
    for player in hosting(learners, process.config.learners.processes)[process.place.index]:
        process.store.processes.set_status(
            LearnerStatus(
                player=player.id, steps=steps, generation=0, pool_win_rate=0.5, samples_per_second=1.0, episodes=0
            )
        )


def main(kind: str) -> None:
    """Be a fake process of this kind."""
    sys.exit(run_process(kind, work))
