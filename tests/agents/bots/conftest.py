"""A referee for the tests of bots' processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.bots.nursery import Nursery
from tests.agents.bots.refereed import LIMITS, Referee


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery(limits=LIMITS) as nursery:
        yield nursery


@pytest.fixture
def referee(nursery: Nursery, tmp_path: Path) -> Iterator[Referee]:
    referee = Referee(nursery, tmp_path)
    yield referee
    for process in referee.started:
        process.kill()
