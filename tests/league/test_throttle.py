"""A bound on the CPU that a process takes."""

from __future__ import annotations

from league.throttle import CREDIT, Throttle


class Machine:
    """A clock and a CPU meter that only move when told."""

    def __init__(self) -> None:
        self.now = 0.0
        self.used = 0.0

    def compute(self, seconds: float) -> None:
        self.now += seconds
        self.used += seconds

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def throttle(self, share: float) -> Throttle:
        return Throttle(share, used=lambda: self.used, clock=lambda: self.now, sleep=self.sleep)


def test_the_share_is_kept_in_the_long_run() -> None:
    machine = Machine()
    throttle = machine.throttle(0.25)
    for _ in range(1000):
        machine.compute(0.02)
        throttle.rest()
    assert 0.24 < machine.used / machine.now < 0.26 + CREDIT / machine.now


def test_a_long_computation_is_slept_off_in_small_pieces() -> None:
    machine = Machine()
    throttle = machine.throttle(0.5)
    machine.compute(10.0)
    throttle.rest()
    assert machine.now == 10.5
    for _ in range(40):
        throttle.rest()
    assert abs(machine.used / machine.now - 0.5) < 0.05


def test_idle_time_gives_little_credit() -> None:
    machine = Machine()
    throttle = machine.throttle(0.25)
    machine.sleep(3600.0)
    throttle.rest()
    machine.compute(CREDIT + 1.0)
    before = machine.now
    throttle.rest()
    assert machine.now > before


def test_a_released_throttle_never_rests() -> None:
    machine = Machine()
    throttle = machine.throttle(0.01)
    throttle.release()
    machine.compute(100.0)
    throttle.rest()
    assert machine.now == 100.0
