"""`python -m tests.chaos.league ...`: the command line of the league, with the crew of this folder.

A real run gives up where its processes die again and again. Here they do, on purpose: its supervisor goes on.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from unittest.mock import patch

from league import crew, keeper, supervisor
from league.cli import main
from league.crew import Programs
from league.worker import Patience
from tests.chaos.crew.times import shorten
from tests.chaos.faults import SILENCE
from tests.chaos.forking import ForkLauncher

CREW = "tests.chaos.crew"
FOR_EVER = 1_000_000


def command(arguments: Sequence[str], *, warm: bool) -> int:
    """Run a command of the league in this process; gives its exit code.

    Args:
        arguments: the command line.
        warm: whether the league's processes are forked from this one, or started as a league starts them.
    """
    shorten()
    programs = partial(Programs, f"{CREW}.learner", f"{CREW}.evaluator", f"{CREW}.rater")
    silence = SILENCE if warm else Patience().silence  # on a busy machine it takes minutes until torch is loaded
    patience = partial(Patience, quick=0.0, attempts=FOR_EVER, first_delay=0.05, longest_delay=0.2, silence=silence)
    patch.object(supervisor, "Programs", programs).start()
    patch.object(supervisor, "Patience", patience).start()
    patch.object(supervisor, "LOOK", 0.25).start()  # it notices soon
    patch.object(keeper, "DEATHS", FOR_EVER).start()
    patch.object(crew, "idlest_cores", list).start()  # nobody is pinned: a core that was idle at the start may not be
    if warm:
        patch.object(supervisor, "LocalLauncher", ForkLauncher).start()
    try:
        main(args=list(arguments), prog_name="league")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


if __name__ == "__main__":
    sys.exit(command(sys.argv[1:], warm=False))
