"""A run that does not run, opened for reading."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from league.access import opened
from league.runs import RunFolder, create
from league.settings import resolve
from matchmaking.server import EmbeddedServer
from matchmaking.store import Store


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = create(tmp_path / "runs", resolve("tic_tac_toe", environment={}), "mine")
    server = EmbeddedServer(folder.redis)
    server.start()
    Store.create(server.url, folder.name, "tic_tac_toe").close()
    server.stop()
    return folder


def test_the_server_lives_as_long_as_the_block(run: RunFolder) -> None:
    with opened(run) as matchmaker:
        assert matchmaker.players() == []
    assert not EmbeddedServer(run.redis).running()


def test_a_server_that_was_there_stays(run: RunFolder) -> None:
    server = EmbeddedServer(run.redis)
    server.start()
    with opened(run):
        pass
    assert server.running()
    server.stop()


def test_who_reads_second_is_not_cut_off_by_the_first(run: RunFolder) -> None:
    reading, leave = threading.Event(), threading.Event()

    def first() -> None:
        with opened(run):
            reading.set()
            leave.wait(30.0)

    thread = threading.Thread(target=first)
    thread.start()
    assert reading.wait(30.0)
    with opened(run) as matchmaker:
        leave.set()
        time.sleep(0.3)
        assert matchmaker.players() == []
        assert thread.is_alive(), "it waits for the others"
    thread.join(30.0)
    assert not EmbeddedServer(run.redis).running()
