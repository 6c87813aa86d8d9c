"""What a launcher is: it starts one process of a league somewhere and gives a handle on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process of a running league.

    Attributes:
        name: such as `learner-0`; unique in the run.
        module: what to run, as `python -m MODULE ARGUMENTS`.
        arguments: its command line.
        log: the file that takes its output and errors, after whatever is in it.
        threads: of its numerical libraries.
    """

    name: str
    module: str
    arguments: tuple[str, ...]
    log: Path
    threads: int = 1


class Handle(Protocol):
    """A started process, with all processes that it started itself."""

    @property
    def pid(self) -> int:
        """Its process id, for messages."""

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""

    def terminate(self) -> None:
        """Ask it to stop (SIGTERM); nothing happens where it is gone already."""

    def kill(self) -> None:
        """End it and everything that it started, at once; nothing happens where it is gone already."""


class Launcher(Protocol):
    """Starts processes: on this machine (`league.launchers.local`), or wherever somebody writes a launcher for."""

    def start(self, spec: ProcessSpec) -> Handle:
        """Start a process.

        Raises:
            OSError: the machine refuses.
        """
