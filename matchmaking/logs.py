"""The logs of a run: their newest entries in Redis, older ones in files of the run folder.

A log is a list in Redis. Its oldest entries are moved into files, segment by segment, so that Redis does not grow with
the age of a run; whoever reads a log sees one list, wherever its entries lie. Which files there are is written in
Redis, with the hash of each: a file is on the disk before Redis lets go of its entries, and what no record names is
nobody's.

Keys: the log itself, such as `matches`; `archived` log -> how many of its entries are in files; `segments:LOG` list of
the records of its files, oldest first.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from matchmaking.errors import DamagedLogError, LogElsewhereError
from matchmaking.intact import intact
from matchmaking.packing import unpacked
from matchmaking.records import Record
from matchmaking.session import Session

LOGS = ("episodes", "matches", "rating_history")
SUFFIX = ".jsonl.gz"
LARGEST = 2**30
"""Bytes of entries in a file: hundreds of times as many as are ever put into one."""


class Segment(Record):
    """A file of entries.

    Attributes:
        first: number of its first entry in the log.
        count: how many entries it holds.
        sha256: of the file.
        size: of the file, in bytes.
    """

    first: int = Field(ge=0)
    count: int = Field(gt=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0)

    @property
    def name(self) -> str:
        """The file's name; its hash makes it another one where a log was begun anew."""
        return f"{self.first:012d}-{self.sha256[:16]}{SUFFIX}"


def pack(first: int, entries: Sequence[bytes]) -> tuple[Segment, bytes]:
    """The record and the content of the file that holds these entries; the same entries give the same bytes."""
    content = gzip.compress(b"".join(entry + b"\n" for entry in entries), mtime=0)
    sha = hashlib.sha256(content).hexdigest()
    return Segment(first=first, count=len(entries), sha256=sha, size=len(content)), content


class Log:
    """One log of a run.

    Args:
        session: the run's.
        name: one of `LOGS`.
        folder: of the files of all logs; None where this process has none at hand.

    Attributes:
        name: as given.
    """

    def __init__(self, session: Session, name: str, folder: Path | None) -> None:
        self.name = name
        self._session = session
        self._folder = folder
        self._base = 0  # how many entries lie in files, as far as is known
        self._held: tuple[str, list[bytes]] = ("", [])  # the last file that was read

    def length(self) -> int:
        """How many entries it has, in files and in Redis."""
        while True:
            base = self._base
            length = int(self._session.read("LLEN", self.name))
            if self._still(base):
                return base + length

    def in_redis(self) -> int:
        """How many of its entries Redis holds."""
        return int(self._session.read("LLEN", self.name))

    def read(self, since: int = 0, count: int | None = None) -> list[bytes]:
        """The entries from number `since` on, at most `count` of them.

        Raises:
            LogElsewhereError: some lie in files, and this process has no folder of them.
            DamagedLogError: a file of them is missing or not what it was.
        """
        end = None if count is None else since + count
        entries: list[bytes] = []
        while end is None or since + len(entries) < end:
            base, position = self._base, since + len(entries)
            if position >= base:
                last = -1 if end is None else end - base - 1
                found: list[bytes] = self._session.read("LRANGE", self.name, position - base, last)
                if self._still(base):
                    return entries + found
            elif self._still(base):
                entries += self._from_files(position, base if end is None else min(end, base))
            if self._base < base:  # it was begun anew
                entries.clear()
        return entries

    def segments(self) -> list[Segment]:
        """The files that hold its older entries, in order."""
        texts = self._session.read("LRANGE", f"segments:{self.name}", 0, -1)
        with intact(self._session.run, f"segments:{self.name}"):
            return [Segment.model_validate_json(text) for text in texts]

    def path(self, segment: Segment) -> Path:
        """Where the file lies."""
        if self._folder is None:
            raise LogElsewhereError(
                f"the first {self._base} entries of the log of {self.name} of run {self._session.run!r} lie in its run "
                "folder, which this process was not told of"
            )
        return self._folder / self.name / segment.name

    def load(self, segment: Segment) -> list[bytes]:
        """The entries of a file.

        Raises:
            DamagedLogError: it is missing or not what it was.
        """
        if self._held[0] == segment.sha256:
            return self._held[1]
        path = self.path(segment)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DamagedLogError(f"{path}: {error.strerror}: it holds {segment.count} entries of a log") from error
        found = hashlib.sha256(content).hexdigest()
        if found != segment.sha256:
            raise DamagedLogError(f"{path} is damaged: expected sha256 {segment.sha256}, found {found}")
        try:
            text = unpacked(content, LARGEST)
        except ValueError as error:  # its record is as wrong as it is
            raise DamagedLogError(f"{path} is no file of a log: {error}") from error
        if text.count(b"\n") != segment.count or not text.endswith(b"\n"):
            raise DamagedLogError(f"{path} is no file of a log: it does not hold {segment.count} entries")
        entries = text.split(b"\n")[:-1]
        self._held = segment.sha256, entries
        return entries

    def let_go(self, segment: Segment, entries: Sequence[bytes], forgotten: Sequence[tuple[str, str]] = ()) -> bool:
        """Let Redis hold the oldest entries no more: they are in a file, which is on the disk.

        Args:
            segment: the file.
            entries: what it holds.
            forgotten: fields of hashes (key, field) that are kept for these entries only.

        Returns:
            False where they are not the oldest entries in Redis: nothing was changed.
        """
        digest = hashlib.sha1(b"\n".join(entries), usedforsecurity=False).hexdigest()
        hashes = sorted({key for key, _ in forgotten})
        return bool(
            self._session.call(
                "archive",
                [self.name, "archived", f"segments:{self.name}", *hashes],
                self.name,
                segment.first,
                segment.count,
                digest,
                segment.model_dump_json(),
                *(part for key, field in forgotten for part in (hashes.index(key) + 4, field)),
            )
        )

    def _still(self, base: int) -> bool:
        """Whether so many entries lie in files as before; how many it is now is remembered.

        Compared with the caller's own number: another thread may have learnt of a new one meanwhile.
        """
        stored = self._session.read("HGET", "archived", self.name)
        with intact(self._session.run, "archived"):
            self._base = now = int(stored or 0)
        return now == base

    def _from_files(self, since: int, end: int) -> list[bytes]:
        entries: list[bytes] = []
        for segment in self.segments():
            last = segment.first + segment.count
            if segment.first < end and last > since:
                part = self.load(segment)
                entries += part[max(since - segment.first, 0) : end - segment.first]
        if len(entries) != end - since:
            raise DamagedLogError(
                f"the files of the log of {self.name} of run {self._session.run!r} hold {len(entries)} of the entries "
                f"{since} to {end - 1}"
            )
        return entries
