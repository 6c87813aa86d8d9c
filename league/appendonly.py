"""The append-only file of an embedded Redis that does not run: whether it can be read, and how far."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from league.files import replace_bytes
from league.lock import run_lock
from league.runs import RunFolder
from league.watermark import Watermark
from matchmaking.server import EmbeddedServer, find_server

CHECKER = "redis-check-aof"
"""A Redis server is this program as well, where it is called by this name."""

TIMEOUT = 120.0  # seconds
_COUNTS = re.compile(r"size=(\d+), ok_up_to=(\d+)")


class Condition(NamedTuple):
    """What was found.

    Attributes:
        path: the file.
        size: bytes.
        sound: how many of them, from the first, can be read as whole writes.
    """

    path: Path
    size: int
    sound: int


def files(folder: Path) -> list[Path]:
    """The append-only files of a server's folder: one before Redis 7, the growing part of several since."""
    return [*folder.glob("appendonly.aof"), *folder.glob("appendonlydir/*.incr.aof")]


def condition(path: Path) -> Condition | None:
    """Look through an append-only file; None where it cannot be looked at: the checker wants to be able to write it."""
    found = subprocess.run(
        [CHECKER, str(path)], executable=find_server(), capture_output=True, text=True, check=False, timeout=TIMEOUT
    )
    size = path.stat().st_size
    counts = _COUNTS.search(found.stdout)
    if counts is None and size > 0:
        return None
    return Condition(path, size, min(int(counts[2]), size) if counts else 0)


def accept(run: RunFolder) -> Iterator[str]:
    """Go on with what is left of a run's Redis: cut off what cannot be read of its file, and forget what it once had.

    The whole file is kept beside it.

    Yields:
        What is done, in one line each.

    Raises:
        RunBusyError: the run is running.
    """
    with run_lock(run):
        server = EmbeddedServer(run.redis)
        for path in files(run.redis) if run.config().redis is None and not server.running() else ():
            found = condition(path)
            if found is not None and found.sound < found.size:
                content = path.read_bytes()
                aside = path.with_name(f"{path.name}.damaged")
                replace_bytes(aside, content, 0o600)
                replace_bytes(path, content[: found.sound], 0o600)
                yield f"{path}: cut off {found.size - found.sound:,} of {found.size:,} bytes; the whole file is {aside}"
        Watermark(run).forget()
