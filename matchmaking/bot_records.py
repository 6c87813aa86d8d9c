"""The records of submitted bots: who entered what, and whether it is matched."""

from __future__ import annotations

from enum import StrEnum

from matchmaking.records import Record


class BotState(StrEnum):
    """Whether a bot is given rated matches."""

    ACTIVE = "active"
    SUPERSEDED = "superseded"  # a newer version of its lineage plays on
    WITHDRAWN = "withdrawn"  # by its author or the host
    SUSPENDED = "suspended"  # by the league, because it kept failing


class BotRecord(Record):
    """A submitted bot. Its player's record holds name, parent (the version before) and version (the content's hash).

    Attributes:
        player: id.
        lineage: the name that it was submitted under; versions are the players `NAME`, `NAME.v2`, `NAME.v3`.
        author: who submitted it: quotas are counted by author.
        language: `python`, `kaggle`, or `command`.
        entry: what is started: `bot:Bot`, or the command's words.
        size: bytes of its files.
        state: whether it is matched.
        reason: why, where it is not active.
        submitted: server time in seconds.
    """

    player: str
    lineage: str
    author: str
    language: str
    entry: str
    size: int
    state: BotState = BotState.ACTIVE
    reason: str = ""
    submitted: float = 0.0
