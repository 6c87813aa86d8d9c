"""Puts inputs through doors, in a process that may die of it: `python -m tests.fuzz.child SEED DOOR:FIRST:LAST...`.

A line of JSON on stdout for each failure and each door that is done; a file `current` in the working folder names the
input that is being tried.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from tests.fuzz.core import Door, OpenDoor, enter, guard
from tests.fuzz.doors import DOORS

TOLD = 200
"""Failures of a door that are told in full; each further one is only counted."""


def main(doors: Mapping[str, OpenDoor] = DOORS) -> None:
    """Go through the doors that the arguments name."""
    seed, parts = int(sys.argv[1]), sys.argv[2:]
    folder = Path.cwd()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a door prints is none of the parent's business
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    current = os.open("current", os.O_WRONLY | os.O_CREAT, 0o600)
    for part in parts:
        name, first, last = part.rsplit(":", 2)
        os.pwrite(current, f"{-1:12d} {0:12d} {name:40}".encode(), 0)
        with (
            tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as scratch,
            doors[name](Path(scratch)) as door,
        ):
            os.chdir(scratch)
            _go(name, door, seed, range(int(first), int(last)), current, answers)
            os.chdir(folder)


def _go(name: str, door: Door, seed: int, numbers: range, current: int, answers: TextIO) -> None:
    guard()
    taken = failed = 0  # of those in this process
    for number in numbers:
        os.pwrite(current, f"{number:12d} {taken:12d} {name:40}".encode(), 0)
        done, failure = enter(door, number, door.draw(seed, number))
        taken += done
        if failure is not None:
            failed += 1
            if failed <= TOLD:
                print(json.dumps({"door": name, "failure": failure.model_dump()}), file=answers, flush=True)
    print(
        json.dumps({"door": name, "inputs": len(numbers), "taken": taken, "untold": max(failed - TOLD, 0)}),
        file=answers,
        flush=True,
    )


if __name__ == "__main__":
    main()
