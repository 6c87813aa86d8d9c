"""Moves the older parts of a run's logs from Redis into files of the run folder, while the run goes on.

A file is on the disk before Redis lets go of its entries; a process that is killed in between leaves a file that no
record names, and the next one writes the same file again. `docs/decisions/0018-old-logs-lie-in-files.md` says why.
"""

from __future__ import annotations

import json

from league.files import replace_bytes
from matchmaking.logs import LOGS, Log, pack
from matchmaking.store import Store


def compact(store: Store, keep: int, segment: int) -> int:
    """Move the oldest entries of every log into files, as long as there are more than both numbers together.

    A result is moved only once it is rated.

    Args:
        store: the run, with the folder of its files.
        keep: entries that stay in Redis at the least: what is read all the time is there.
        segment: entries of one file.

    Returns:
        How many entries were moved.

    Raises:
        OSError: the disk is full, or refuses.
    """
    return sum(_compact(store, store.logs[name], keep, segment) for name in LOGS)


def _compact(store: Store, log: Log, keep: int, segment: int) -> int:
    moved = 0
    while log.in_redis() >= keep + segment:
        first = log.length() - log.in_redis()
        if log.name == "matches" and store.ratings.position() < first + segment:
            break
        entries = log.read(first, segment)
        record, content = pack(first, entries)
        replace_bytes(log.path(record), content)
        if not log.let_go(record, entries, _forgotten(log.name, entries)):
            break  # another process was faster, or the log was begun anew
        moved += segment
    return moved


def _forgotten(log: str, entries: list[bytes]) -> list[tuple[str, str]]:
    """What is kept in Redis so that a report counts once, and is of no use when nobody can hold its lease any more."""
    if log != "matches":
        return []
    fields = []
    for entry in entries:
        result = json.loads(entry)
        fields.append(("match_index", result["id"]))
        fields += [("bot_failed", f"{player} {result['id']}") for player in (result["a"], result["b"])]
    return fields
