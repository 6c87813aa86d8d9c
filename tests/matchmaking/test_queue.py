"""Leases: one holder at a time, expired ones go on to others, late reports are refused, aborts rate nobody."""

from __future__ import annotations

import pytest

from matchmaking.records import Lease, Pairing
from matchmaking.run_records import Reported
from matchmaking.store import Store

PAST = -1.0
"""Seconds of a lease that has expired when it is given: no test waits for a clock."""


def _pairing(number: int, pairs: int = 1) -> Pairing:
    return Pairing(id=f"m_{number}", a="a", b="b", pairs=pairs, seed=(1 << 60) + number)


def _lease(store: Store, worker: str = "w", seconds: float = 60.0) -> Lease:
    lease = store.queue.lease(worker, seconds)
    assert lease is not None
    return lease


def _beside_another(store: Store, expired: bool) -> Lease:
    """The lease on m_2 while m_1 is on lease; or it has expired, and waits behind m_1, which expired before it."""
    store.queue.enqueue([_pairing(1), _pairing(2)])
    first, late = _lease(store, "first"), _lease(store, "second")
    if not expired:
        return late
    for lease, seconds in ((first, 2 * PAST), (late, PAST)):
        assert store.queue.extend(lease, seconds) is not None
    assert _lease(store, "other").pairing.id == "m_1"
    assert store.queue.waiting() == 1
    return late


def test_pairings_are_handed_out_in_order_and_once(store: Store) -> None:
    queue = store.queue
    assert queue.lease("w", 60) is None
    assert queue.enqueue([_pairing(1), _pairing(2)]) == 2
    first, second = _lease(store, "w1"), _lease(store, "w2")
    assert [first.pairing, second.pairing] == [_pairing(1), _pairing(2)]
    assert (first.worker, second.worker) == ("w1", "w2")
    assert second.token > first.token
    assert 55 < first.deadline - store.session.now() <= 60
    assert queue.lease("w3", 60) is None
    assert queue.waiting() == 0
    assert len(queue.pending()) == 2


def test_an_id_is_queued_once_for_all_time(store: Store) -> None:
    queue = store.queue
    assert queue.enqueue([_pairing(1), _pairing(1)]) == 1
    assert queue.enqueue([_pairing(1)]) == 0
    lease = _lease(store)
    assert queue.enqueue([_pairing(1)]) == 0
    queue.report(lease, "wl")
    assert queue.enqueue([_pairing(1), _pairing(2)]) == 1
    queue.abort(_lease(store), "crash", give_up_after=1)
    assert queue.enqueue([_pairing(2)]) == 0
    assert queue.waiting() == 0


def test_planners_do_not_pile_up_work(store: Store) -> None:
    queue = store.queue
    assert queue.enqueue([_pairing(1), _pairing(2)], at_most=0) == 2
    assert queue.enqueue([_pairing(3)], at_most=1) == 0
    assert queue.enqueue([_pairing(3)], at_most=2) == 1


def test_a_report_ends_the_lease_and_writes_the_log(store: Store) -> None:
    store.queue.enqueue([_pairing(1, pairs=2)])
    lease = _lease(store, "evaluator-0")
    assert store.queue.report(lease, "wldd") is Reported.RECORDED
    (result,) = store.queue.matches()
    assert (result.id, result.a, result.b, result.seed) == ("m_1", "a", "b", (1 << 60) + 1)
    assert (result.outcomes, result.worker) == ("wldd", "evaluator-0")
    assert abs(result.finished - store.session.now()) < 60
    assert store.queue.num_matches() == 1
    assert store.queue.pending() == []
    assert store.queue.lease("w", 60) is None


def test_a_report_may_be_repeated_and_counts_once(store: Store) -> None:
    store.queue.enqueue([_pairing(1)])
    lease = _lease(store)
    assert [store.queue.report(lease, "wl") for _ in range(3)] == [Reported.RECORDED] * 3
    assert store.queue.num_matches() == 1


def test_an_expired_lease_goes_to_another_and_the_late_report_is_refused(store: Store) -> None:
    store.queue.enqueue([_pairing(1)])
    slow = _lease(store, "slow", PAST)
    fast = _lease(store, "fast")
    assert fast.pairing == slow.pairing
    assert fast.token > slow.token
    assert store.queue.report(slow, "ww") is Reported.REFUSED
    assert store.queue.extend(slow, 60) is None
    assert not store.queue.abort(slow, "too late", give_up_after=1)
    assert store.queue.report(fast, "ll") is Reported.RECORDED
    assert store.queue.report(slow, "ww") is Reported.DUPLICATE
    assert [result.outcomes for result in store.queue.matches()] == ["ll"]


def test_an_expired_lease_that_nobody_took_still_counts(store: Store) -> None:
    late = _beside_another(store, expired=True)
    assert store.queue.report(late, "wl") is Reported.RECORDED
    assert store.queue.waiting() == 0
    assert store.queue.lease("other", 60) is None


def test_a_heartbeat_keeps_the_lease(store: Store) -> None:
    store.queue.enqueue([_pairing(1)])
    lease = _lease(store, "w", 1.0)
    longer = store.queue.extend(lease, 100)
    assert longer is not None
    assert longer.deadline > lease.deadline + 90
    assert longer.token == lease.token
    assert store.queue.extend(longer, PAST) is not None
    assert _lease(store, "other").pairing == lease.pairing


