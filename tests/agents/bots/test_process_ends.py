"""How bots' processes end, and what their records say."""

from __future__ import annotations

import time

import pytest

from agents.bots.core import BotFailedError, Clocks, FailureCode, Phase
from tests.agents.bots.bots import acting
from tests.agents.bots.refereed import ALL, EMPTY, Referee


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("os._exit(7)", "its process exited with status 7"),
        ("os._exit(0)", "its process exited with status 0"),
        ("sys.exit(2)", "SystemExit: 2"),
        ("ctypes.string_at(8)", "its process was killed by SIGSEGV"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        (
            "class E(BaseException):\n    def __str__(self): raise ValueError\nraise E",
            "E: <its text raised ValueError>",
        ),
        ("def f(): return f()\nf()", "RecursionError"),
    ],
)
def test_exits_and_crashes(referee: Referee, body: str, message: str) -> None:
    record = referee.failure(acting(body, head="import ctypes, os, sys\n"))
    assert (record.code, record.phase) == (FailureCode.CRASH, Phase.ACT)
    assert message in record.message
    assert record.legal_actions is None or len(record.legal_actions) == 7


def test_who_dies_while_nothing_is_asked(referee: Referee) -> None:
    head = "import os, threading, time\ndef later():\n    time.sleep(0.1)\n    os._exit(5)\n"
    process = referee.start(acting("threading.Thread(target=later).start(); return 0", head=head))
    process.reset("m_1/0", 5, "player_0")
    process.act(EMPTY, ALL, 0)
    time.sleep(0.5)
    with pytest.raises(BotFailedError) as caught:
        process.act(EMPTY, ALL, 2)
    record = caught.value.record
    assert (record.code, record.phase, record.message) == (
        FailureCode.CRASH,
        Phase.IDLE,
        "its process exited with status 5",
    )


def test_closing_the_channel_is_no_way_to_live_on(referee: Referee) -> None:
    record = referee.failure(acting("os.close(3); time.sleep(60)", head="import os, time\n"))
    assert (record.code, record.message) == (
        FailureCode.PROTOCOL,
        "closed the channel on which it is to answer",
    )


def test_closing_the_log_is_allowed(referee: Referee) -> None:
    assert referee.play(acting("if self.moves == 1: os.close(1); os.close(2)\nreturn 1", head="import os\n"), 3) == [
        1,
        1,
        1,
    ]


@pytest.mark.parametrize(
    "body",
    [
        "while True: print('spam' * 1000)",
        "while True: sys.stderr.write('spam' * 1000)",
    ],
)
def test_a_flood_of_output_ends_it(referee: Referee, body: str) -> None:
    record = referee.failure(acting(body, head="import sys\n"), clocks=Clocks(move=30.0))
    assert (record.code, record.message) == (FailureCode.PROTOCOL, "wrote more than 100,000 bytes to its log")
    assert len(record.stderr) <= 4000


def test_memory_beyond_the_limit_is_oom(referee: Referee) -> None:
    record = referee.failure(acting("keep = [bytearray(10**7) for _ in range(100)]"), clocks=Clocks(move=60.0))
    assert (record.code, record.phase) == (FailureCode.OOM, Phase.ACT)
    assert record.message == "MemoryError (it may use 512 MiB)"


def test_a_bot_s_own_report_is_bounded_and_harmless(referee: Referee) -> None:
    body = "raise type('Evil\\x1b[31m' + 'n' * 5000, (Exception,), {})('m\\x00' * 100_000)"
    record = referee.failure(acting(body))
    assert record.code is FailureCode.CRASH
    assert record.message.isprintable()
    assert len(record.message) < 2000
