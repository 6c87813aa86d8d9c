"""`python -m tests.chaos.crew.rater`: the real rater."""

from __future__ import annotations

import signal
import sys

from league import rater
from league.process import parse_place, run_process
from tests.chaos.crew.times import shorten
from tests.chaos.forking import name_this


def main() -> int:
    """Be the rater; gives the exit code."""
    shorten()
    name_this(f"rater-{parse_place('rater').index}")
    return run_process("rater", rater.work, death_signal=signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
