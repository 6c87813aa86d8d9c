"""What tests of several packages need: one real Redis server a session."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from matchmaking.server import EmbeddedServer


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """The server of the session, in memory where the system has a folder there: on a busy disk each write waits long.

    Tests that kill a server start their own, on disk.
    """
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="league-test-", dir=memory if memory.is_dir() else None) as folder:
        embedded = EmbeddedServer(Path(folder))
        embedded.start()
        yield embedded
        embedded.stop()
