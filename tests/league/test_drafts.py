"""What killed processes leave half-done: replays that are settled with their pairings, tensors that are removed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from league.closing import DEAD, remove_drafts
from league.drafts import settle_replays
from league.replays import ReplayStore
from matchmaking.records import Pairing
from matchmaking.server import EmbeddedServer
from tests.league.houses import House


@pytest.fixture
def home(server: EmbeddedServer, tmp_path: Path) -> Iterator[House]:
    home = House(tmp_path, server.url)
    yield home
    home.evaluator.close()
    home.store.close()


def drafted(home: House) -> ReplayStore:
    replays = ReplayStore(home.run.replays)
    for number in range(5):
        replays.draft(f"m_{number}", "evaluator-0", [])
    replays.draft("m_0", "evaluator-1", [])
    return replays


def test_each_stands_or_goes_with_its_pairing(home: House) -> None:
    queue = home.store.queue
    queue.enqueue([Pairing(id=f"m_{number}", a="a", b="b", pairs=1, seed=number) for number in range(5)])
    replays = drafted(home)
    for worker in ("evaluator-0", "evaluator-1"):
        lease = queue.lease(worker, 60.0)
        assert lease is not None
        queue.report(lease, "wl")
    given_up, returned = (queue.lease("evaluator-0", 60.0) for _ in range(2))
    assert given_up is not None and returned is not None
    queue.abort(given_up, "no reason", give_up_after=1)
    queue.abort(returned, "it stops")
    settle_replays(home.run, home.store, "evaluator-0")
    assert replays.stored() == {"m_0"}
    left = sorted(path.name for path in home.run.replays.glob(".*"))
    assert left == [".m_0.evaluator-1.draft", ".m_3.evaluator-0.draft", ".m_4.evaluator-0.draft"]


def test_an_evaluator_settles_its_own_at_its_start_and_at_its_end(home: House) -> None:
    drafted(home)
    home.process.stop()
    home.store.queue.enqueue([Pairing(id="m_3", a="a", b="b", pairs=1, seed=0)])
    lease = home.store.queue.lease("evaluator-0", 60.0)
    assert lease is not None
    home.store.queue.report(lease, "wl")
    home.evaluator.run()
    assert ReplayStore(home.run.replays).stored() == {"m_3"}


def test_tensors_that_nobody_writes_any_more_are_removed(home: House) -> None:
    live = home.run.checkpoints / "live"
    live.mkdir(parents=True)
    old, dead, young = home.run.checkpoints / ".learner-0.json.ab.tmp", live / "p_1.tmp", live / "p_2.tmp"
    for path in (old, dead, young):
        path.write_bytes(b"")
    for path in (old, dead):
        os.utime(path, (0, time.time() - DEAD - 1))
    remove_drafts(home.run)
    assert [path.exists() for path in (old, dead, young)] == [False, False, True]
