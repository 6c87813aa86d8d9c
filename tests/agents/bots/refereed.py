"""What tests of bots' processes share: a referee that starts bots, plays with them, and reads their failures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arenas.registry as arenas
from agents.bots.core import BotFailedError, Clocks, FailureRecord, Limits
from agents.bots.nursery import Nursery
from agents.bots.process import BotProcess
from arenas.core import ArenaSpec
from tests.agents.bots.bots import write_bot

SPEC = arenas.make("connect_four").spec
CLOCKS = Clocks(start=10.0, move=0.2, bank=0.3)
EMPTY = np.zeros(SPEC.observation_shape, np.float32)
ALL = np.ones(SPEC.num_actions, np.bool_)
LIMITS = Limits(memory=512 * 1024**2, output=100_000, message=4096)
SLACK = 5.0  # seconds that a loaded machine may add


class Referee:
    """Starts bots, plays one move or more, and ends them."""

    def __init__(self, nursery: Nursery, folder: Path) -> None:
        self.nursery, self.folder, self.started = nursery, folder, list[BotProcess]()

    def start(self, code: str, *, clocks: Clocks = CLOCKS, spec: ArenaSpec = SPEC, **kind: Any) -> BotProcess:
        source = write_bot(self.folder / f"bot_{len(self.started)}", code, **kind)
        process = self.nursery.start(source, spec, clocks)
        self.started.append(process)
        return process

    def play(self, code: str, moves: int = 1, **kind: Any) -> list[int]:
        process = self.start(code, **kind)
        process.reset("m_1/0", 5, "player_0")
        return [process.act(EMPTY, ALL, step) for step in range(moves)]

    def failure(self, code: str, moves: int = 1, **kind: Any) -> FailureRecord:
        """The record of a bot that has to fail within some moves. Its process is gone then."""
        with pytest.raises(BotFailedError) as caught:
            self.play(code, moves, **kind)
        assert not any(process.alive for process in self.started)
        (parent,) = [each._process.pid for each in self.nursery._interpreters.values()]
        assert Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii") == ""
        return caught.value.record
