"""A Redis server for tests that do not harm it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from matchmaking.server import EmbeddedServer


@contextmanager
def server_in_memory() -> Iterator[EmbeddedServer]:
    """A server, in memory where the system has a folder there: on a busy disk each write waits long."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="league-test-", dir=memory if memory.is_dir() else None) as folder:
        embedded = EmbeddedServer(Path(folder))
        embedded.start()
        try:
            yield embedded
        finally:
            embedded.stop()
