"""Times short enough for a fault every second, and a disk slow enough for a kill in the middle of a write."""

from __future__ import annotations

import os
import time
from functools import partial
from unittest.mock import patch

from matchmaking import session
from matchmaking.server import connect
from tests.chaos.faults import CLIENT_TIMEOUT

FLUSH = 0.02  # seconds that each flush to the disk takes at least


def shorten() -> None:
    """In this process and what is forked from it, from now on."""
    if getattr(os.fsync, "slow", False):  # it was forked from one in which they are short
        return
    patch.object(session, "connect", partial(connect, timeout=CLIENT_TIMEOUT)).start()
    flush = os.fsync

    def slow(file: int) -> None:
        time.sleep(FLUSH)
        flush(file)

    slow.slow = True  # type: ignore[attr-defined]
    patch.object(os, "fsync", slow).start()
