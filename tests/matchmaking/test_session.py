"""Writes whose reply is lost are repeated and count once; a server that restarts is waited for; failures are clear."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.exceptions import OutOfMemoryError, ReadOnlyError, ResponseError

from matchmaking.errors import RedisUnreachableError, StoreWriteError, UnknownPlayerError
from matchmaking.payoff import add
from matchmaking.records import Counters, EpisodeCount, Heartbeat, Kind, LearnerStatus, Pairing, Player, Rating
from matchmaking.run_records import Command, RatingPoint, Reported, Ticket
from matchmaking.server import EmbeddedServer, connect
from matchmaking.session import Session, script
from matchmaking.store import Store
from tests.matchmaking.conftest import make_players
from tests.matchmaking.lossy_proxy import LossyProxy


@pytest.fixture
def proxy(server: EmbeddedServer, tmp_path: Path) -> Iterator[LossyProxy]:
    with LossyProxy(server.socket, tmp_path / "proxy.sock") as running:
        yield running


@pytest.fixture
def lossy(store: Store, proxy: LossyProxy) -> Iterator[Store]:
    """The run of `store`, seen through the proxy."""
    opened = Store.open(proxy.url, store.info.name)
    yield opened
    opened.close()


def _pairing(a: Player, b: Player, name: str = "m_1") -> Pairing:
    return Pairing(id=name, a=a.id, b=b.id, pairs=1, seed=5)


def test_create_and_register(proxy: LossyProxy, server: EmbeddedServer, run_name: str) -> None:
    Session(proxy.url, run_name).call("create", ["other"], 1, "x", "0.9")  # the server knows the script
    proxy.lose = 1
    created = Store.create(proxy.url, run_name, "connect_four")
    proxy.lose = 1
    player = created.register(Player(id="p", name="name", kind=Kind.BOT))
    created.close()
    assert proxy.lost == 2
    assert Store.open(server.url, run_name).players() == [player]


def test_episodes_count_once(store: Store, lossy: Store, proxy: LossyProxy) -> None:
    a, b = make_players(store, 2)
    for _ in range(3):
        proxy.lose = 2
        assert not lossy.report_episodes([EpisodeCount(player=a.id, opponent=b.id, seat=0, wins=1, draws=0, losses=0)])
    assert proxy.lost == 6
    assert store.episode_reports() == 3
    assert store.payoff_row(a.id)[b.id].games == pytest.approx(1 + 0.99 + 0.99**2)


def test_a_lease_that_was_given_is_given_again(store: Store, lossy: Store, proxy: LossyProxy) -> None:
    a, b = make_players(store, 2)
    proxy.lose = 1
    lossy.queue.enqueue([_pairing(a, b), _pairing(b, a, "m_2")])
    assert store.queue.waiting() == 2
    proxy.lose = 3
    lease = lossy.queue.lease("w", 60)
    assert lease is not None
    assert (lease.pairing.id, lease.token, lease.expiries) == ("m_1", 1, 0)
    assert store.queue.waiting() == 1
    assert store.queue.extend(lease, -1.0) is not None
    proxy.lose = 3
    lease = lossy.queue.lease("w", 60)
    assert lease is not None
    assert (lease.pairing.id, lease.token, lease.expiries) == ("m_1", 2, 1)


def test_reports_of_matches_and_aborts_act_once(store: Store, lossy: Store, proxy: LossyProxy) -> None:
    a, b = make_players(store, 2)
    store.queue.enqueue([_pairing(a, b), _pairing(b, a, "m_2"), _pairing(b, a, "m_3")])
    first, second, third = (store.queue.lease("w", 60) for _ in range(3))
    assert first is not None
    assert second is not None
    assert third is not None
    proxy.lose = 1
    assert lossy.queue.report(first, "wl") is Reported.RECORDED
    proxy.lose = 1
    assert lossy.queue.extend(second, 60) is not None
    proxy.lose = 1
    lossy.queue.abort(second, "worker stops")
    proxy.lose = 1
    lossy.queue.abort(third, "bot crashes", give_up_after=1)
    assert proxy.lost == 4
    assert [result.outcomes for result in store.queue.matches()] == ["wl"]
    assert [pairing.id for pairing in store.queue.pending()] == ["m_2"]
    assert store.queue.waiting() == 1
    assert [dropped.reason for dropped in store.queue.dropped()] == ["bot crashes"]


def test_ratings_are_committed_once(store: Store, lossy: Store, proxy: LossyProxy) -> None:
    point = RatingPoint(position=2, at=1.0, player="a", mu=26.0, sigma=8.0, elo=1010.0)
    for expected in (0, 2):
        proxy.lose = 1
        assert lossy.ratings.commit(expected, expected + 2, {"a": Rating(mu=26.0)}, [point])
    assert store.ratings.position() == 4
    assert store.ratings.history() == [point, point]


def test_commands_statuses_facts_and_heartbeats(store: Store, lossy: Store, proxy: LossyProxy) -> None:
    status = LearnerStatus(
        player="p", steps=1, generation=0, pool_win_rate=0.5, samples_per_second=1.0, episodes=2, numbers={"kl": 0.1}
    )
    for _ in range(2):  # the second time the server knows the scripts by their hash
        proxy.lose = 1
        lossy.processes.send(Command(target="all", name="stop"))
        proxy.lose = 1
        lossy.processes.set_status(status)
        proxy.lose = 1
        lossy.set_fact("deadline", "12.5")
        proxy.lose = 1
        lossy.processes.beat(Heartbeat(process="rater", pid=7))
    assert proxy.lost == 8
    assert store.processes.num_commands() == 2
    assert store.processes.statuses() == {"p": status}
    assert store.facts == {"deadline": "12.5"}
    assert [beat.pid for beat in store.processes.heartbeats()] == [7]


@pytest.fixture
def every_reply_lost(lossy: Store, proxy: LossyProxy, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Each of its calls is made twice, for the first reply to it is lost."""
    call = lossy.session.call

    def calls(name: str, *rest: Any) -> Any:
        proxy.lose = 1
        return call(name, *rest)

    monkeypatch.setattr(lossy.session, "call", calls)
    return lossy


