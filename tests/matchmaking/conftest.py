"""A real Redis server for every test of the store: one a session, and a run of its own for each test."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from matchmaking.records import Kind, Player
from matchmaking.server import EmbeddedServer
from matchmaking.store import Store

MakePlayers = Callable[..., list[Player]]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """The server of the session. Tests that kill a server start their own."""
    embedded = EmbeddedServer(tmp_path_factory.mktemp("redis"))
    embedded.start()
    yield embedded
    embedded.stop()


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
