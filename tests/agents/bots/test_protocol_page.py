"""`docs/bot-protocol.md` is true: its messages are what is sent, and its C program plays."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import arenas
from agents.bots.actor import BotActor
from agents.bots.core import BotFailedError, Clocks
from agents.bots.nursery import Nursery
from arenas.match import play_matches
from tests.agents.bots.bots import LINES, write_bot

PAGE = (Path(__file__).parents[3] / "docs" / "bot-protocol.md").read_text(encoding="utf-8")
SHOWN = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
CLOCKS = Clocks()


def shape(message: object) -> object:
    """The keys in their order, and the types of the values."""
    if isinstance(message, dict):
        return [(key, shape(value)) for key, value in message.items()]
    return type(message)


def test_the_requests_are_those_of_the_page_with_fields_in_that_order_and_no_spaces(tmp_path: Path) -> None:
    code = LINES.replace("request = json.loads(line)", "sys.stderr.write(line); request = json.loads(line)")
    code = code.replace("legal = [", "raise ValueError; legal = [")
    arena = arenas.make("connect_four")
    with Nursery() as nursery:
        process = nursery.start(write_bot(tmp_path / "b", code, language="command"), arena.spec, CLOCKS)
        process.reset(None, 3141592653, "player_1")
        with pytest.raises(BotFailedError) as caught:
            process.act(np.zeros(arena.spec.observation_shape, np.float32), np.ones(7, np.bool_), 0)
    lines = [line for line in caught.value.record.stderr.splitlines() if line.startswith("{")]
    assert not any(" " in line for line in lines)
    start, reset, act = map(json.loads, lines)
    by_type = {message["type"]: message for message in SHOWN if "type" in message}
    assert start == by_type["start"]
    assert reset == by_type["reset"]
    assert shape(act) == shape(by_type["act"])
    assert (act["id"], act["action_mask"], act["observation"]) == (2, [1] * 7, [0.0] * 84)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_the_c_program_plays(tmp_path: Path) -> None:
    source = write_bot(tmp_path / "b", "")
    (source.folder / "bot.c").write_text(re.findall(r"```c\n(.*?)```", PAGE, re.DOTALL)[0], encoding="utf-8")
    subprocess.run(["cc", "-Wall", "-Werror", "-o", "bot", "bot.c"], cwd=source.folder, check=True)
    program = replace(source, language="command", entry="", command=(str(source.folder / "bot"),))
    for name in ("connect_four", "rock_paper_scissors"):
        arena = arenas.make(name)
        with Nursery() as nursery:
            bots = [BotActor(nursery, program, arena.spec, CLOCKS) for _ in range(2)]
            played = play_matches(arena, bots, torch.arange(6), record=True)
            assert [bot.failures for bot in bots] == [[], []]
            assert not played.forfeits.any()
            if name == "connect_four":
                assert played.actions is not None
                assert len({tuple(match) for match in played.actions.tolist()}) == 6
