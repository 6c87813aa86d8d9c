"""`python -m tests.league.supervise FOLDER SILENCE`: a supervisor of fakes as a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from league import supervisor as module
from league.crew import Programs
from league.errors import LeagueError
from league.runs import RunFolder
from league.supervisor import Deadlines, Supervisor
from league.watch import LineReporter
from league.worker import Patience
from matchmaking.errors import MatchmakingError

FAKES = Programs(learner="tests.league.fakes.learner", evaluator="tests.league.fakes.evaluator")
DEADLINES = Deadlines(save=20.0, leave=20.0)


def main(folder: Path, silence: float) -> int:
    """Supervise the run in `folder` with short waits; gives the exit code as the command line would."""
    module.LOOK = 0.1
    run = RunFolder(folder)
    config = run.config()
    patience = Patience(quick=5.0, attempts=3, first_delay=0.05, longest_delay=0.1, silence=silence)
    reporter = LineReporter(Console(width=200))
    supervisor = Supervisor(run, config, config.redis, reporter, programs=FAKES, patience=patience, deadlines=DEADLINES)
    try:
        return supervisor.run()
    except (LeagueError, MatchmakingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), float(sys.argv[2])))
