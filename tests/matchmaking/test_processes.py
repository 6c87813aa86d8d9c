"""Heartbeats, learner statuses and commands."""

from __future__ import annotations

from matchmaking.records import Heartbeat, LearnerStatus
from matchmaking.run_records import Command
from matchmaking.store import Store


def _status(player: str, steps: int) -> LearnerStatus:
    return LearnerStatus(
        player=player,
        steps=steps,
        generation=1,
        pool_win_rate=0.5,
        samples_per_second=9.5,
        episodes=3,
        numbers={"kl": 0.1},
    )


def test_heartbeats_are_dated_by_the_server(store: Store) -> None:
    store.processes.beat(Heartbeat(process="rater", pid=1, at=3.0))
    store.processes.beat(Heartbeat(process="learner-0", pid=2, status="trains on", numbers={"samples_per_second": 0.1}))
    store.processes.beat(Heartbeat(process="rater", pid=4))
    learner, rater = store.processes.heartbeats()
    assert (learner.process, learner.status, learner.numbers) == (
        "learner-0",
        "trains on",
        {"samples_per_second": 0.1},
    )
    assert (rater.process, rater.pid) == ("rater", 4)
    assert all(abs(beat.at - store.session.now()) < 60 for beat in (learner, rater))


def test_a_learners_last_status_stands(store: Store) -> None:
    for status in (_status("a", 1), _status("b", 2), _status("a", 3)):
        store.processes.set_status(status)
    assert store.processes.statuses() == {"a": _status("a", 3), "b": _status("b", 2)}


def test_each_process_sees_its_commands_once_and_none_from_before_its_time(store: Store) -> None:
    processes = store.processes
    processes.send(Command(target="all", name="stop"))
    seen = processes.num_commands()
    assert processes.commands("learner-0", seen) == ([], 1)
    processes.send(Command(target="learner-0", name="freeze", argument="p"))
    processes.send(Command(target="rater", name="stop"))
    processes.send(Command(target="all", name="stop"))
    orders = processes.commands("learner-0", seen)
    assert [(command.name, command.argument) for command in orders.commands] == [("freeze", "p"), ("stop", "")]
    assert all(abs(command.at - store.session.now()) < 60 for command in orders.commands)
    assert processes.commands("learner-0", orders.seen) == ([], 4)
    assert [command.target for command in processes.commands("rater", seen).commands] == ["rater", "all"]
