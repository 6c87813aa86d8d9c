"""The rater process: folds the log of rated matches into live ratings, their history with them, and keeps logs short.

Ratings and position are committed together, so it can be killed at any moment and rates nothing twice.
"""

from __future__ import annotations

import logging
import signal
import sys
import time

from league.compaction import compact
from league.lock import RunBusyError, run_lock
from league.process import Process, run_process
from matchmaking.fold import RatingFold
from matchmaking.server import EmbeddedServer

IDLE = 0.25  # seconds between two looks at the log
COMPACT_EVERY = 30.0  # seconds between two looks whether logs are long enough to be moved into files

log = logging.getLogger("league")


def work(process: Process) -> None:
    """Rate until the process is to stop, then everything that is left.

    The rater outlives its supervisor by a moment: where that one was killed, it stops the embedded Redis, which nobody
    else would.
    """
    fold, entries = RatingFold(process.store), process.config.run.log_entries
    rated = 0
    next_compact = time.monotonic()
    while not (process.stopping or process.finishing):
        taken = fold.step()
        rated += taken
        process.beat(f"{rated} results rated")
        if time.monotonic() >= next_compact:
            next_compact = time.monotonic() + COMPACT_EVERY
            if moved := compact(process.store, entries, entries):
                log.info("moved %d entries of the logs into files", moved)
        if not taken:
            process.sleep(IDLE, f"{rated} results rated")
    while fold.step():
        process.beat("rating the rest")
    if process.orphaned and process.config.redis is None:
        _stop_redis(process)


def _stop_redis(process: Process) -> None:
    """Stop the embedded server, unless a new supervisor has begun to use it."""
    try:
        with run_lock(process.run):
            EmbeddedServer(process.run.redis).stop()
            log.info("the supervisor is gone: stopped Redis")
    except RunBusyError:
        log.info("another supervisor has taken over")


if __name__ == "__main__":
    sys.exit(run_process("rater", work, death_signal=signal.SIGTERM))
