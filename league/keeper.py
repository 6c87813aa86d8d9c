"""The run's Redis as its supervisor sees it: brought up, brought back when it dies, shut down in the end."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from league.config import LeagueConfig
from league.process import redis_url
from league.runs import RunFolder
from league.watermark import Watermark
from matchmaking.errors import MatchmakingError, RedisUnreachableError, ServerStartError, UnknownRunError
from matchmaking.server import EmbeddedServer
from matchmaking.store import Store

T = TypeVar("T")

STORE_PATIENCE = 0.5  # seconds: the supervisor notices soon, the other processes wait for it
PAUSE = 0.05  # seconds between two attempts
SILENCE = 300.0  # seconds for which a Redis may be out of reach, our own where it does not end but is frozen
ROOM = 2**16  # bytes: a server that dies with less left on its disk died of that
MARK_EVERY = 5.0  # seconds between two times that it is written down how far Redis has come
DEATHS, WITHIN = 5, 60.0  # so many deaths of our own in so many seconds are too many


class RedisKeeper:
    """Keeps a Redis for the run.

    Args:
        run: the run's folder.
        config: its configuration.
        url: a Redis that somebody else runs; None for one of our own in the run's folder.
        say: told in one line what happens.
    """

    def __init__(self, run: RunFolder, config: LeagueConfig, url: str | None, say: Callable[[str], None]) -> None:
        self._run = run
        self._config = config
        self._server = EmbeddedServer(run.redis) if url is None else None
        self._url = url
        self._say = say
        self._store: Store | None = None
        self._deaths: deque[float] = deque(maxlen=DEATHS)
        self._silent_since: float | None = None
        self._watermark = Watermark(run)
        self._next_mark = 0.0

    def open(self) -> Store:
        """The run in Redis, created where it is new.

        Raises:
            RedisUnreachableError: it does not answer, or cannot be started.
            SchemaMismatchError: it holds a run of this name that does not fit.
            StateMismatchError: it has lost what it once had of this run.
            OSError: its disk is full.
        """
        if self._store is not None:  # opened before, and lost on the way
            self._store.close()
        if self._server is not None:
            self._start(self._server)
        url = redis_url(self._run, self._url)
        config = self._config
        decay, logs = config.matchmaking.decay, self._run.logs
        self._watermark.sweep()
        if self._watermark.read() is not None:
            self._check(url)
        self._store = Store.create(url, self._run.name, config.arena, decay, STORE_PATIENCE, logs)
        self._watermark.write(self._store)
        return self._store

    def _check(self, url: str) -> None:
        """Before anything is written: a run that was there once is there still."""
        try:
            store = Store.open(url, self._run.name, files=self._run.logs)
        except UnknownRunError:
            self._watermark.check(None)
            raise
        try:
            self._watermark.check(store)
        finally:
            store.close()

    def answered(self) -> None:
        """It answers: whatever was before is over."""
        if self._store is not None and time.monotonic() >= self._next_mark:
            self._next_mark = time.monotonic() + MARK_EVERY
            with suppress(RedisUnreachableError):  # the next look will see to it
                self._watermark.write(self._store)
        if self._silent_since is not None:
            self._say("Redis answers again")
            self._silent_since = None

    def revive(self, error: RedisUnreachableError) -> None:
        """Bring it back after it did not answer; one that is not ours, or that lives, is waited for.

        Raises:
            RedisUnreachableError: it cannot be brought back, or has been away for too long.
            OSError: its disk is full.
        """
        now = time.monotonic()
        if self._silent_since is None:
            self._silent_since = now
            dead = self._server is not None and not self._server.alive()
            self._say("Redis does not answer" + ("; starting it again" if dead else ""))
        if self._server is None or self._server.alive():  # another's, or ours that is frozen or reads its file
            if now - self._silent_since > SILENCE:
                raise error
            return
        self._check_room()
        self._deaths.append(now)
        if len(self._deaths) == DEATHS and now - self._deaths[0] < WITHIN:
            raise ServerStartError(f"Redis died {DEATHS} times within {WITHIN:.0f} s; its log is {self._server.log}")
        self._start(self._server)

    def _start(self, server: EmbeddedServer) -> None:
        try:
            server.start()
        except ServerStartError:
            self._check_room()
            raise

    def _check_room(self) -> None:
        """A server that cannot write its log of commands ends, and can say so nowhere."""
        if shutil.disk_usage(self._run.redis).free < ROOM:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._run.redis))

    def patiently(self, action: Callable[[], T]) -> T:
        """Do something with the store that may be repeated, and repeat it where Redis has to be brought back first.

        Raises:
            RedisUnreachableError: it cannot be brought back.
        """
        while True:
            try:
                result = action()
            except RedisUnreachableError as error:
                self.revive(error)
                time.sleep(PAUSE)
            else:
                self.answered()
                return result

    def brought_up(self, opening: Callable[[], T]) -> T:
        """`patiently`, for what opens the run; but that somebody else's Redis is not there is told at once."""
        return self.patiently(opening) if self._server is not None else opening()

    def close(self) -> None:
        """Close the connection and stop the server, if it is ours."""
        if self._store is not None:
            with suppress(MatchmakingError, OSError):  # what stands there is no lie, only older
                self._watermark.write(self._store)
            self._store.close()
        if self._server is not None:
            try:
                self._server.stop()
            except MatchmakingError as error:  # the run has ended already: nothing is lost, but somebody should know
                self._say(str(error))
