"""`python -m tests.chaos.crew.evaluator`: the real evaluator, which writes down what it asks for and what it gets."""

from __future__ import annotations

import sys
from unittest.mock import patch

from league import evaluator
from league.process import parse_place, run_process
from matchmaking.queue import MatchQueue
from matchmaking.records import Lease
from tests.chaos.crew.journal import Journal
from tests.chaos.crew.times import shorten
from tests.chaos.forking import name_this


def keep_account(journal: Journal) -> None:
    """Write down every call for a lease: that it began, and the token that it got."""
    ask = MatchQueue.lease

    def asking(queue: MatchQueue, worker: str, seconds: float) -> Lease | None:
        journal.write(asks=worker)
        lease = ask(queue, worker, seconds)
        journal.write(token=lease.token if lease else None)
        return lease

    patch.object(MatchQueue, "lease", asking).start()


def main() -> int:
    """Be an evaluator; gives the exit code."""
    name = f"evaluator-{parse_place('evaluator').index}"
    name_this(name)
    shorten()
    patch.object(evaluator, "NICENESS", 0).start()  # where every process starts again and again, none comes last
    keep_account(Journal(name))
    return run_process("evaluator", evaluator.work)


if __name__ == "__main__":
    sys.exit(main())
