"""Any order of verbs on the queue, against a model of a few lines: none lost, none doubled, none rated by an abort."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from matchmaking.errors import NameTakenError
from matchmaking.records import Kind, Lease, Pairing, Player
from matchmaking.run_records import Reported
from matchmaking.server import EmbeddedServer
from matchmaking.store import Store

PAST = -1.0


@dataclass
class Model:
    """What the queue must look like."""

    queue: list[str] = field(default_factory=list)
    deadlines: dict[str, float] = field(default_factory=dict)  # of leased pairings
    expired: set[str] = field(default_factory=set)  # leased, past their deadline, not handed out again yet
    holders: dict[str, int] = field(default_factory=dict)  # pairing -> newest token that may report
    results: dict[str, tuple[int, str]] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)  # aborts that were counted
    dropped: set[str] = field(default_factory=set)

    def holds(self, lease: Lease) -> bool:
        return self.holders.get(lease.pairing.id) == lease.token

    def remove(self, name: str) -> None:
        self.deadlines.pop(name, None)
        self.expired.discard(name)
        self.holders.pop(name, None)
        if name in self.queue:
            self.queue.remove(name)


class QueueMachine(RuleBasedStateMachine):
    """Workers, planners and the clock in any order."""

    url = ""
    leases = Bundle("leases")

    @initialize()
    def begin(self) -> None:
        self.store = Store.create(self.url, f"model-{secrets.token_hex(6)}", "connect_four")
        self.model = Model()
        self.last_token = 0
        self.names: dict[str, str] = {}

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()

    @rule(name=st.sampled_from("xyz"), kind=st.sampled_from([Kind.BOT, Kind.FROZEN]))
    def register(self, name: str, kind: Kind) -> None:
        player = Player(id=f"{name}-{kind}", name=name, kind=kind)
        if self.names.setdefault(name, player.id) == player.id:
            self.store.register(player)
        else:
            with pytest.raises(NameTakenError):
                self.store.register(player)

    @rule(number=st.integers(0, 7))
    def enqueue(self, number: int) -> None:
        name = f"m_{number}"
        added = self.store.queue.enqueue([Pairing(id=name, a="a", b="b", pairs=1, seed=number)])
        known = {*self.model.queue, *self.model.deadlines, *self.model.results, *self.model.dropped}
        assert added == (name not in known)
        if added:
            self.model.queue.append(name)

    @rule(target=leases, worker=st.sampled_from(["w1", "w2"]), seconds=st.sampled_from([PAST, 60.0]))
    def lease(self, worker: str, seconds: float) -> object:
        model = self.model
        for name in sorted(model.expired, key=lambda name: model.deadlines[name]):
            model.queue.append(name)
            del model.deadlines[name]
        model.expired.clear()
        lease = self.store.queue.lease(worker, seconds)
        if not model.queue:
            assert lease is None
            return multiple()
        assert lease is not None
        assert lease.pairing.id == model.queue.pop(0)
        assert lease.token > self.last_token
        self.last_token = lease.token
        model.holders[lease.pairing.id] = lease.token
        self._set_deadline(lease, seconds)
        return lease

    @rule(lease=leases, seconds=st.sampled_from([PAST, 60.0]))
    def heartbeat(self, lease: Lease, seconds: float) -> None:
        """Also the clock: a heartbeat of a negative time lets a lease expire."""
        extended = self.store.queue.extend(lease, seconds)
        assert (extended is not None) == self.model.holds(lease)
        if extended is not None:
            if lease.pairing.id in self.model.queue:
                self.model.queue.remove(lease.pairing.id)
            self._set_deadline(extended, seconds)

    def _set_deadline(self, lease: Lease, seconds: float) -> None:
        name = lease.pairing.id
        self.model.deadlines[name] = lease.deadline
        self.model.expired.discard(name)
        if seconds < 0:
            self.model.expired.add(name)

    @rule(lease=leases, outcomes=st.sampled_from(["wl", "dd"]))
    def report(self, lease: Lease, outcomes: str) -> None:
        model, name = self.model, lease.pairing.id
        answer = self.store.queue.report(lease, outcomes)
        if name in model.results:
            same = model.results[name][0] == lease.token
            assert answer is (Reported.RECORDED if same else Reported.DUPLICATE)
        elif model.holds(lease):
            assert answer is Reported.RECORDED
            model.remove(name)
            model.results[name] = (lease.token, outcomes)
        else:
            assert answer is Reported.REFUSED

    @rule(lease=consumes(leases), give_up_after=st.sampled_from([0, 1, 2]))
    def abort(self, lease: Lease, give_up_after: int) -> None:
        model, name = self.model, lease.pairing.id
        held = model.holds(lease)
        waiting = name in model.queue
        assert self.store.queue.abort(lease, "reason", give_up_after) == held
        if held and give_up_after:
            model.tries[name] = model.tries.get(name, 0) + 1
        drop = 0 < give_up_after <= model.tries.get(name, 0)
        if held and drop:
            model.remove(name)
            model.dropped.add(name)
        elif held:
            model.holders.pop(name)
            model.deadlines.pop(name, None)
            model.expired.discard(name)
            if not waiting:
                model.queue.append(name)

    @invariant()
    def agrees(self) -> None:
        queue, model = self.store.queue, self.model
        assert queue.waiting() == len(model.queue)
        assert {pairing.id for pairing in queue.pending()} == {*model.queue, *model.deadlines}
        assert [(result.id, result.outcomes) for result in queue.matches()] == [
            (name, outcomes) for name, (_, outcomes) in model.results.items()
        ]
        assert {dropped.id for dropped in queue.dropped()} == model.dropped
        assert {player.name for player in self.store.players()} == set(self.names)


def _run(server: EmbeddedServer, examples: int, steps: int) -> None:
    machine = type("Machine", (QueueMachine,), {"url": server.url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_any_order_of_verbs(server: EmbeddedServer) -> None:
    _run(server, examples=12, steps=30)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_any_order_of_verbs_for_long(server: EmbeddedServer) -> None:
    _run(server, examples=400, steps=60)
