"""One host and one nursery for all hostile bots; after each of them, nothing may be left or changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from agents.bots.core import FailureRecord
from agents.bots.nursery import Nursery
from tests.hostile import ground
from tests.hostile.ground import Attack, Host

Convict = Callable[[Attack], FailureRecord]


@pytest.fixture(scope="package")
def host() -> Iterator[Host]:
    """A run's folder, Redis, servers."""
    with ground.host() as made:
        yield made


@pytest.fixture(scope="package")
def nursery(host: Host) -> Iterator[Nursery]:
    """The referee's, under all layers."""
    with Nursery(limits=ground.LIMITS) as made:
        ground.good_bot(host, made)  # everything that is opened once is open now
        yield made


@pytest.fixture(autouse=True)
def nothing_changes(request: pytest.FixtureRequest, host: Host) -> Iterator[None]:
    """Files, processes and descriptors are what they were, and the referee goes on."""
    if "nursery" not in request.fixturenames:  # nothing is run
        files = host.prints()
        yield
        assert host.prints() == files
        return
    nursery: Nursery = request.getfixturevalue("nursery")
    interpreter = ground.interpreter(nursery)
    files, open_files = host.prints(), ground.descriptors()
    yield
    assert ground.interpreter(nursery) == interpreter, "the nursery has died"
    ground.good_bot(host, nursery)
    assert host.prints() == files
    assert ground.descriptors() == open_files
    assert ground.children(interpreter) == []


@pytest.fixture
def convict(host: Host, nursery: Nursery) -> Convict:
    """Plays a hostile bot and compares its record with the one that is expected."""

    def play(attack: Attack) -> FailureRecord:
        words = host.words | {"NURSERY": str(ground.interpreter(nursery))}
        source = host.source(attack, NURSERY=words["NURSERY"])
        before = ground.prints(source.folder)
        match = ground.play(nursery, source, attack.clocks)
        ground.hold(attack, match.record, words | {"BOT": str(source.folder)})
        assert match.record is not None
        assert ground.prints(source.folder) == before
        return match.record

    return play
