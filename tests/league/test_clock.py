"""How long a run has trained."""

from __future__ import annotations

from league.clock import SAVE_EVERY, TrainingClock, training_time
from matchmaking.store import Store


def test_only_time_with_learners_at_work_counts(store: Store) -> None:
    clock = TrainingClock(store, 10.0)
    for now, working in ((100.0, False), (103.0, True), (104.5, True), (106.0, False), (200.0, True), (202.0, True)):
        clock.tick(now, working)
    assert clock.time.elapsed == 1.5 + 2.0
    assert clock.time.left == 6.5
    assert not clock.over
    clock.tick(210.0, working=True)
    assert clock.over
    assert clock.time.left == 0.0


def test_the_next_supervisor_goes_on_with_what_is_left(store: Store) -> None:
    clock = TrainingClock(store, 60.0)
    clock.tick(0.0, working=True)
    clock.tick(SAVE_EVERY + 1.0, working=True)
    clock.tick(SAVE_EVERY + 2.0, working=True)  # not saved any more: killed
    assert TrainingClock(store, 60.0).time == training_time(store, 60.0) == (SAVE_EVERY + 1.0, 60.0 - SAVE_EVERY - 1.0)
    clock.save()
    assert TrainingClock(store, 60.0).time.elapsed == SAVE_EVERY + 2.0


def test_more_time_counts_from_now_and_is_remembered(store: Store) -> None:
    clock = TrainingClock(store, 5.0)
    clock.tick(0.0, working=True)
    clock.tick(5.0, working=True)
    assert clock.over
    assert TrainingClock(store, 5.0, more=30.0).time == (5.0, 30.0)
    assert TrainingClock(store, 5.0).time == (5.0, 30.0), "a plain resumption keeps to the later limit"


def test_a_run_without_a_limit_is_never_over(store: Store) -> None:
    clock = TrainingClock(store, None)
    clock.tick(0.0, working=True)
    clock.tick(1e6, working=True)
    assert clock.time == (1e6, None)
    assert not clock.over
