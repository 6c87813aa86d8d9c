"""What was acknowledged is there after kill -9 of the server; and under many workers nothing is lost or doubled."""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from matchmaking.errors import MatchmakingError
from matchmaking.fold import RatingFold
from matchmaking.payoff import add
from matchmaking.rebuild import rebuild
from matchmaking.records import Counters, EpisodeCount, Pairing, Player
from matchmaking.run_records import Reported
from matchmaking.server import EmbeddedServer
from matchmaking.store import Store
from tests.matchmaking.conftest import make_players


def _kill(server: EmbeddedServer) -> None:
    pid = server.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def _win(a: Player, b: Player) -> EpisodeCount:
    return EpisodeCount(player=a.id, opponent=b.id, seat=0, wins=1, draws=0, losses=0)


@pytest.mark.parametrize("clean", [True, False])
def test_everything_comes_back_after_a_restart(own_server: EmbeddedServer, clean: bool) -> None:
    """Regression: ratings, payoff and players that do not come back on resume (ml-agents#3410, ray#40183)."""
    store = Store.create(own_server.url, "run", "connect_four")
    a, b, c = make_players(store, 3)
    store.report_episodes([_win(a, b)])
    store.queue.enqueue([Pairing(id=f"m_{n}", a=a.id, b=(b, c)[n % 2].id, pairs=2, seed=n) for n in range(4)])
    for _ in range(3):
        lease = store.queue.lease("w", 60)
        assert lease is not None
        store.queue.report(lease, "wdll")
    kept = store.queue.lease("w", 600)
    assert kept is not None
    RatingFold(store).step()
    store.set_fact("deadline", "5")
    before = (store.players(), store.payoff_row(b.id), store.queue.matches(), store.ratings.state(), store.facts)
    store.close()

    if clean:
        own_server.stop()
    else:
        _kill(own_server)
    own_server.start()

    store = Store.open(own_server.url, "run")
    after = (store.players(), store.payoff_row(b.id), store.queue.matches(), store.ratings.state(), store.facts)
    assert after == before
    assert RatingFold(store).step() == 0, "nothing is rated twice"
    assert store.queue.lease("w", 60) is None, "the lease is still held"
    assert store.queue.report(kept, "wwww") is Reported.RECORDED
    assert rebuild(store).exact
    store.close()


def test_reports_that_were_acknowledged_survive_kills(own_server: EmbeddedServer) -> None:
    store = Store.create(own_server.url, "run", "connect_four", patience=20.0)
    a, b = make_players(store, 2)
    reports, kills = 200, 5
    done = threading.Event()

    def supervise() -> None:
        for _ in range(kills):
            if done.wait(0.02):
                break
            _kill(own_server)
            own_server.start()

    supervisor = threading.Thread(target=supervise)
    supervisor.start()
    for _ in range(reports):
        store.report_episodes([_win(a, b)])
    done.set()
    supervisor.join()
    assert store.episode_reports() == reports
    expected = Counters()
    for _ in range(reports):
        expected = add(expected, 1, 0, 0)
    assert store.payoff_row(a.id)[b.id] == expected
    store.close()


def test_many_workers_lose_and_double_nothing(store: Store, server: EmbeddedServer) -> None:
    a, b = make_players(store, 2)
    pairings, workers = 120, 6
    store.queue.enqueue([Pairing(id=f"m_{n}", a=a.id, b=b.id, pairs=1, seed=n) for n in range(pairings)])
    outcome: Counter[Reported] = Counter()
    guard = threading.Lock()

    def work(number: int) -> None:
        mine = Store.open(server.url, store.info.name)
        turn = 0
        while lease := mine.queue.lease(f"w{number}", -1.0 if turn % 5 == 4 else 60.0):
            turn += 1
            if turn % 7 == 6:
                mine.queue.abort(lease, "changed my mind")
                continue
            answer = mine.queue.report(lease, "wl")
            mine.report_episodes([_win(a, b)])
            with guard:
                outcome[answer] += 1
        mine.close()

    with ThreadPoolExecutor(workers) as pool:
        for _ in range(3):  # an expired lease may come back after a worker has left
            list(pool.map(work, range(workers)))
    assert sorted(result.seed for result in store.queue.matches()) == list(range(pairings))
    assert outcome[Reported.RECORDED] == pairings
    assert store.queue.pending() == []
    assert store.episode_reports() == outcome.total()
    assert rebuild(store).exact


def test_threads_that_share_a_store_lose_no_report(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that is held up between drawing its ticket and sending it is not overtaken by a later ticket."""
    a, b = make_players(store, 2)
    call = store.session.call
    first = threading.Event()

    def held_up(name: str, keys: Sequence[str], *arguments: str | bytes | int | float) -> object:
        if not first.is_set():
            first.set()
            time.sleep(0.1)
        return call(name, keys, *arguments)

    monkeypatch.setattr(store.session, "call", held_up)
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: store.report_episodes([_win(a, b)]), range(40)))
    assert all(done)
    assert store.episode_reports() == 40


def test_a_full_disk_is_survived(tmp_path: Path) -> None:
    """A server that cannot write its log ends itself rather than lose what it acknowledges; clients get one line."""
    server = EmbeddedServer(tmp_path / "redis")
    server.start()
    store = Store.create(server.url, "run", "connect_four", patience=0.2)
    pid = server.pid()
    assert pid is not None
    size = sum(file.stat().st_size for file in server.folder.rglob("*.aof"))
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size + 5000, size + 5000))
    acknowledged = 0
    with pytest.raises(MatchmakingError, match="Redis at") as caught:  # noqa: PT012 -- until the limit
        while True:
            store.set_fact("n", f"{acknowledged}:{'x' * 200}")
            acknowledged += 1
    assert "\n" not in str(caught.value)
    store.close()
    server.start()
    store = Store.open(server.url, "run")
    assert int(store.facts["n"].split(":")[0]) >= acknowledged - 1
    store.close()
    server.stop()
