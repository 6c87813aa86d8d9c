"""The rater as a process of its own, killed again and again: every result counts once."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from league.config import LeagueConfig
from league.runs import RunFolder, create
from matchmaking.fold import fold
from matchmaking.rating_store import RatingState
from matchmaking.rebuild import rebuild
from matchmaking.records import Kind, Pairing, Player
from matchmaking.server import EmbeddedServer
from matchmaking.store import Store
from tests.league.supervised import ROOT, until


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunFolder]:
    run = create(tmp_path, LeagueConfig(arena="tic_tac_toe"), "test")
    server = EmbeddedServer(run.redis)
    server.start()
    yield run
    server.stop()


@pytest.fixture
def store(run: RunFolder) -> Iterator[Store]:
    store = Store.create(EmbeddedServer(run.redis).url, run.name, "tic_tac_toe")
    yield store
    store.close()


def start_rater(run: RunFolder, *arguments: str) -> subprocess.Popen[bytes]:
    with (run.logs / "rater.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "league.rater", "--run", str(run.path), *arguments], cwd=ROOT, stderr=log
        )


def play(store: Store, results: int) -> None:
    """Put results into the log of rated matches."""
    chance = random.Random(results)
    players = [Player(id=f"p_{number}", name=f"n{number}", kind=Kind.SCRIPTED) for number in range(5)]
    for player in players:
        store.register(player)
    for _ in range(results):
        a, b = chance.sample(players, 2)
        store.queue.enqueue([Pairing(id=f"m_{chance.getrandbits(64)}", a=a.id, b=b.id, pairs=2, seed=1)])
        lease = store.queue.lease("w", 30.0)
        assert lease is not None
        store.queue.report(lease, "".join(chance.choices("wdl", k=4)))


def further_than(store: Store, position: int) -> bool:
    return store.ratings.position() > position


def listening(store: Store, rater: subprocess.Popen[bytes]) -> bool:
    """Whether this rater has given a sign of life: before that, a signal ends it as it ends any process."""
    return any(beat.pid == rater.pid for beat in store.processes.heartbeats())


def test_a_rater_that_is_killed_rates_nothing_twice(run: RunFolder, store: Store) -> None:
    for life in range(1, 4):
        rater = start_rater(run)
        play(store, 60 + life)
        until(partial(further_than, store, 60 * (life - 1)), "some of the new ones rated")
        rater.kill()
        rater.wait()
    rater = start_rater(run)
    total = store.queue.num_matches()
    assert total == 61 + 62 + 63
    until(partial(further_than, store, total - 1), "all of them rated")
    until(partial(listening, store, rater), "the last rater at work")
    rater.send_signal(signal.SIGTERM)
    assert rater.wait(20) == 0
    results = store.queue.matches()
    assert len(results) == total
    kinds = {player.id: player.kind for player in store.players()}
    afresh, _ = fold(RatingState(0, {}), results, kinds)
    assert store.ratings.state().ratings == afresh, "bit-equal to one fold over the whole log"


def test_what_is_left_is_rated_before_it_leaves(run: RunFolder, store: Store) -> None:
    rater = start_rater(run)
    until(lambda: "rater-0 of run test" in (run.logs / "rater.log").read_text(), "a rater at work")
    play(store, 30)
    rater.send_signal(signal.SIGTERM)
    assert rater.wait(20) == 0
    assert store.ratings.position() == 30


def test_logs_that_have_grown_long_move_into_files(tmp_path: Path, server: EmbeddedServer) -> None:
    config = LeagueConfig.model_validate({"arena": "tic_tac_toe", "redis": server.url, "run": {"log_entries": 100}})
    run = create(tmp_path, config, tmp_path.name)
    with closing(Store.create(server.url, run.name, "tic_tac_toe", files=run.logs)) as store:
        play(store, 220)
        rater = start_rater(run)
        history = store.logs["rating_history"]
        until(lambda: history.length() == 440 and history.in_redis() < 200, "a short log of ratings")
        assert store.logs["matches"].in_redis() == 120
        assert [entry.count for entry in store.logs["matches"].segments()] == [100]
        assert rebuild(store).exact
        rater.send_signal(signal.SIGTERM)
        assert rater.wait(20) == 0


def test_it_refuses_to_start_for_a_supervisor_that_is_gone(run: RunFolder, store: Store) -> None:
    assert start_rater(run, "--parent", str(2**22)).wait(20) == 1
    assert "the supervisor (process" in (run.logs / "rater.log").read_text()


def test_a_run_that_redis_does_not_hold_is_one_line_and_exit_code_4(tmp_path: Path, run: RunFolder) -> None:
    assert start_rater(run).wait(20) == 4
    text = (run.logs / "rater.log").read_text()
    assert text.startswith("error: no run 'test' in this Redis")
    assert "Traceback" not in text


def test_a_redis_that_does_not_answer_is_one_line_and_exit_code_3(tmp_path: Path) -> None:
    run = create(tmp_path, LeagueConfig(arena="tic_tac_toe", redis="redis://127.0.0.1:1/0"), "unreachable")
    before = time.monotonic()
    assert start_rater(run).wait(30) == 3
    assert time.monotonic() - before < 30
    assert "Redis at redis://127.0.0.1:1/0 does not answer" in (run.logs / "rater.log").read_text()
