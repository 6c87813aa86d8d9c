"""Doors under changed inputs, in a process of bounded memory: those that open fast in CI, all where slow; and that the
driver bites."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import core
from tests.fuzz.core import Door, enter
from tests.fuzz.doors import DOORS
from tests.fuzz.driver import run
from tests.fuzz.mutate import raw

LIGHT = (
    "league file", "saved league.toml", "set option", "environment", "bot.toml", "bot.zip", "bot.tar.gz",
    "tournament.json", "tournament's journal", "log segment", "Redis URL",
)  # fmt: skip
"""Doors that are opened in no time."""


def answers(inputs: dict[str, int]) -> None:
    results = run(inputs, seed=1, together=True)
    assert {result.door: result.failures for result in results if result.failed} == {}
    assert {result.door: result.inputs for result in results} == inputs
    assert {result.door for result in results if not result.taken} <= {"Redis URL"}, "valid samples are among them"


def test_every_input_is_answered() -> None:
    answers(dict.fromkeys(LIGHT, 110))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_input_is_answered_at_every_door() -> None:
    answers(dict.fromkeys(DOORS, 110))


@pytest.mark.parametrize("name", LIGHT)
def test_whatever_hypothesis_thinks_of_is_answered(name: str, tmp_path: Path) -> None:
    json = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists)
    inputs = st.binary() | st.text().map(str.encode) | json.map(repr).map(str.encode)

    with DOORS[name](tmp_path) as door:

        @settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
        @given(inputs)
        def check(data: bytes) -> None:
            _, failure = enter(door, 0, data)
            assert failure is None

        check()


class Executed:
    """An object whose pickle leaves a folder behind where it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", LIGHT)
def test_a_pickle_is_no_input(name: str, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    with DOORS[name](tmp_path) as door:
        _, failure = enter(door, 0, pickle.dumps(Executed(mark)))
    assert failure is None
    assert not mark.exists()


def _hang() -> None:
    while True:
        pass


def _devour() -> None:
    bytearray(4 * 2**30)


def _die() -> None:
    os.abort()


def _crash() -> None:
    raise KeyError("x")


FAULTS: dict[bytes, Callable[[], None]] = {b"hang": _hang, b"devour": _devour, b"die": _die, b"crash": _crash}


@contextmanager
def faulty(scratch: Path) -> Iterator[Door]:
    """A door that takes anything, and does badly on four of its inputs."""

    def through(data: bytes) -> None:
        if data in FAULTS:
            FAULTS[data]()

    class Fixed(Door):
        def draw(self, seed: int, number: int) -> bytes:
            return self.samples[number % len(self.samples)]

    yield Fixed([b"good", *FAULTS], raw, (ValueError,), through)


def test_the_driver_finds_each_kind_of_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.fuzz import driver

    monkeypatch.setattr(driver, "CHILD", "tests.fuzz.faulty_child")
    (result,) = run({"faulty": 5}, seed=0)
    found = {failure.number % 5: failure.problem for failure in result.failures}
    assert (result.inputs, result.taken, result.failed) == (5, 1, 4)
    assert found[1].startswith("HangError: no answer after")
    assert found[2].startswith("MemoryError")
    assert found[3].startswith("the process ended with status -6")
    assert found[4].startswith("KeyError")


def test_a_message_that_cannot_be_shown_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(data: bytes) -> None:
        raise ValueError(data.decode("utf-8", "surrogateescape"))

    door = Door([b""], raw, (ValueError,), refuse)
    assert enter(door, 3, b"\xff") == (False, None)
    monkeypatch.setattr(core, "told", lambda error: (str(error), 1))
    _, failure = enter(door, 3, b"\xff")
    assert failure is not None and failure.number == 3 and "cannot be written" in failure.problem


def test_the_same_seed_gives_the_same_inputs(tmp_path: Path) -> None:
    with DOORS["bot.toml"](tmp_path) as door:
        first = [door.draw(1, number) for number in range(60)]
        assert first == [door.draw(1, number) for number in range(60)]
        assert len(set(first)) > 50 and first[0] in door.samples
        assert first[1:] != [door.draw(2, number) for number in range(1, 60)]
