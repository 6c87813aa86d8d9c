"""The append-only file of an embedded Redis that does not run: whether it can be read, and how far.

Before version 7 it is one file, which may begin with a snapshot. Since then it is several, which a manifest names: a
snapshot, and what was written after it. Valkey does as Redis 7 does.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from matchmaking.program import called, find_server

PARTS = "appendonlydir"
"""The folder in which a server since version 7 keeps its append-only file in several parts, and a manifest of them."""

CHECKER = "redis-check-aof"
"""A Redis server is this program as well, where it is called by this name; so is Valkey's."""

TIMEOUT = 120.0  # seconds
_COUNTS = re.compile(r"size=(\d+), ok_up_to=(\d+)")
_SNAPSHOT = re.compile(r"RDB ERROR DETECTED ---\s*\[offset \d+\] (.+)")

_PART = re.compile(r"^file (\S+) seq \d+ type [bi]\b", re.MULTILINE)
"""Those of type h wait to be deleted. Redis 8 says behind the type at which offset of its writes a part begins."""

_FIRST_START = re.compile(r"appendonly\.aof\.1\.(base|incr)\.(aof|rdb)")


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


def manifest(folder: Path) -> Path:
    """Where the manifest of a server's folder is, if it has one."""
    return folder / PARTS / "appendonly.aof.manifest"


def files(folder: Path) -> list[Path]:
    """The append-only files of a server's folder, in the order in which it reads them; some may be missing."""
    named = manifest(folder)
    if named.is_file():
        return [named.parent / name for name in _PART.findall(named.read_text(errors="replace"))]
    if not all(_of_a_first_start(part) for part in named.parent.glob("appendonly.aof*")):
        return [named]  # without it nobody knows which they are
    return list(folder.glob("appendonly.aof"))


def _of_a_first_start(part: Path) -> bool:
    """Whether a server may have left a file that was killed in its very first start, before it wrote the manifest."""
    found = _FIRST_START.fullmatch(part.name)
    return found is not None and (found[1] == "base" or part.stat().st_size == 0)


def condition(path: Path) -> Condition | None:
    """Look through an append-only file; None where it cannot be looked at: the checker wants to be able to write it.

    Raises:
        ServerNotFoundError: no server program is installed.
        ServerStartError: the checker does not get to the end of the file.
    """
    hanging = f"{CHECKER} does not get to the end of {path}"
    found = called([CHECKER, str(path)], TIMEOUT, hanging, executable=find_server())
    size = path.stat().st_size
    if snapshot := _SNAPSHOT.search(found.stdout):
        return Condition(path, size, 0, snapshot[1])
    counts = _COUNTS.search(found.stdout)
    if counts is None and size > 0:
        return None
    return Condition(path, size, min(int(counts[2]), size) if counts else 0)


def torn_within(folder: Path) -> bool:
    """Whether a file that others follow may be torn. A snapshot that is one is left out: a server refuses it."""
    for path in files(folder)[:-1]:
        if path.suffix != ".rdb" and path.is_file():
            found = condition(path)
            if found is None or found.sound < found.size:
                return True
    return False
