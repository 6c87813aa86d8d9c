"""The Redis server that a league brings along, and the way to reach any Redis server.

The embedded server listens on a unix socket in a directory of mode 0700 and on no TCP port. It runs as a daemon: it
outlives the process that started it, is found again by whoever opens the same folder, and recovers everything that it
acknowledged from its append-only file. A lock file that the server itself holds open makes sure that one folder has one
server: two of them would tear the append-only file.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from matchmaking import appendonly
from matchmaking.errors import RedisUnreachableError, ServerStartError
from matchmaking.program import called, find_server, version

SOCKET_PATH_BYTES = 107
"""The longest path that a unix socket can have on Linux (`sun_path` holds 108 bytes with its terminator)."""

_PASSWORD = re.compile(r"(://[^:@/]*:)(.*)@")  # greedy: a password that was not quoted may hold anything
_IN_QUERY = re.compile(r"([?&](?:password|ssl_password)=)([^&]*)")

_LAUNCHES = 3
"""How often a server that dies before it answers is launched before that is called a failure."""

_SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "daemonize": "yes",
    "databases": "1",
    "save": "",  # the append-only file is the only one that counts
    "appendonly": "yes",
    "appendfsync": "always",
    "aof-load-truncated": "yes",  # a torn tail loses at most the script that was never acknowledged
    "list-compress-depth": "2",  # logs are long lists that are read at their ends
    "maxmemory-policy": "noeviction",
}


def connect(url: str, *, timeout: float = 5.0, connect_timeout: float = 2.0, check: bool = True) -> redis.Redis:
    """A client of the server at `url`. It answers bytes and never retries by itself: the store retries, by id.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        timeout: seconds that one command may take.
        connect_timeout: seconds until an unreachable host is given up.
        check: ask the server for a sign of life before returning.

    Raises:
        RedisUnreachableError: the URL is no Redis URL, or the server does not answer.
    """
    try:
        client = _client(url, timeout, connect_timeout)
    except ValueError as error:
        why = "" if password_of(url) else f" ({error})"  # it may quote a part of the password
        raise RedisUnreachableError(
            f"{masked(url)} is no Redis URL{why}; write redis://USER:PASSWORD@HOST:PORT, rediss:// for TLS, or "
            "unix:///PATH"
        ) from (None if password_of(url) else error)
    if check:
        try:
            with _client(url, connect_timeout, connect_timeout) as probe:  # a silent host costs no full timeout
                probe.ping()
        # The others: a host or a port that can be none, an option behind `?` that there is not.
        except (redis.exceptions.RedisError, ValueError, TypeError, AttributeError, OverflowError) as error:
            raise unreachable(url, error) from error
    return client


def _client(url: str, timeout: float, connect_timeout: float) -> redis.Redis:
    client: redis.Redis = redis.Redis.from_url(
        url, socket_timeout=timeout, socket_connect_timeout=connect_timeout, retry=Retry(NoBackoff(), 0)
    )
    return client


def unreachable(url: str, error: Exception) -> RedisUnreachableError:
    """The one line that tells a person that the Redis at `url` does not answer, and why."""
    why = str(error).rstrip(".")
    if "username-password" in why or "WRONGPASS" in why:
        return RedisUnreachableError(
            f"Redis at {masked(url)} knows no such user and password: write redis://USER:PASSWORD@HOST:PORT, with "
            "%40 for @, %3A for : and %2F for / in a password"
        )
    if "authenticat" in why.lower():
        return RedisUnreachableError(
            f"Redis at {masked(url)} asks for a password: write redis://USER:PASSWORD@HOST:PORT, or put it into "
            "the environment as LEAGUE_REDIS"
        )
    if "CERTIFICATE_VERIFY_FAILED" in why:
        return RedisUnreachableError(
            f"Redis at {masked(url)} shows a certificate that this machine does not trust: name the file of its "
            "authority, rediss://USER:PASSWORD@HOST:PORT?ssl_ca_certs=FILE"
        )
    return RedisUnreachableError(
        f"Redis at {masked(url)} does not answer: {why}; start the server or give another address with --redis URL"
    )


def _private(folder: Path) -> bool:
    """Whether `folder` is ours alone: a temporary directory that was swept away may have been made by somebody else."""
    if not folder.is_dir():
        return False
    status = folder.stat()
    return status.st_uid == os.getuid() and stat.S_IMODE(status.st_mode) == 0o700


def masked(url: str) -> str:
    """`url` without its password, also where it is no URL that could be read."""
    return _IN_QUERY.sub(r"\1***", _PASSWORD.sub(r"\1***@", url))


def password_of(url: str) -> str | None:
    """The password in a URL, as it is written there; None where there is none."""
    found = _PASSWORD.search(url) or _IN_QUERY.search(url)
    return found[2] or None if found else None


class EmbeddedServer:
    """A Redis server with its data in one folder.

    Attributes:
        folder: append-only file, log (`redis.log`), pid file, lock and, where the path is short enough, the socket.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._lock_path = self.folder / "server.lock"

    @property
    def url(self) -> str:
        """Where clients reach the server: stable while it runs and over restarts."""
        return f"unix://{quote(str(self.socket))}"

    @property
    def socket(self) -> Path:
        """The socket's path: in the folder, or in a recorded temporary directory where that path would be too long."""
        path = self.folder / "redis.sock"
        if len(os.fsencode(path)) <= SOCKET_PATH_BYTES:
            return path
        record = self.folder / "socket-directory"
        if not (record.exists() and _private(Path(record.read_text()))):
            self._prepare_folder()
            record.write_text(tempfile.mkdtemp(prefix="league-redis-"))  # mkdtemp makes it with mode 0700
        return Path(record.read_text()) / "redis.sock"

    @property
    def log(self) -> Path:
        """The server's own log file."""
        return self.folder / "redis.log"

    def running(self) -> bool:
        """Whether the server of this folder answers now."""
        if not self.folder.is_dir():
            return False
        try:
            connect(self.url).close()
        except RedisUnreachableError:
            return False
        return True

    def alive(self) -> bool:
        """Whether a server of this folder lives, be it that it is frozen or still reads its file."""
        return self.folder.is_dir() and not self._free()

    def pid(self) -> int | None:
        """Process id of the running server."""
        if not self.running():
            return None
        with connect(self.url) as client:
            return int(client.info("server")["process_id"])

    def start(self, wait: float = 30.0) -> None:
        """Start the server, or find the one that runs already, and return when it answers.

        Args:
            wait: seconds for the server to come up, the reading of its append-only file included.

        Raises:
            ServerNotFoundError: no server program is installed.
            ServerStartError: it did not come up.
        """
        self._prepare_folder()
        deadline = time.monotonic() + wait
        launches = 0
        while not self.running():
            with self._lock() as lock:
                if lock is not None:  # no server lives here, so one that was launched has died
                    if launches == _LAUNCHES:
                        raise ServerStartError(
                            f"the embedded Redis in {self.folder} starts and ends; {self._last_words()}"
                        )
                    self._launch(lock)
                    launches += 1
            if time.monotonic() > deadline:
                raise ServerStartError(
                    f"the embedded Redis in {self.folder} does not answer after {wait:g} s; {self._last_words()}"
                )
            time.sleep(0.005)

    def stop(self, wait: float = 30.0) -> None:
        """Shut the server down with everything on disk; nothing happens where none runs.

        Raises:
            RedisUnreachableError: it still runs after `wait` seconds.
        """
        if not self.folder.is_dir():
            return
        deadline = time.monotonic() + wait
        while not self._free():
            if time.monotonic() > deadline:
                raise RedisUnreachableError(
                    f"the embedded Redis in {self.folder} did not stop within {wait:g} s; {self._last_words()}"
                )
            try:
                with connect(self.url) as client:
                    client.shutdown(nosave=True)  # flushes the append-only file; there is no snapshot to write
            except (RedisUnreachableError, redis.exceptions.RedisError):
                time.sleep(0.01)  # starting, loading, or on its way out

    def _prepare_folder(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)

    @contextmanager
    def _lock(self) -> Iterator[int | None]:
        """The folder's lock as an open file, or None while a server holds it.

        The lock belongs to the open file, not to the process: the server inherits it and holds it until its death,
        however it dies, so neither a stale pid file nor a reused pid can mislead.
        """
        handle = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            yield None
            return
        try:
            yield handle
        finally:
            os.close(handle)

    def _free(self) -> bool:
        with self._lock() as lock:
            return lock is not None

    def _launch(self, lock: int) -> None:
        settings = _SETTINGS | {
            "dir": str(self.folder),
            "unixsocket": str(self.socket),
            "pidfile": str(self.folder / "redis.pid"),
            "logfile": str(self.log),
        }
        program = find_server()
        self._refuse_what_it_cannot_read(program)
        if appendonly.torn_within(self.folder):
            # It would cut off the torn end of one, end, and when it is launched again read the later ones after it.
            settings["aof-load-truncated"] = "no"
        command = [str(program)]
        for name, value in settings.items():
            command += [f"--{name}", value]
        hanging = f"{program}, whose log is {self.log}, does not go into the background"
        launched = called(command, 30, hanging, cwd=self.folder, pass_fds=[lock])
        if launched.returncode > 0:  # below 0 it was killed before it was a daemon: as one that is killed afterwards
            raise ServerStartError(
                f"{command[0]} ended with exit code {launched.returncode}: "
                f"{(launched.stderr or launched.stdout).strip() or self._last_words()}"
            )

    def _refuse_what_it_cannot_read(self, program: Path) -> None:
        """Raise a ServerStartError where this server would not see what was written, and begin with nothing."""
        manifest = appendonly.manifest(self.folder)
        if manifest in appendonly.files(self.folder) and not manifest.is_file():
            raise ServerStartError(
                f"{manifest} is missing, which says in what order the files beside it are read: put it back, or a "
                "backup in place of the run (`league restore`)"
            )
        if manifest.is_file() and (found := version(program)) and int(found.split(".")[0]) < 7:
            raise ServerStartError(
                f"{manifest.parent} was written by Redis 7 or newer, or Valkey, and {program} is Redis {found}, which "
                "cannot read it: install what wrote it (`apt install redis-server`)"
            )

    def _last_words(self) -> str:
        """The end of the server's log, for a message."""
        if not self.log.exists():
            return f"it wrote no log at {self.log}"
        lines = self.log.read_text(errors="replace").splitlines()
        warnings = [line for line in lines if " # " in line]
        return f"its log {self.log} ends with: " + " | ".join(warnings[-2:] or lines[-2:])
