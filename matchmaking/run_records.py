"""The records of a run itself, beside those of players and results: its description, commands, curves, tickets."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from matchmaking.records import Record


class RunInfo(Record):
    """What is fixed when a run is created.

    Attributes:
        name: the run's name, part of every key.
        schema_version: version of records and keys.
        arena: the one game of the run.
        decay: factor on the payoff's counters before each episode is added (AlphaStar: 0.99).
        created: server time in seconds.
    """

    name: str
    schema_version: int
    arena: str
    decay: float
    created: float


class Ticket(NamedTuple):
    """The name of one write: repeating a write under its ticket changes nothing.

    Redis keeps the largest number of each client, so a client's tickets must be used in rising order, and a client has
    one writer at a time. A process that wants its reports to count once even over its own death keeps both fields with
    its saved state.
    """

    client: str
    number: int


class Reported(StrEnum):
    """What became of a report of rated matches."""

    RECORDED = "recorded"  # it is in the log, by this report
    DUPLICATE = "duplicate"  # it was in the log already, by another lease: first write wins
    REFUSED = "refused"  # the lease is no longer the caller's: it expired and went to another, or was given back


class RatingPoint(Record):
    """One point of a player's rating curve: its rating after the log's first `position` results."""

    position: int
    at: float
    player: str
    mu: float
    sigma: float
    elo: float


class Command(Record):
    """An order to a process, or to all of them.

    Attributes:
        target: a process's name such as `learner-0`, or `all`.
        name: what to do, such as `stop`.
        argument: what else it needs.
        at: server time in seconds.
    """

    target: str
    name: str
    argument: str = ""
    at: float = 0.0


class Dropped(Record):
    """A pairing that was given up without a result; it rates nobody."""

    id: str
    a: str
    b: str
    pairs: int
    worker: str
    reason: str
