"""The watch over one lease: what it keeps, and what ends it."""

from __future__ import annotations

import threading
import time
from typing import Any, cast

import pytest

from league.lease_watch import LeaseLostError, LeaseWatch, StoppedError
from league.process import Process
from matchmaking.errors import MatchmakingError, RedisUnreachableError
from matchmaking.records import Lease, Pairing
from matchmaking.service import Matchmaker

LEASE = Lease(pairing=Pairing(id="m_0", a="a", b="b", pairs=1, seed=0), token=1, worker="w", deadline=0.0)


class Fake:
    """A process and a matchmaker that do as they are told and note who calls them."""

    def __init__(self) -> None:
        self.stopping = False
        self.lost = False
        self.error: MatchmakingError | None = None
        self.beats: list[str] = []
        self.kept: list[str] = []

    def beat(self, status: str, numbers: object) -> None:
        self.beats.append(threading.current_thread().name)
        if self.error is not None:
            raise self.error

    def heartbeat(self, lease: Lease, seconds: float) -> Lease | None:
        self.kept.append(threading.current_thread().name)
        return None if self.lost else lease

    def watch(self, seconds: float) -> LeaseWatch:
        process, matchmaker = cast(Process, cast(Any, self)), cast(Matchmaker, cast(Any, self))
        return LeaseWatch(process, matchmaker, LEASE, seconds, lambda: ("busy", {}))


def wait_for(watch: LeaseWatch, error: type[Exception]) -> None:
    """Wait until `check` raises, and nothing else."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            watch.check()
        except error:
            return
        time.sleep(0.01)
    raise AssertionError(f"there was never a {error.__name__}")


def test_between_plies_it_does_what_is_due_itself() -> None:
    fake = Fake()
    watch = fake.watch(seconds=1000.0)
    watch.look()
    watch.look()
    assert len(fake.beats) == 2
    assert fake.kept == [], "a lease of a quarter of an hour is not kept at every ply"
    fake.lost = True
    watch = fake.watch(seconds=0.0)
    with pytest.raises(LeaseLostError):
        watch.look()
    fake.stopping = True
    with pytest.raises(StoppedError):
        fake.watch(seconds=1000.0).look()


def test_a_check_asks_nobody() -> None:
    fake = Fake()
    watch = fake.watch(seconds=0.0)
    watch.check()
    assert fake.beats == fake.kept == []


def test_in_the_background_a_thread_does_it() -> None:
    fake = Fake()
    watch = fake.watch(seconds=0.1)
    with watch.in_background():
        deadline = time.monotonic() + 30
        while len(fake.kept) < 3 and time.monotonic() < deadline:
            watch.look()
            time.sleep(0.01)
        assert len(fake.kept) >= 3
    assert set(fake.beats) == set(fake.kept) == {"lease of m_0"}, "and the player's thread never"
    beats = len(fake.beats)
    watch.look()
    assert len(fake.beats) == beats + 1, "afterwards it does it itself again"
    assert fake.beats[-1] == "MainThread"


@pytest.mark.parametrize(("what", "error"), [("lost", LeaseLostError), ("redis", RedisUnreachableError)])
def test_what_the_thread_finds_is_told_at_the_next_check(what: str, error: type[Exception]) -> None:
    fake = Fake()
    watch = fake.watch(seconds=0.1)
    with watch.in_background():
        watch.check()
        if what == "lost":
            fake.lost = True
        else:
            fake.error = RedisUnreachableError("gone")
        wait_for(watch, error)
