"""Measuring bots: everybody in one round, however many are asked; memory and threads as the kernel tells them."""

from __future__ import annotations

import os
import threading

import pytest

from agents.bots.channel import WATCH
from agents.bots.core import FailureCode, Limits
from agents.bots.watch import Round, over_limit, usage


class Counted:
    """Counts how often it is measured."""

    def __init__(self) -> None:
        self.times = 0

    def measure(self) -> None:
        self.times += 1


def test_a_round_is_made_once_in_its_time_however_many_are_asked() -> None:
    now = 100.0
    round_ = Round(lambda: now)
    members = [Counted() for _ in range(64)]
    for each in members:
        round_.join(each)
    for _ in members:  # each of them is asked, and asks for a round
        round_.make()
    assert {each.times for each in members} == {1}
    now += 1.01 * WATCH
    round_.leave(members[0])
    round_.make()
    assert [each.times for each in members] == [1] + [2] * 63


def test_who_is_forgotten_is_not_kept_alive() -> None:
    round_, left = Round(), Counted()
    round_.join(left)
    round_.join(Counted())
    round_.make()
    assert left.times == 1
    assert len(round_._members) == 1


def test_usage_is_what_the_kernel_tells() -> None:
    memory, threads = usage(os.getpid())
    assert memory > 10 * 2**20
    assert threads == len(os.listdir("/proc/self/task"))  # noqa: PTH208
    stop = threading.Event()
    others = [threading.Thread(target=stop.wait) for _ in range(3)]
    for other in others:
        other.start()
    assert usage(os.getpid())[1] == threads + 3
    stop.set()
    for other in others:
        other.join()
    assert usage(2**22 + 1) == (0, 0)


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (Limits(memory=16 * 2**20), FailureCode.OOM),
        (Limits(memory=2**40, threads=1), FailureCode.SANDBOX_DENIED),
        (Limits(memory=2**40, threads=10_000), None),
    ],
)
def test_what_is_over_its_limit_is_named(limits: Limits, code: FailureCode | None) -> None:
    stop = threading.Event()
    other = threading.Thread(target=stop.wait)
    other.start()
    found = over_limit(os.getpid(), limits)
    stop.set()
    other.join()
    assert (None if found is None else found.code) is code
