"""The users of a Redis that several leagues, or people, share: what each may do, as lines of an ACL file.

A worker (supervisor, learner, evaluator, rater, and whoever submits bots) may run the store's scripts, and what is in
them; a reader may only look. Both see the keys of one run and no others. What a worker may do is read out of the
scripts: a command that a script calls must be allowed to its user as well.
"""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files

from matchmaking.session import key_of

READING = ("GET", "HGET", "HGETALL", "HKEYS", "HLEN", "HMGET", "HVALS", "LLEN", "LRANGE", "ZRANGE")
"""What only looks: `Session.read` and `matchmaking.dump` use these and no others."""

CONNECTION = ("AUTH", "HELLO", "PING", "SELECT", "TIME", "CLIENT|SETNAME", "MULTI", "EXEC")
"""What a client says beside; without CLIENT|SETINFO, which Redis 7.0 does not know and clients do without."""

SCRIPTED = ("EVAL", "EVALSHA", "WATCH", "UNWATCH", "EXISTS")  # the last three to put a backup in place
_CALL = re.compile(r"redis\.call\('(\w+)'")
_CHOSEN = ("LPUSH", "RPUSH")  # `enqueue` is told which of them
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def scripted() -> list[str]:
    """The commands that the store's scripts call."""
    folder = files("matchmaking") / "scripts"
    found = {call for file in folder.iterdir() for call in _CALL.findall(file.read_text(encoding="utf-8"))}
    return sorted(found.union(_CHOSEN))


def worker_commands() -> list[str]:
    """Every command that a worker needs."""
    return sorted({*CONNECTION, *READING, *SCRIPTED, *scripted()})


def reader_commands() -> list[str]:
    """Every command that a reader needs."""
    return sorted({*CONNECTION, *READING})


def user(role: str, run: str) -> str:
    """Name of a run's user: `worker` or `reader`."""
    return f"league-{run}-{role}"


def acl_file(run: str, worker_password: str, reader_password: str) -> str:
    """The lines for an ACL file that let workers and readers of a run in; passwords are in them as hashes only.

    Args:
        run: the run's name.
        worker_password: of the user `league-RUN-worker`.
        reader_password: of the user `league-RUN-reader`.
    """
    if not _NAME.fullmatch(run):
        raise ValueError(f"{run!r} is no name of a run")
    return "".join(
        _line(user(role, run), run, password, commands)
        for role, password, commands in (
            ("worker", worker_password, worker_commands()),
            ("reader", reader_password, reader_commands()),
        )
    )


def _line(name: str, run: str, password: str, commands: list[str]) -> str:
    digest = hashlib.sha256(password.encode()).hexdigest()
    allowed = " ".join(f"+{command.lower()}" for command in commands)
    return f"user {name} on #{digest} resetkeys ~{key_of(run, '*')} resetchannels -@all {allowed}\n"
