"""Bots that do not come back, and bots that take all the time that there is."""

from __future__ import annotations

import time

import pytest

from agents.bots.core import Clocks, FailureCode, Phase
from agents.bots.nursery import Nursery
from tests.agents.bots.bots import acting
from tests.hostile import ground
from tests.hostile.conftest import Convict
from tests.hostile.ground import ANY, HURRY, NO_TIME, Attack, Host, answers, says

HEAD = "import os, signal, sys, threading, time\n"
SLOW = "not ready within 0.6 s"
DEAF = HEAD + "for number in set(signal.Signals) - {9, 19}: signal.signal(number, signal.SIG_IGN)\n"
BLOCKED = HEAD + "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n"
LOOP = "any(iter(int, 1))"
HAMMER = "def again():\n    try:\n        while True: pass\n    finally:\n        again()\n"

LOOPS = [
    Attack("import", "while True: pass\n", FailureCode.INIT_TIMEOUT, SLOW, Phase.IMPORT, None, clocks=HURRY),
    Attack(
        "init",
        "class Bot:\n def __init__(self, spec):\n  while True: pass\n def act(self): pass\n",
        FailureCode.INIT_TIMEOUT,
        SLOW,
        Phase.INIT,
        None,
        clocks=HURRY,
    ),
    Attack(
        "reset",
        acting("return 0") + "    def reset(self, seed, agent):\n        while True: pass\n",
        FailureCode.TIMEOUT,
        NO_TIME,
        Phase.RESET,
        None,
        clocks=HURRY,
    ),
    answers("act", LOOP, FailureCode.TIMEOUT, NO_TIME, clocks=HURRY),
    answers("sleep", "time.sleep(3600)", FailureCode.TIMEOUT, NO_TIME, head=HEAD, clocks=HURRY),
    answers("without_the_lock", "hash(b'') if 7 ** (7 ** 12) else 0", FailureCode.TIMEOUT, NO_TIME, clocks=HURRY),
    answers("ignoring_signals", LOOP, FailureCode.TIMEOUT, NO_TIME, head=DEAF, clocks=HURRY),
    answers("blocking_signals", LOOP, FailureCode.TIMEOUT, NO_TIME, head=BLOCKED, clocks=HURRY),
    answers("stopped", "os.kill(os.getpid(), signal.SIGSTOP)", FailureCode.TIMEOUT, NO_TIME, head=HEAD, clocks=HURRY),
    answers(
        "pattern",
        "re.match('(a+)+$', 'a' * 64 + 'b') or 0",
        FailureCode.TIMEOUT,
        NO_TIME,
        head="import re\n",
        clocks=HURRY,
    ),
    answers("endless_finally", "again()", FailureCode.TIMEOUT, NO_TIME, head=HEAD + HAMMER, clocks=HURRY),
    answers(
        "waiting_for_input",
        "sys.stdin.read() and 0",
        FailureCode.INVALID_ACTION,
        "an action is an integer, not '' (str); legal were 0, 1, 2, 3, 4, 5, 6",
        head=HEAD,
    ),
    answers("reading_the_channel", "os.read(3, 1)", FailureCode.TIMEOUT, NO_TIME, head=HEAD, clocks=HURRY),
    answers(
        "evil_repr",
        "Evil()",
        FailureCode.TIMEOUT,
        NO_TIME,
        head="class Evil:\n    def __repr__(self):\n        while True: pass\n",
        clocks=HURRY,
    ),
    answers(
        "evil_index",
        "Evil()",
        FailureCode.TIMEOUT,
        NO_TIME,
        head="class Evil:\n    def __index__(self):\n        while True: pass\n",
        clocks=HURRY,
    ),
    says("command", "time.sleep(3600)", FailureCode.TIMEOUT, NO_TIME, clocks=HURRY),
    says(
        "command_byte_by_byte", "while True: out(b' '); time.sleep(0.005)", FailureCode.TIMEOUT, NO_TIME, clocks=HURRY
    ),
    says(
        "command_deaf",
        "import signal\nfor number in (1, 2, 3, 15): signal.signal(number, signal.SIG_IGN)\nwhile True: pass",
        FailureCode.TIMEOUT,
        NO_TIME,
        clocks=HURRY,
    ),
    Attack(
        "command_never_ready",
        "import time; time.sleep(3600)",
        FailureCode.INIT_TIMEOUT,
        SLOW,
        Phase.IMPORT,
        None,
        language="command",
        clocks=HURRY,
    ),
]


@pytest.mark.parametrize("attack", LOOPS, ids=str)
def test_loop(convict: Convict, attack: Attack) -> None:
    record = convict(attack)
    clocks = attack.clocks
    allowed = clocks.start if record.code is FailureCode.INIT_TIMEOUT else clocks.move + clocks.bank
    if record.code is not FailureCode.INVALID_ACTION:
        assert record.milliseconds is not None
        assert record.milliseconds >= 1000 * allowed
    if record.code is FailureCode.TIMEOUT:
        assert record.bank_milliseconds == 0


def test_a_little_too_long_in_every_move_ends_when_the_bank_is_empty(convict: Convict) -> None:
    record = convict(
        Attack(
            "sleeper",
            acting("time.sleep(clock.move + 0.1)\nreturn int(action_mask.nonzero()[0][0])", head=HEAD),
            FailureCode.TIMEOUT,
            NO_TIME,
            step=ANY,
            clocks=HURRY,
        )
    )
    assert record.step in (0, 2)
    assert record.bank_milliseconds == 0


def test_just_below_the_limit_in_every_move_is_allowed(host: Host, nursery: Nursery) -> None:
    code = acting("time.sleep(0.4 * clock.move)\nreturn int(action_mask.nonzero()[0][0])", head=HEAD)
    source = host.source(Attack("sleeper", code, FailureCode.TIMEOUT, ""))
    began = time.monotonic()
    match = ground.play(nursery, source, Clocks(start=10.0, move=0.1, bank=30.0))
    assert not match.forfeited, match.record
    assert time.monotonic() - began >= 4 * 0.04