@pytest.mark.parametrize("piece", [1, 2, 1000])
def test_a_payoff_is_replaced_once(store: Store, every_reply_lost: Store, proxy: LossyProxy, piece: int) -> None:
    make_players(store, 3)
    store.report_rows([(0, 1, 0, 1, 0, 0), (0, 2, 0, 0, 2, 0), (1, 2, 0, 0, 0, 3)])
    pairs = store.payoff_pairs()
    assert len(pairs) == 3
    assert every_reply_lost.replace_payoff(pairs, 1, piece)
    assert proxy.lost == -(-3 // piece) + 1
    assert store.payoff_pairs() == pairs
    assert every_reply_lost.replace_payoff({}, 1, piece)
    assert store.payoff_pairs() == {}


@pytest.mark.parametrize("piece", [1, 2, 1000])
def test_ratings_are_replaced_once(store: Store, every_reply_lost: Store, piece: int) -> None:
    points = [RatingPoint(position=2, at=float(n), player="a", mu=26.0, sigma=8.0, elo=1010.0) for n in range(5)]
    ratings = {name: Rating(mu=26.0 + number) for number, name in enumerate("abc")}
    assert store.ratings.commit(0, 2, {"d": Rating()}, points[:1])
    assert every_reply_lost.ratings.replace(2, ratings, points, piece)
    assert store.ratings.state() == (2, ratings)
    assert store.ratings.history() == points


def test_what_was_set_aside_and_is_gone_is_not_put_in_place(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    make_players(store, 2)
    store.report_rows([(0, 1, 0, 1, 0, 0)])
    pairs = store.payoff_pairs()
    monkeypatch.setattr("matchmaking.store.set_aside", lambda *_: "aside:gone")
    assert not store.replace_payoff(pairs, 1)
    assert store.payoff_pairs() == pairs


def test_without_our_ids_a_retry_counts_twice(proxy: LossyProxy, run_name: str) -> None:
    """The fault that this store is built against, shown on redis-py's own retries of a script without a ticket."""
    with redis.Redis(unix_socket_path=proxy.url.removeprefix("unix://")) as client:
        client.ping()
        proxy.lose = 1
        client.eval("return redis.call('INCR', KEYS[1])", 1, run_name)
        assert client.get(run_name) == b"2"


def test_a_ticket_of_ones_own_makes_a_report_repeatable(store: Store) -> None:
    a, b = make_players(store, 2)
    counts = [EpisodeCount(player=a.id, opponent=b.id, seat=0, wins=1, draws=0, losses=0)]
    assert store.report_episodes(counts, Ticket("learner-0", 1))
    assert not store.report_episodes(counts, Ticket("learner-0", 1))
    assert store.report_episodes(counts, Ticket("learner-1", 1))
    assert store.report_episodes(counts, Ticket("learner-0", 7))
    assert not store.report_episodes(counts, Ticket("learner-0", 6))
    assert store.episode_reports() == 3


def test_reports_of_a_stream_count_once_however_they_are_cut(store: Store, lossy: Store, proxy: LossyProxy) -> None:
    a, b = make_players(store, 2)
    reports = [[EpisodeCount(player=a.id, opponent=b.id, seat=0, wins=n, draws=0, losses=1)] for n in range(1, 6)]
    assert store.reported("learner-0") == 0
    assert store.report_stream([], Ticket("learner-0", 1)) == 0
    assert store.report_stream(reports[:2], Ticket("learner-0", 1)) == 2
    assert store.report_stream(reports[:2], Ticket("learner-0", 1)) == 0
    assert store.report_stream(reports[1:4], Ticket("learner-0", 2)) == 2, "the first of them was there"
    proxy.lose = 1
    assert lossy.report_stream(reports, Ticket("learner-0", 1)) == 0, "the answer that said 1 was lost"
    assert store.reported("learner-0") == 5
    assert [rows[0][3] for rows in store.episode_rows(0, 10)] == [1, 2, 3, 4, 5]
    expected = Counters()
    for n in range(1, 6):
        expected = add(expected, n, 0, 1)
    assert store.payoff_row(a.id)[b.id] == expected, "each report is folded by itself"
    stranger = EpisodeCount(player="nobody", opponent=b.id, seat=0, wins=1, draws=0, losses=0)
    with pytest.raises(UnknownPlayerError):
        store.report_stream([reports[0], [stranger]], Ticket("learner-0", 6))
    assert store.reported("learner-0") == 5


def test_scripts_are_sent_again_to_a_server_that_forgot_them(store: Store, server: EmbeddedServer) -> None:
    store.set_fact("a", "1")
    with connect(server.url) as client:
        client.script_flush()
        assert client.script_exists(script("set_field").sha) == [False]
        store.set_fact("a", "2")
        assert client.script_exists(script("set_field").sha) == [True]
    assert store.facts == {"a": "2"}


def test_a_restart_of_the_server_is_waited_for(own_server: EmbeddedServer) -> None:
    store = Store.create(own_server.url, "run", "connect_four", patience=10.0)
    a, b = make_players(store, 2)
    pid = own_server.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    supervisor = threading.Timer(0.3, own_server.start)
    supervisor.start()
    assert store.report_episodes([EpisodeCount(player=a.id, opponent=b.id, seat=0, wins=1, draws=0, losses=0)])
    supervisor.join()
    assert store.payoff_row(b.id)[a.id].losses == 1.0
    store.close()


def test_a_server_that_stays_away_is_reported_after_the_patience(own_server: EmbeddedServer) -> None:
    store = Store.create(own_server.url, "run", "connect_four", patience=0.3)
    own_server.stop()
    started = time.monotonic()
    with pytest.raises(RedisUnreachableError, match="does not answer") as caught:
        store.set_fact("a", "1")
    assert 0.3 <= time.monotonic() - started < 3.0
    assert caught.value.exit_code == 3
    store.close()


def test_a_refusal_to_write_is_told_to_a_person(own_server: EmbeddedServer) -> None:
    store = Store.create(own_server.url, "run", "connect_four")
    with connect(own_server.url) as client:
        client.config_set("maxmemory", "1kb")
        with pytest.raises(StoreWriteError, match=r"refuses to write: .*maxmemory"):
            store.set_fact("b", "x")
        client.config_set("maxmemory", "0")
    store.set_fact("b", "y")
    store.close()


@pytest.mark.parametrize(
    "error",
    [
        OutOfMemoryError("command not allowed when used memory > 'maxmemory'. script: 1, on @user_script:86."),
        ReadOnlyError("You can't write against a read only replica. script: 1, on @user_script:2."),
    ],
)
def test_a_refusal_in_the_words_of_redis_7(store: Store, monkeypatch: pytest.MonkeyPatch, error: ResponseError) -> None:
    """From within a script it comes with the place in it, and is no damage of what stands in Redis."""

    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(store.session, "_execute", refuse)
    with pytest.raises(StoreWriteError, match="refuses to write"):
        store.set_fact("b", "x")


def test_a_password_that_is_missing_is_said(own_server: EmbeddedServer) -> None:
    with connect(own_server.url) as client:
        client.config_set("requirepass", "secret")
        try:
            with pytest.raises(RedisUnreachableError, match="asks for a password"):
                Store.open(own_server.url, "run")
        finally:
            client.config_set("requirepass", "")


def test_a_fault_of_our_own_is_not_dressed_up(store: Store) -> None:
    with pytest.raises(ResponseError, match="unknown command"):
        store.session.read("NOSUCH", "facts")
