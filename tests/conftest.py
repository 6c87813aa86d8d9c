"""What tests of several packages need: one real Redis server a session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from matchmaking.server import EmbeddedServer
from tests.servers import server_in_memory


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """The server of the session; tests that kill a server start their own, on disk."""
    with server_in_memory() as embedded:
        yield embedded
