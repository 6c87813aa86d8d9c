"""One run's connection to Redis: its keys, its scripts, and patience with a server that is being restarted.

Every write goes through `Session.call`, which repeats a script whose reply was lost. That is safe because every script
is idempotent: it knows its caller's ticket, id or token, and applies a repeated call once.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

from redis import exceptions

from matchmaking.errors import AccessDeniedError, DamagedRecordError, StoreWriteError
from matchmaking.server import connect, masked, unreachable

T = TypeVar("T")

_PAUSE = 0.05
"""Seconds between two attempts: a restarted server answers within 5 to 25 ms."""


@dataclass(frozen=True, slots=True)
class Script:
    """The text of a Lua script and the hash by which the server knows it."""

    name: str
    text: str
    sha: str


@cache
def script(name: str) -> Script:
    """The script `scripts/NAME.lua` of this package."""
    text = (files("matchmaking") / "scripts" / f"{name}.lua").read_text()
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def key_of(run: str, name: str) -> str:
    """The key `name` of a run. The braces put all keys of a run into one slot of a cluster."""
    return f"league:{{{run}}}:{name}"


class Session:
    """A run's keys on a server.

    Attributes:
        url: the server.
        run: the run's name.
        patience: seconds for which a call is repeated while the server does not answer.
    """

    def __init__(self, url: str, run: str, patience: float = 2.0) -> None:
        """Open a connection to `url`.

        Raises:
            RedisUnreachableError: the server does not answer; this is said at once, without patience.
        """
        self.url = url
        self.run = run
        self.patience = patience
        self._client = connect(url)
        self._execute: Callable[..., Any] = self._client.execute_command

    def close(self) -> None:
        self._client.close()

    def key(self, name: str) -> str:
        """The key `name` of this run."""
        return key_of(self.run, name)

    def call(self, name: str, keys: Sequence[str], *arguments: str | bytes | int | float) -> Any:
        """Run the script `name`; it is sent to the server where the server does not know it yet.

        Raises:
            RedisUnreachableError: no answer within `patience`; whether the script ran is not known.
            StoreWriteError: the server refuses to write.
            AccessDeniedError: the URL's user may not write.
        """
        lua = script(name)
        full = [self.key(key) for key in keys]

        def attempt() -> Any:
            try:
                return self._execute("EVALSHA", lua.sha, len(full), *full, *arguments)
            except exceptions.NoScriptError:  # a server that was restarted has forgotten it
                return self._execute("EVAL", lua.text, len(full), *full, *arguments)

        return self._patiently(attempt)

    def read(self, command: str, key: str, *arguments: str | bytes | int | float) -> Any:
        """Run a reading command on the key `key`."""
        return self._patiently(lambda: self._execute(command, self.key(key), *arguments))

    def read_together(self, commands: Sequence[Sequence[str]]) -> list[Any]:
        """The answers to several reading commands, each with its key after it, of one moment."""

        def attempt() -> list[Any]:
            with self._client.pipeline(transaction=True) as pipe:
                queue: Callable[..., Any] = pipe.execute_command
                for command, key, *arguments in commands:
                    queue(command, self.key(key), *arguments)
                answers: list[Any] = pipe.execute()
                return answers

        return self._patiently(attempt)

    @contextmanager
    def transaction(self, guard: str) -> Iterator[tuple[bool, Callable[..., Any]]]:
        """Commands that are carried out together at the end of the block, unless the key `guard` is changed meanwhile.

        They are not repeated where the server does not answer.

        Yields:
            Whether `guard` exists, and what takes a command, with full keys.

        Raises:
            redis.exceptions.WatchError: the key was changed.
        """
        try:
            with self._client.pipeline(transaction=True) as pipe:
                run: Callable[..., Any] = pipe.execute_command
                run("WATCH", self.key(guard))
                exists = bool(run("EXISTS", self.key(guard)))
                pipe.multi()
                yield exists, run
                pipe.execute()
        except (exceptions.ConnectionError, exceptions.TimeoutError) as error:
            raise unreachable(self.url, error) from error
        except exceptions.ResponseError as error:
            raise _refused(self.url, error) from error

    def server(self) -> dict[str, Any] | None:
        """What the server says of itself (INFO); None where this user may not ask."""

        def attempt() -> dict[str, Any] | None:
            try:
                info: dict[str, Any] = self._execute("INFO")
            except exceptions.NoPermissionError:
                return None
            return info

        return self._patiently(attempt)

    def now(self) -> float:
        """The server's clock, in seconds since the epoch."""
        seconds, microseconds = self._patiently(lambda: self._execute("TIME"))
        return int(seconds) + int(microseconds) / 1e6

    def _patiently(self, attempt: Callable[[], T]) -> T:
        deadline = time.monotonic() + self.patience
        while True:
            try:
                return attempt()
            except (exceptions.AuthenticationError, exceptions.AuthorizationError) as error:
                raise unreachable(self.url, error) from error
            except (exceptions.ConnectionError, exceptions.TimeoutError) as error:
                if time.monotonic() >= deadline:
                    raise unreachable(self.url, error) from error
                time.sleep(_PAUSE)
            except exceptions.ResponseError as error:
                raise _refused(self.url, error) from error


_DENIED = ("can't run this command", "can't access at least one of the keys", "No permissions to access a key")
"""What servers say where a script of ours may be run, and a command in it may not."""


_DAMAGE = ("WRONGTYPE", "not an integer", "not a valid float", "user_script", "Error running script", "@user")
"""What servers say where a command, or a script of ours, cannot work with what stands under a key."""


def _refused(url: str, error: exceptions.ResponseError) -> Exception:
    """A refusal that is the server's condition, or that of what stands in it, told to a person."""
    text = str(error)
    # Since Redis 7 these come without the code at their beginning, which the client makes their class of.
    refuses = isinstance(error, exceptions.OutOfMemoryError | exceptions.ReadOnlyError)
    if refuses or any(word in text for word in ("MISCONF", "OOM", "READONLY", "NOSPACE")):
        return StoreWriteError(f"Redis at {masked(url)} refuses to write: {text}; check its disk, memory and log")
    if "NOAUTH" in text:
        return unreachable(url, error)
    if isinstance(error, exceptions.NoPermissionError) or any(words in text for words in _DENIED):
        return AccessDeniedError(
            f"Redis at {masked(url)} does not let this user do that ({text.removeprefix('NOPERM ')}): what runs or "
            "changes a league needs its worker's user, and each run has its own; `league redis-acl` writes them"
        )
    if any(words in text for words in _DAMAGE):
        return DamagedRecordError(
            f"a key of the run in Redis at {masked(url)} holds something that this program did not write "
            f"({text[:200]}); `league restore` puts a backup in its place"
        )
    return error
