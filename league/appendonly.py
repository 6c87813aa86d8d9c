"""The append-only file of an embedded Redis that does not run: whether it can be read, and how far.

Before version 7 it is one file, which may begin with a snapshot. Since then it is several, which a manifest names: a
snapshot, and what was written after it. Valkey does as Redis 7 does.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from league.errors import StateMismatchError
from league.files import replace_bytes
from league.lock import run_lock
from league.runs import RunFolder
from league.watermark import Watermark
from matchmaking.server import PARTS, EmbeddedServer, find_server

CHECKER = "redis-check-aof"
"""A Redis server is this program as well, where it is called by this name; so is Valkey's."""

TIMEOUT = 120.0  # seconds
_COUNTS = re.compile(r"size=(\d+), ok_up_to=(\d+)")
_SNAPSHOT = re.compile(r"RDB ERROR DETECTED ---\s*\[offset \d+\] (.+)")
_PART = re.compile(r"^file (\S+) seq \d+ type [bi]$", re.MULTILINE)  # those of type h wait to be deleted


class Condition(NamedTuple):
    """What was found.

    Attributes:
        path: the file.
        size: bytes.
        sound: how many of them, from the first, can be read as whole writes.
        snapshot: what is wrong with the snapshot at its beginning; empty where nothing is.
    """

    path: Path
    size: int
    sound: int
    snapshot: str = ""


def files(folder: Path) -> list[Path]:
    """The append-only files of a server's folder, in the order in which it reads them; some may be missing."""
    manifest = folder / PARTS / "appendonly.aof.manifest"
    if manifest.is_file():
        return [manifest.parent / name for name in _PART.findall(manifest.read_text(errors="replace"))]
    if any(manifest.parent.glob("appendonly.aof*")):
        return [manifest]  # without it nobody knows which they are
    return list(folder.glob("appendonly.aof"))


def condition(path: Path) -> Condition | None:
    """Look through an append-only file; None where it cannot be looked at: the checker wants to be able to write it."""
    found = subprocess.run(
        [CHECKER, str(path)], executable=find_server(), capture_output=True, text=True, check=False, timeout=TIMEOUT
    )
    size = path.stat().st_size
    if snapshot := _SNAPSHOT.search(found.stdout):
        return Condition(path, size, 0, snapshot[1])
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
        StateMismatchError: what is left makes no sense without what is lost.
    """
    with run_lock(run):
        if run.config().redis is None and not EmbeddedServer(run.redis).running():
            yield from _cut(files(run.redis))
        Watermark(run).forget()


def _cut(paths: list[Path]) -> Iterator[str]:
    """Cut off the first byte that cannot be read and all that was written after it, be it in other files."""
    torn = False
    for path in paths:
        found = condition(path) if path.is_file() else Condition(path, 0, 0, "it is missing")
        if found is None:
            continue
        if found.snapshot:
            raise StateMismatchError(
                f"{path}: {found.snapshot}; what was written after this file makes no sense without it: "
                "`league restore` puts a backup in its place"
            )
        sound = 0 if torn else found.sound
        if sound < found.size:
            torn = True
            content = path.read_bytes()
            aside = path.with_name(f"{path.name}.damaged")
            replace_bytes(aside, content, 0o600)
            replace_bytes(path, content[:sound], 0o600)
            yield f"{path}: cut off {found.size - sound:,} of {found.size:,} bytes; the whole file is {aside}"
