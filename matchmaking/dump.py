"""Everything that a run has in Redis, taken at one moment and put into another server.

The moment is one transaction, so it may be taken while the league runs. What says something about processes of one
server only is left behind: heartbeats, and the deadlines of leases, which are over where the copy is opened.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from redis import exceptions

from matchmaking.errors import MatchmakingError, SchemaMismatchError
from matchmaking.logs import LOGS
from matchmaking.records import SCHEMA
from matchmaking.session import Session

LISTS = ("players", "episodes", "queue", "matches", "rating_history", "commands", *(f"segments:{log}" for log in LOGS))
HASHES = (
    *(
        "run",
        "facts",
        "clients",
        "player_ids",
        "player_names",
        "payoff",
        "pairings",
        "holders",
        "requests",
        "tries",
        "expiries",
    ),
    *("dropped", "match_index", "archived", "fold", "ratings", "learners"),
    *("bots", "bot_states", "bot_streaks", "bot_failed"),
)
SETS = ("leases",)  # sorted
FAILURES = "bot_failures:"  # a list for each bot
CHUNK = 5000  # elements of one command

Dump = dict[str, Any]
"""Name of a key -> list of bytes, or mapping of bytes to bytes; keys that hold nothing are left out."""


def dump(session: Session) -> Dump:
    """What the run holds at one moment."""
    bots: set[bytes] = set()
    while True:
        lists = [*LISTS, *(FAILURES + bot.decode() for bot in sorted(bots))]
        commands: list[tuple[str, ...]] = [("LRANGE", name, "0", "-1") for name in lists]
        commands += [("HGETALL", name) for name in HASHES]
        commands += [("ZRANGE", name, "0", "-1") for name in SETS]
        answers = session.read_together(commands)
        found = dict(zip([*lists, *HASHES, *SETS], answers, strict=True))
        if found["bots"].keys() <= bots:
            return {name: value for name, value in found.items() if value}
        bots = set(found["bots"])


def put(session: Session, held: Dump) -> None:
    """Make a run of what `dump` gave, all of it or nothing. Where that very run is there already, nothing happens.

    Raises:
        MatchmakingError: another run of this name is there.
    """
    try:
        with session.transaction("run") as (exists, queue):
            for command in () if exists else _commands(session, held):
                queue(*command)
    except exceptions.WatchError:
        exists = True
    if exists and dump(session) != held:
        raise MatchmakingError(f"a run {session.run!r} is in this Redis already: choose another name")


def _commands(session: Session, held: Dump) -> Iterator[list[str | bytes | int]]:
    for name, value in held.items():
        key = session.key(name)
        yield ["DEL", key]
        if name in SETS:
            yield ["ZADD", key, *(part for member in value for part in (0, member))]
        elif isinstance(value, Mapping):
            pairs = list(value.items())
            for start in range(0, len(pairs), CHUNK):
                yield ["HSET", key, *(part for pair in pairs[start : start + CHUNK] for part in pair)]
        else:
            for start in range(0, len(value), CHUNK):
                yield ["RPUSH", key, *value[start : start + CHUNK]]


def encode(held: Dump) -> bytes:
    """A dump as JSON; bytes are written as the characters of the same numbers."""

    def text(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key.decode("latin-1"): each.decode("latin-1") for key, each in value.items()}
        return [each.decode("latin-1") for each in value]

    return json.dumps({name: text(value) for name, value in held.items()}, separators=(",", ":")).encode()


def decode(content: bytes) -> Dump:
    """What `encode` made.

    Raises:
        SchemaMismatchError: it is of another schema.
        ValueError: it is something else.
    """

    def raw(name: str, value: Any) -> Any:
        if name in HASHES and isinstance(value, dict):
            return {key.encode("latin-1"): _bytes(each) for key, each in value.items()}
        if (name in LISTS or name in SETS or name.startswith(FAILURES)) and isinstance(value, list):
            return [_bytes(each) for each in value]
        raise ValueError(f"a run has no key {name[:80]!r} of this form")

    table = json.loads(content)
    if not isinstance(table, dict) or "run" not in table:
        raise ValueError("this is not what a run has in Redis")
    held = {name: raw(name, value) for name, value in table.items()}
    schema = held["run"].get(b"schema", b"?").decode(errors="replace")
    if schema != str(SCHEMA):
        raise SchemaMismatchError(f"the run has schema {schema} and this program schema {SCHEMA}")
    return held


def _bytes(text: Any) -> bytes:
    if not isinstance(text, str):
        raise ValueError(f"{text!r:.80} is no text")
    return text.encode("latin-1")
