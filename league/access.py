"""A run opened for reading or for a command, whether it is running or not."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from league.config import LeagueConfig
from league.lock import RunBusyError, run_lock
from league.runs import RunFolder
from matchmaking.errors import RedisUnreachableError
from matchmaking.server import EmbeddedServer
from matchmaking.service import Matchmaker
from matchmaking.store import Store

T = TypeVar("T")

TRIES = 5  # starts of an embedded server that ends before it has answered a question


@contextmanager
def opened(run: RunFolder, config: LeagueConfig | None = None) -> Iterator[Matchmaker]:
    """The run's matchmaker. The embedded server of a run that does not run is started for as long as the block lasts.

    Raises:
        RedisUnreachableError: no server answers, or none can be started.
        SchemaMismatchError: the run was written by another version.
        UnknownRunError: the server holds no such run.
    """
    config = run.config() if config is None else config
    if config.redis is not None:
        store = Store.open(config.redis, run.name, files=run.logs)
        try:
            yield Matchmaker(store)
        finally:
            store.close()
        return
    with _served(run) as url:
        store = Store.open(url, run.name, files=run.logs)
        try:
            yield Matchmaker(store)
        finally:
            store.close()


def asked(run: RunFolder, config: LeagueConfig, question: Callable[[Matchmaker], T]) -> T:
    """The answer of a run to a question that may be repeated: an embedded server that ends meanwhile is started again.

    Raises:
        As `opened`.
    """
    for _ in range(TRIES - 1):
        try:
            with opened(run, config) as matchmaker:
                return question(matchmaker)
        except RedisUnreachableError:
            if config.redis is not None:
                raise
    with opened(run, config) as matchmaker:
        return question(matchmaker)


@contextmanager
def _served(run: RunFolder) -> Iterator[str]:
    """The URL of the run's embedded server; whoever had to start it stops it when nobody reads any more."""
    readers = os.open(run.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(readers, fcntl.LOCK_SH)
        server = EmbeddedServer(run.redis)
        found = server.running()
        server.start()
        try:
            yield server.url
        finally:
            if not found:
                fcntl.flock(readers, fcntl.LOCK_EX)  # waits for those who came to read meanwhile
                _stop_unless_used(run, server)
    finally:
        os.close(readers)


def _stop_unless_used(run: RunFolder, server: EmbeddedServer) -> None:
    """Stop the server that was started for reading, unless a supervisor has begun to use it meanwhile."""
    try:
        with run_lock(run):
            server.stop()
    except RunBusyError:
        return
