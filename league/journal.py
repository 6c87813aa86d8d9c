"""An append-only file of finished encounters: each is in it once, and on the disk before anybody is told of it.

One line a record, JSON, flushed to the disk as a whole. A process that is killed in the middle of a line leaves a
torn one behind, which the next one cuts off: that encounter is played again.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import ValidationError

from agents.disk import flush_folder
from league.errors import LeagueError, StateMismatchError
from matchmaking.records import MatchResult

WORKER = "tournament"
"""Who plays the encounters and writes their replays: the one process that has the journal open."""


class Played(MatchResult):
    """A finished encounter: a result whose players have their names for ids.

    Attributes:
        seconds: how long it took.
    """

    worker: str = WORKER
    seconds: float = 0.0


class JournalBusyError(LeagueError):
    """Another process writes this journal."""


class Journal:
    """The journal of one tournament; one process at a time has it open.

    Args:
        path: the file; it is made where there is none.

    Attributes:
        played: what has been played, by encounter.

    Raises:
        JournalBusyError: another process has it open.
        StateMismatchError: a line in it is no record, or an encounter is in it twice.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            self._lock()
            flush_folder(path.parent)
            self.played = self._read()
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let others have it."""
        os.close(self._file)

    def append(self, record: Played) -> None:
        """Write a record; it is on the disk when this returns."""
        if record.id in self.played:
            raise ValueError(f"encounter {record.id} has been played already")
        line = record.model_dump_json().encode() + b"\n"
        size = os.fstat(self._file).st_size
        try:
            written = 0
            while written < len(line):
                written += os.write(self._file, line[written:])
            os.fsync(self._file)
        except OSError as error:
            os.ftruncate(self._file, size)  # a part of a line would spoil the next one
            error.filename = str(self._path)
            raise
        self.played[record.id] = record

    @property
    def results(self) -> Mapping[str, str]:
        """Outcomes by encounter."""
        return {id: record.outcomes for id, record in self.played.items()}

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalBusyError(
                f"tournament {self._path.parent.name!r} is being played by another process"
            ) from None

    def _read(self) -> dict[str, Played]:
        content = self._path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.ftruncate(self._file, whole)
            os.fsync(self._file)
        return parse(content[:whole], self._path)


def parse(content: bytes, path: Path) -> dict[str, Played]:
    """The records of a journal by encounter; what follows the last end of line is not looked at.

    Raises:
        StateMismatchError: a line is no record, or an encounter is there twice.
    """
    played: dict[str, Played] = {}
    for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), 1):
        try:
            record = Played.model_validate_json(line)
        except ValidationError as error:
            raise StateMismatchError(f"{path}, line {number}: this is no record of an encounter") from error
        if record.id in played:
            raise StateMismatchError(f"{path}, line {number}: encounter {record.id} is there twice")
        played[record.id] = record
    return played
