"""What a process of a league under chaos did by its own account, in a file that outlives it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

FOLDER = "CHAOS_JOURNAL"
"""The environment variable that names the folder."""


class Journal:
    """One file a start of a process; what was written stands, however the process ends.

    Args:
        name: of the process, such as `learner-0`.
    """

    def __init__(self, name: str) -> None:
        path = Path(os.environ[FOLDER]) / f"{name}.{time.time_ns()}.jsonl"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def write(self, **entry: object) -> None:
        """Add a line."""
        os.write(self._file, json.dumps(entry).encode() + b"\n")


def read(folder: Path) -> dict[str, list[list[dict[str, object]]]]:
    """What was written: by process, the lines of each of its starts, in order."""
    written: dict[str, list[list[dict[str, object]]]] = {}
    for path in sorted(folder.glob("*.jsonl"), key=lambda path: int(path.name.split(".")[1])):
        lines = [line for line in path.read_bytes().split(b"\n")[:-1] if line]  # a torn last line says nothing
        written.setdefault(path.name.split(".")[0], []).append([json.loads(line) for line in lines])
    return written
