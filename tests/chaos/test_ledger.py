"""The history of leases and reports, read back from the append-only file of a real server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from matchmaking.records import EpisodeCount, Kind, Pairing, Player
from matchmaking.run_records import Ticket
from matchmaking.server import EmbeddedServer
from matchmaking.service import MAX_EXPIRIES, Matchmaker
from matchmaking.store import Store
from tests.chaos.ledger import LedgerError, content, read, transactions

SECONDS = 60.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(tmp_path / "redis")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def store(server: EmbeddedServer) -> Iterator[Store]:
    store = Store.create(server.url, "run", "tic_tac_toe")
    store.queue.enqueue([Pairing(id=f"m_{number}", a="a", b="b", pairs=1, seed=number) for number in range(5)])
    yield store
    store.close()


def test_every_end_of_a_lease_is_told_from_the_others(server: EmbeddedServer, store: Store) -> None:
    queue = store.queue
    recorded, returned, dropped, expired = (queue.lease(f"w{number}", SECONDS) for number in range(4))
    assert recorded and returned and dropped and expired
    queue.report(recorded, "wl")
    queue.abort(returned, "it stops")
    queue.abort(dropped, "it cannot be played", give_up_after=1)
    queue.extend(expired, -1.0)
    assert queue.lease("w4", SECONDS) is not None  # what expired
    ledger = read(server.folder, "run", SECONDS)
    assert [(grant.pairing, grant.ended, grant.worker) for grant in ledger.grants] == [
        ("m_0", "recorded", "w0"),
        ("m_1", "returned", "w1"),
        ("m_2", "dropped", "w2"),
        ("m_3", "expired", "w3"),
        ("m_3", "", "w4"),
    ]
    assert [grant.token for grant in ledger.grants] == [1, 2, 3, 4, 5]
    assert ledger.queue == ["m_4", "m_1"]
    assert ledger.leased.keys() == {"m_3"}
    assert [(dropped.id, dropped.reason) for dropped in ledger.dropped] == [("m_2", "it cannot be played")]
    assert ledger.queued == {f"m_{number}" for number in range(5)}
    assert len(ledger.matches) == 1
    assert ledger.grants[-1].at == pytest.approx(time.time(), abs=5.0)
    assert ledger.grants[-1].deadline - ledger.grants[-1].at == pytest.approx(SECONDS)


def test_what_was_taken_back_or_reported_late_is_held_to_its_end(server: EmbeddedServer, store: Store) -> None:
    first, late = (store.queue.lease(worker, SECONDS) for worker in ("w0", "w1"))
    assert first and late
    for lease, seconds in ((first, -2.0), (late, -1.0)):
        store.queue.extend(lease, seconds)
    assert store.queue.lease("w2", SECONDS)  # m_0 again; m_1 waits
    assert [grant.ended for grant in read(server.folder, "run", SECONDS).grants] == ["expired", "expired", ""]
    store.queue.extend(late, SECONDS)
    assert [grant.ended for grant in read(server.folder, "run", SECONDS).grants] == ["expired", "", ""]
    store.queue.report(late, "wl")
    assert [grant.ended for grant in read(server.folder, "run", SECONDS).grants] == ["expired", "recorded", ""]


def test_what_is_given_up_for_its_expiries_ends_once(server: EmbeddedServer, store: Store) -> None:
    poison = store.queue.lease("w", SECONDS)
    assert poison
    while lease := store.queue.lease("w", SECONDS):
        store.queue.report(lease, "wl")
    for number in range(MAX_EXPIRIES):
        assert poison and poison.pairing.id == "m_0"
        store.queue.extend(poison, -1.0)
        poison = Matchmaker(store).lease(f"w{number}", SECONDS, ahead=0)
    assert poison is None
    ledger = read(server.folder, "run", SECONDS)
    held = [grant for grant in ledger.grants if grant.pairing == "m_0"]
    assert [grant.ended for grant in held] == ["expired"] * MAX_EXPIRIES + ["dropped"]
    assert [dropped.id for dropped in ledger.dropped] == ["m_0"]
    assert (ledger.queue, ledger.leased) == ([], {})


def test_reports_stand_under_their_tickets(server: EmbeddedServer, store: Store) -> None:
    for name in ("a", "b"):
        store.register(Player(id=name, name=name, kind=Kind.FROZEN))
    count = EpisodeCount(player="a", opponent="b", seat=0, wins=1, draws=0, losses=0)
    store.report_stream([[count], [count, count]], Ticket("learner", 4))
    store.report_stream([[count, count], [count]], Ticket("learner", 5))
    reports = read(server.folder, "run", SECONDS).reports
    assert [(report.client, report.number, report.text.count("[0,1,")) for report in reports] == [
        ("learner", 4, 1),
        ("learner", 5, 2),
        ("learner", 6, 1),
    ]


def test_a_torn_end_was_not_applied_and_a_missing_beginning_is_an_error(server: EmbeddedServer, store: Store) -> None:
    whole = list(transactions(content(server.folder)))
    torn = list(transactions(content(server.folder)[:-3]))
    assert torn == whole[:-1]
    with pytest.raises(LedgerError, match="does not begin with the run"):
        read(server.folder, "another", SECONDS)
