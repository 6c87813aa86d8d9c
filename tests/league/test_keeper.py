"""A run is opened although its Redis dies on the way; somebody else's that is not there is told at once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from league import access
from league.access import asked
from league.config import LeagueConfig
from league.keeper import RedisKeeper
from league.runs import RunFolder, create
from matchmaking.errors import RedisUnreachableError
from matchmaking.server import EmbeddedServer
from matchmaking.service import Matchmaker
from matchmaking.store import Store

CONFIG = LeagueConfig(arena="tic_tac_toe")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunFolder]:
    run = create(tmp_path / "runs", CONFIG, "mine")
    yield run
    EmbeddedServer(run.redis).stop()


def kill(run: RunFolder) -> None:
    pid = EmbeddedServer(run.redis).pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def test_what_opens_a_run_begins_again_where_redis_dies_on_the_way(run: RunFolder) -> None:
    said: list[str] = []
    keeper = RedisKeeper(run, CONFIG, None, said.append)
    deaths = iter([True, True, False])

    def opening() -> Store:
        store = keeper.open()
        if next(deaths):
            kill(run)
        store.players()
        return store

    assert keeper.brought_up(opening).players() == []
    assert said == ["Redis does not answer; starting it again", "Redis answers again"]
    keeper.close()
    assert not EmbeddedServer(run.redis).running()


def test_another_ones_redis_that_is_not_there_is_told_at_once(run: RunFolder) -> None:
    keeper = RedisKeeper(run, CONFIG, "redis://127.0.0.1:1", lambda line: None)
    started = time.monotonic()
    with pytest.raises(RedisUnreachableError):
        keeper.brought_up(keeper.open)
    assert time.monotonic() - started < 30.0
    keeper.close()


def test_a_question_is_asked_again_where_redis_dies_on_the_way(run: RunFolder) -> None:
    keeper = RedisKeeper(run, CONFIG, None, lambda line: None)
    keeper.open()
    keeper.close()
    deaths = iter([True, False])

    def question(matchmaker: Matchmaker) -> int:
        if next(deaths):
            kill(run)
        return len(matchmaker.players())

    assert asked(run, CONFIG, question) == 0
    assert not EmbeddedServer(run.redis).running()


def test_it_is_not_asked_for_ever(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = RedisKeeper(run, CONFIG, None, lambda line: None)
    keeper.open()
    keeper.close()
    monkeypatch.setattr(access, "TRIES", 2)
    calls = []

    def question(matchmaker: Matchmaker) -> int:
        calls.append(1)
        kill(run)
        return len(matchmaker.players())

    with pytest.raises(RedisUnreachableError):
        asked(run, CONFIG, question)
    assert len(calls) == 2
