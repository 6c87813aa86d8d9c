"""A bot's process against its clocks."""

from __future__ import annotations

import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from agents.bots.core import BotFailedError, Clocks, FailureCode, Phase
from arenas.core import ArenaSpec, Turns
from tests.agents.bots.bots import acting
from tests.agents.bots.refereed import ALL, EMPTY, SLACK, Referee


def test_time_beyond_a_move_s_own_is_taken_off_the_bank_which_the_bot_sees(referee: Referee) -> None:
    body = """
        print(clock.bank)
        assert clock.move == 0.5
        if self.moves == 1: time.sleep(0.8)
        return 0
    """
    process = referee.start(acting(body, head="import time\n"), clocks=Clocks(move=0.5, bank=60.0))
    process.reset("m_1/0", 5, "player_0")
    assert process.bank == 60.0
    process.act(EMPTY, ALL, 0)
    left = process.bank
    assert 60.0 - SLACK < left <= 59.7
    process.act(EMPTY, ALL, 2)
    process.reset("m_1/1", 5, "player_0")
    assert process.bank == 60.0


def test_an_endless_loop_is_gone_soon_after_its_deadline(referee: Referee) -> None:
    process = referee.start(acting("while True: pass"))
    process.reset("m_1/7", 5, "player_0")
    began = time.monotonic()
    with pytest.raises(BotFailedError) as caught:
        process.act(EMPTY, ALL, 4)
    assert 0.5 <= time.monotonic() - began < 0.5 + SLACK
    record = caught.value.record
    assert (record.code, record.phase, record.match, record.agent, record.step) == (
        FailureCode.TIMEOUT,
        Phase.ACT,
        "m_1/7",
        "player_0",
        4,
    )
    assert record.message == "no answer within the 0.2 s of a move and the rest of its bank"
    assert record.bank_milliseconds == 0
    assert record.legal_actions == (0, 1, 2, 3, 4, 5, 6)
    assert record.milliseconds is not None
    assert record.milliseconds >= 500
    assert not Path(f"/proc/{process.pid}").exists()


def test_an_endless_reset_times_out(referee: Referee) -> None:
    code = "class Bot:\n def __init__(self, spec): pass\n def reset(self, seed, agent):\n  while True: pass\n"
    record = referee.failure(code + " def act(self, o, m, c): return 0\n")
    assert (record.code, record.phase) == (FailureCode.TIMEOUT, Phase.RESET)


def test_what_ignores_sigterm_ends_all_the_same(referee: Referee) -> None:
    head = "import signal\nfor number in (15, 2, 1, 3): signal.signal(number, signal.SIG_IGN)\n"
    assert referee.failure(acting("while True: pass", head=head)).code is FailureCode.TIMEOUT


@pytest.mark.parametrize(("place", "phase"), [("import", Phase.IMPORT), ("init", Phase.INIT)])
def test_who_is_not_ready_in_time_is_told_where_it_was(referee: Referee, place: str, phase: Phase) -> None:
    loop = "while True: pass"
    code = (
        f"{loop if place == 'import' else ''}\nclass Bot:\n def __init__(self, spec):\n  {loop}\n def act(self): pass\n"
    )
    record = referee.failure(code, clocks=Clocks(start=0.5))
    assert (record.code, record.phase) == (FailureCode.INIT_TIMEOUT, phase)
    assert record.message == "not ready within 0.5 s"
    assert record.match is None


@pytest.mark.parametrize("reads", [1, 2])
def test_a_command_that_stops_reading_uses_up_its_own_time(referee: Referee, reads: int) -> None:
    code = """
        import time
        input()
        print('{"type": "ready"}', flush=True)
    """
    if reads == 2:
        code += '    input()\n        print(\'{"id": 1, "ok": true}\', flush=True)\n'
    wide = ArenaSpec("wide", ("a",), ((0,),), (200, 500), 2, Turns.SEQUENTIAL, 1)  # more than any pipe holds
    process = referee.start(textwrap.dedent(code) + "time.sleep(600)", language="command", spec=wide)
    began = time.monotonic()
    with pytest.raises(BotFailedError) as caught:  # noqa: PT012  (in either, as `reads` says)
        process.reset(None, 5, "a")
        process.act(np.zeros(wide.observation_shape, np.float32), np.ones(2, np.bool_), 0)
    record = caught.value.record
    assert (record.code, record.phase) == (FailureCode.TIMEOUT, Phase.RESET if reads == 1 else Phase.ACT)
    assert time.monotonic() - began < 1.0 + SLACK
