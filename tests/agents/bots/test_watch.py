"""Measuring bots: everybody in one round, however many are asked; memory and threads as the kernel tells them."""

from __future__ import annotations

import os
import subprocess
import sys
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


THREADS = """
import sys, threading
for _ in range(3):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
kept = bytearray(b"x" * (32 << 20))
print(flush=True)
sys.stdin.read()
"""


def test_usage_is_what_the_kernel_tells() -> None:
    # in a program of its own: other tests' threads may still be ending in this one
    command = [sys.executable, "-c", THREADS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"\n"
        memory, threads = usage(program.pid)
        assert threads == 1 + 3
        assert 32 * 2**20 < memory < 128 * 2**20
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