def test_a_heartbeat_takes_an_expired_lease_back_from_the_queue(store: Store) -> None:
    lease = _beside_another(store, expired=True)
    assert store.queue.extend(lease, 60) is not None
    assert store.queue.waiting() == 0
    assert store.queue.lease("third", 60) is None


def test_expired_pairings_are_the_next_ones_that_are_handed_out(store: Store) -> None:
    store.queue.enqueue([_pairing(number) for number in range(1, 5)])
    for lease, seconds in [(_lease(store, "w1"), PAST), (_lease(store, "w2"), 2 * PAST)]:
        assert store.queue.extend(lease, seconds) is not None
    assert [_lease(store, f"w{n}").pairing.id for n in range(4)] == ["m_2", "m_1", "m_3", "m_4"], "the longest first"


def test_a_pairing_that_kills_its_workers_does_not_starve_the_others(store: Store) -> None:
    store.queue.enqueue([_pairing(1), _pairing(2)])
    assert [_lease(store, f"w{n}", PAST).pairing.id for n in range(3)] == ["m_1", "m_1", "m_1"]
    assert [_lease(store, f"w{n}").pairing.id for n in range(2)] == ["m_2", "m_1"]


def test_an_expiry_that_its_worker_survived_says_nothing_against_the_pairing(store: Store) -> None:
    late = _beside_another(store, expired=True)
    assert store.queue.extend(late, PAST) is not None
    store.queue.enqueue([_pairing(3)])
    assert [_lease(store, f"w{n}", PAST).pairing.id for n in range(2)] == ["m_2", "m_2"], "two expiries, not three"


def test_how_often_a_lease_expired_is_forgotten_with_its_pairing(store: Store) -> None:
    store.queue.enqueue([_pairing(1), _pairing(2)])
    for _ in range(2):
        _lease(store, "w", PAST)
    assert store.queue.report(_lease(store, "w"), "wl") is Reported.RECORDED
    _lease(store, "w", PAST)
    assert store.queue.abort(_lease(store, "w"), "no", give_up_after=1)
    assert store.session.read("HLEN", "expiries") == 0


@pytest.mark.parametrize("expired", [False, True])
def test_giving_back(store: Store, expired: bool) -> None:
    lease = _beside_another(store, expired)
    assert store.queue.abort(lease, "worker stops")
    assert store.queue.waiting() == 1
    assert not store.queue.abort(lease, "worker stops")
    assert store.queue.report(lease, "wl") is Reported.REFUSED
    assert store.queue.extend(lease, 60) is None
    again = _lease(store, "next")
    assert again.pairing == lease.pairing
    assert again.token > lease.token
    assert store.queue.dropped() == []


@pytest.mark.parametrize("expired", [False, True])
def test_dropping_leaves_a_reason_and_rates_nobody(store: Store, expired: bool) -> None:
    lease = _beside_another(store, expired)
    assert store.queue.abort(lease, "checkpoint is gone", give_up_after=1)
    (dropped,) = store.queue.dropped()
    assert (dropped.id, dropped.worker, dropped.reason) == ("m_2", "second", "checkpoint is gone")
    assert store.queue.lease("next", 60) is None
    assert store.queue.report(lease, "wl") is Reported.REFUSED
    assert store.queue.num_matches() == 0


def test_what_breaks_off_again_and_again_is_given_up_and_blocks_nothing(store: Store) -> None:
    store.queue.enqueue([_pairing(1), _pairing(2), _pairing(3)])
    played = []
    for _ in range(20):
        lease = store.queue.lease("w", 60)
        if lease is None:
            break
        if lease.pairing.id == "m_1":
            assert store.queue.abort(lease, "no process could be started", give_up_after=3)
        else:
            played.append(lease.pairing.id)
            store.queue.report(lease, "wl")
        if len(played) == 1:
            assert store.queue.abort(_lease(store), "worker stops"), "which is m_3: it says nothing against it"
    assert played == ["m_2", "m_3"]
    (dropped,) = store.queue.dropped()
    assert (dropped.id, dropped.a, dropped.b, dropped.pairs) == ("m_1", "a", "b", 1)
    assert dropped.reason == "no process could be started"
    assert store.queue.pending() == []
    assert store.session.read("EXISTS", "tries") == 0


def test_a_pairing_that_is_played_at_last_leaves_no_tries_behind(store: Store) -> None:
    store.queue.enqueue([_pairing(1)])
    for _ in range(2):
        assert store.queue.abort(_lease(store), "no process could be started", give_up_after=3)
    store.queue.report(_lease(store), "wl")
    assert store.queue.num_matches() == 1
    assert store.session.read("EXISTS", "tries") == 0


def test_what_is_queued_first_is_handed_out_first(store: Store) -> None:
    store.queue.enqueue([_pairing(1), _pairing(2)])
    assert store.queue.enqueue([_pairing(3)], first=True) == 1
    assert [_lease(store, f"w{n}").pairing.id for n in range(3)] == ["m_3", "m_1", "m_2"]


def test_matches_are_read_from_a_position(store: Store) -> None:
    store.queue.enqueue([_pairing(number) for number in range(5)])
    for _ in range(5):
        store.queue.report(_lease(store), "wl")
    assert [result.id for result in store.queue.matches(2)] == ["m_2", "m_3", "m_4"]
    assert [result.id for result in store.queue.matches(1, 2)] == ["m_1", "m_2"]
    assert store.queue.matches(5) == []
