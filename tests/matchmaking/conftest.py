"""A run of its own on the session's Redis for each test of the store, or a server of its own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from matchmaking.records import Kind, Player
from matchmaking.server import EmbeddedServer
from matchmaking.store import Store


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server for one test, which may do to it what it likes."""
    embedded = EmbeddedServer(tmp_path / "redis")
    embedded.start()
    yield embedded
    embedded.stop()


@pytest.fixture
def run_name() -> str:
    """A name that no other test uses."""
    return f"run-{secrets.token_hex(4)}"


@pytest.fixture
def store(server: EmbeddedServer, run_name: str) -> Iterator[Store]:
    """An empty run."""
    opened = Store.create(server.url, run_name, "connect_four")
    yield opened
    opened.close()


def make_players(store: Store, count: int, kind: Kind = Kind.FROZEN) -> list[Player]:
    """Register `count` players named `player-0`, `player-1`, ..., whose ids say nothing."""
    return [
        store.register(Player(id=f"p_{secrets.token_hex(4)}", name=f"player-{number}", kind=kind))
        for number in range(count)
    ]
