"""What the server was told to keep, read from its append-only file: the log of every lease, written by nobody of ours.

A script's effects stand in it as one transaction, in the order in which they were applied. So it shows what a look at
the keys cannot: what stood in them before, and when.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from matchmaking.appendonly import files
from matchmaking.run_records import Dropped

Words = list[bytes]


class LedgerError(Exception):
    """The file does not hold the whole history of the run."""


@dataclass
class Grant:
    """A pairing in a worker's hands.

    Attributes:
        pairing: id.
        token: fencing token.
        worker: whose.
        at: server time in seconds.
        deadline: server time in seconds, as the last heartbeat left it.
        ended: how it ended: `recorded`, `returned`, `dropped`, `expired`; empty while it lasts.
        ended_at: server time in seconds, as near as the ledger tells.
    """

    pairing: str
    token: int
    worker: str
    at: float
    deadline: float
    ended: str = ""
    ended_at: float = 0.0


class Report(NamedTuple):
    """A report of episodes as it was logged under a ticket."""

    client: str
    number: int
    text: str


@dataclass
class Ledger:
    """The history of a run.

    Attributes:
        queued: ids of all pairings that were ever queued.
        grants: every hand-out of a lease, in order.
        first: ids of pairings that were put before all that waited: those of newcomers.
        queue, leased: ids as they stand in the end.
        dropped: what was given up, as often as it was written.
        matches: the log of rated matches as it was written, a JSON text each.
        reports: the log of episodes as it was written.
        steps: what learners said of their steps, in order: (player, steps).
        now: server time in seconds at the end.
    """

    queued: set[str] = field(default_factory=set)
    grants: list[Grant] = field(default_factory=list)
    first: set[str] = field(default_factory=set)
    queue: list[str] = field(default_factory=list)
    leased: dict[str, float] = field(default_factory=dict)
    dropped: list[Dropped] = field(default_factory=list)
    matches: list[str] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    steps: list[tuple[str, int]] = field(default_factory=list)
    now: float = 0.0


def read(folder: Path, run: str, lease_seconds: float) -> Ledger:
    """The history of a run from the folder of its embedded server, which has ended.

    Args:
        folder: of the server.
        run: the run's name.
        lease_seconds: for which leases are given.

    Raises:
        LedgerError: the beginning is missing, since the server wrote its file anew.
    """
    reader = _Reader(f"league:{{{run}}}:".encode(), lease_seconds)
    for transaction in transactions(content(folder)):
        reader.apply(transaction)
    if not reader.begun:
        raise LedgerError(f"the append-only file in {folder} does not begin with the run: it was rewritten")
    return reader.ledger


def content(folder: Path) -> bytes:
    """The commands of the file of Redis 6, or of those of Redis 7; a snapshot holds none."""
    return b"".join(part.read_bytes() for part in files(folder) if part.suffix == ".aof")


def transactions(data: bytes) -> Iterator[list[Words]]:
    """Commands that were applied together; one that the end of the file tears was not applied."""
    together: list[Words] | None = None
    for words in _commands(data):
        name = words[0].upper()
        if name == b"MULTI":
            together = []
        elif name == b"EXEC":
            yield together or []
            together = None
        elif together is not None:
            together.append(words)
        else:
            yield [words]


def _commands(data: bytes) -> Iterator[Words]:
    place = 0
    while place < len(data):
        if data[place : place + 1] == b"#":  # a note of Redis 7
            place = data.index(b"\n", place) + 1
            continue
        if data[place : place + 1] != b"*":
            raise LedgerError(f"byte {place} of the append-only file begins no command")
        words = []
        try:
            end = data.index(b"\r\n", place)
            number, place = int(data[place + 1 : end]), end + 2
            for _ in range(number):
                end = data.index(b"\r\n", place)
                length = int(data[place + 1 : end])
                words.append(data[end + 2 : end + 2 + length])
                place = end + 4 + length
        except ValueError:
            return
        if place > len(data):
            return
        yield words


class _Reader:
    """Applies what was written to what is known."""

    def __init__(self, prefix: bytes, lease_seconds: float) -> None:
        self.ledger = Ledger()
        self.begun = False
        self._prefix, self._seconds = prefix, lease_seconds
        self._open: dict[str, Grant] = {}

    def apply(self, transaction: list[Words]) -> None:
        """One script."""
        ours = [
            (words[0].upper().decode(), words[1].removeprefix(self._prefix).decode(), words[2:])
            for words in transaction
            if len(words) > 1 and words[1].startswith(self._prefix)
        ]
        given_back = {words[0].decode() for name, key, words in ours if key == "holders" and name == "HDEL"}
        granted = {words[0].decode() for name, key, words in ours if key == "holders" and name == "HSET"}
        for name, key, words in ours:
            texts = [word.decode(errors="replace") for word in words]
            if key == "queue":
                self._queue(name, texts, given_back)
            elif key == "pairings" and name == "HSETNX":
                self.ledger.queued.add(texts[0])
            elif key == "dropped" and name == "HSET":
                self.ledger.dropped.append(Dropped.model_validate_json(texts[1]))
                self._end(texts[0], "dropped")
            elif key == "leases":
                self._leases(name, texts, granted)
            elif key == "holders" and name == "HSET":
                self._grant(*texts)
            elif key == "matches" and name == "RPUSH":
                self._match(texts[0])
            elif key == "heartbeats":
                self._saw(float(texts[1].split(" ", 1)[0]))
            elif key == "learners" and name == "HSET":
                self.ledger.steps.append((texts[0], json.loads(texts[1])["steps"]))
            elif key == "run" and texts[0] == "schema":
                self.begun = True
        self._episodes(
            [(key, words) for name, key, words in ours if key in ("episodes", "clients") and name != "LTRIM"]
        )

    def _queue(self, name: str, texts: list[str], given_back: set[str]) -> None:
        queue = self.ledger.queue
        if name in ("RPUSH", "LPUSH"):
            queue.insert(len(queue) if name == "RPUSH" else 0, texts[0])
            if name == "LPUSH" and texts[0] not in self._open:
                self.ledger.first.add(texts[0])
            self._end(texts[0], "returned" if texts[0] in given_back else "expired")
        elif name == "LPOP":
            queue.pop(0)
        elif name == "LREM":
            queue.remove(texts[1])

    def _leases(self, name: str, texts: list[str], granted: set[str]) -> None:
        if name == "ZADD":
            deadline, pairing = float(texts[0]), texts[1]
            self.ledger.leased[pairing] = deadline
            self._saw(deadline - self._seconds)
            held = self._open.get(pairing)
            if held is not None and pairing not in granted:  # a heartbeat
                held.deadline, held.ended = deadline, ""
        elif name == "ZREM":
            self.ledger.leased.pop(texts[0], None)

    def _grant(self, pairing: str, holder: str) -> None:
        token, worker = holder.split(" ", 1)
        deadline = self.ledger.leased[pairing]
        grant = Grant(pairing, int(token), worker, deadline - self._seconds, deadline)
        self.ledger.grants.append(grant)
        self._open[pairing] = grant

    def _end(self, pairing: str, how: str) -> None:
        held = self._open.get(pairing)
        if held is not None and held.ended in ("", "expired"):
            held.ended, held.ended_at = how, self.ledger.now

    def _match(self, text: str) -> None:
        self.ledger.matches.append(text)
        self._end(json.loads(text)["id"], "recorded")

    def _saw(self, at: float) -> None:
        self.ledger.now = max(self.ledger.now, at)

    def _episodes(self, written: list[tuple[str, list[bytes]]]) -> None:
        """Reports and the client's newest number stand in one transaction; the last report has that number."""
        texts = [text.decode() for key, words in written if key == "episodes" for text in words]
        for key, words in written:
            if key == "clients" and texts:
                client, last = words[0].decode(), int(float(words[1]))
                first = last - len(texts) + 1
                self.ledger.reports += [Report(client, first + n, text) for n, text in enumerate(texts)]
