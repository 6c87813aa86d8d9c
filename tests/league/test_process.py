"""What every process shares: its place, its commands, its signs of life."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from league.config import LeagueConfig
from league.process import FINISH, STOP, Place, Process, open_store, parse_place, redis_url
from league.runs import RunFolder, create
from matchmaking.errors import RedisUnreachableError
from matchmaking.run_records import Command
from matchmaking.server import EmbeddedServer
from matchmaking.store import Store


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    run = create(tmp_path, LeagueConfig(), "test")
    server = EmbeddedServer(run.redis)
    server.start()
    store = Store.create(redis_url(run, None), run.name, "connect_four")
    store.processes.send(Command(target="learner-1", name=STOP))  # of an earlier life
    yield Process("learner", Place(run, 1), LeagueConfig(), store)
    store.close()
    server.stop()


@pytest.mark.parametrize("core", [None, 3])
@pytest.mark.parametrize("parent", [None, 4711])
def test_the_command_line_says_the_whole_place(tmp_path: Path, core: int | None, parent: int | None) -> None:
    place = Place(RunFolder(tmp_path / "a run"), 2, core, parent)
    assert parse_place("learner", place.arguments()) == place


def test_redis_is_where_it_was_configured_else_in_the_run(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert redis_url(run, "redis://elsewhere:1/0") == "redis://elsewhere:1/0"
    assert redis_url(run, None) == EmbeddedServer(run.redis).url


def test_a_sign_of_life_says_who_and_what(process: Process) -> None:
    process.beat("training", {"samples_per_second": 5.0})
    (beat,) = process.store.processes.heartbeats()
    assert (beat.process, beat.pid, beat.status) == ("learner-1", os.getpid(), "training")
    assert beat.numbers == {"samples_per_second": 5.0}
    assert beat.at > 0
    process.beat("too soon")
    assert process.store.processes.heartbeats() == [beat]


@pytest.mark.parametrize(
    ("target", "order", "expected"),
    [
        ("learner-1", STOP, (True, False)),
        ("learner-1", FINISH, (False, True)),
        ("learner-0", STOP, (False, False)),
        ("all", STOP, (False, False)),  # the supervisor stops everybody, in its order
    ],
)
def test_commands(process: Process, target: str, order: str, expected: tuple[bool, bool]) -> None:
    process.store.processes.send(Command(target=target, name=order))
    process.beat()
    assert (process.stopping, process.finishing) == expected


def test_a_process_whose_supervisor_is_gone_stops(process: Process) -> None:
    process.place = Place(process.run, 1, parent=2**22)
    process.beat()
    assert process.orphaned
    assert process.stopping


def test_sleep_ends_when_it_is_to_stop(process: Process) -> None:
    process.stop()
    before = time.monotonic()
    process.sleep(60.0)
    assert time.monotonic() - before < 1.0


def test_it_keeps_to_its_core(process: Process) -> None:
    before = os.sched_getaffinity(0)
    try:
        process.pin()
        assert os.sched_getaffinity(0) == before, "no core was chosen"
        process.place = Place(process.run, 1, core=min(before))
        process.pin()
        assert os.sched_getaffinity(0) == {min(before)}
    finally:
        os.sched_setaffinity(0, before)


def test_a_process_of_a_supervisor_waits_for_redis_at_its_start(tmp_path: Path) -> None:
    config = LeagueConfig(arena="tic_tac_toe")
    run = create(tmp_path / "runs", config, "mine")
    server = EmbeddedServer(run.redis)
    with pytest.raises(RedisUnreachableError):
        open_store(Place(run, 0), config)
    server.start()
    Store.create(server.url, "mine", "tic_tac_toe").close()
    server.stop()
    starting = threading.Timer(0.3, server.start)
    starting.start()
    open_store(Place(run, 0, parent=1), config).close()
    starting.join()
    server.stop()
