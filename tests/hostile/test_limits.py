"""Bots that take more than their share: memory, threads, processor, output."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest

from agents.bots.channel import WATCH
from agents.bots.core import BotFailedError, Clocks, FailureCode, Phase
from agents.bots.nursery import Nursery
from agents.bots.process import BotProcess
from tests.agents.bots.bots import acting
from tests.hostile.conftest import Convict
from tests.hostile.ground import ALL, EMPTY, SPEC, Attack, Host, answers, says

HEAD = "import ctypes, mmap, os, sys, threading, time\nimport numpy as np\n"
MORE = " (it may use 256 MiB)"
LONG = Clocks(start=10.0, move=3.0, bank=0.0)
"""For bots that are to be caught before their time is up, on a busy machine too."""
THREADS = "[threading.Thread(target=time.sleep, args=(60,), daemon=True).start() for _ in range(40)]"
MANY = HEAD + "threading.stack_size(65536)\n"
SLOW = "(time.sleep(2), 0)[1]"
DRIP = "[(os.write(1, b'.'), time.sleep(0.01)) for _ in range(200)][0][1]"
RENAMED = HEAD + "threading.stack_size(65536)\nctypes.CDLL(None).prctl(15, b'\\xff)\\n', 0, 0, 0)\n"

BOMB = """
def bomb():
    while True:
        try:
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        except RuntimeError:
            time.sleep(0.01)
"""
TOO_MANY = "runs … threads; it may run 16"  # as many as had been started when it was looked at
TOO_MUCH = "wrote more than 50,000 bytes to its log"

NO_MEMORY = f"OSError: [Errno 12] Cannot allocate memory{MORE}"

MEMORY = [
    answers("bytes", "len(bytearray(1 << 30))", FailureCode.OOM, f"MemoryError{MORE}"),
    answers("list", "len([0] * (1 << 28))", FailureCode.OOM, f"MemoryError{MORE}"),
    answers("string", "len('x' * (1 << 30))", FailureCode.OOM, f"MemoryError{MORE}"),
    answers(
        "array",
        "int(np.ones(1 << 27).sum())",
        FailureCode.OOM,
        f"…MemoryError: Unable to allocate 1.00 GiB for an array…{MORE}",
        head=HEAD,
    ),
    answers(
        "mapping",
        "len(mmap.mmap(-1, 1 << 30))",
        FailureCode.OOM,
        f"OSError: [Errno 12] Cannot allocate memory{MORE}",
        head=HEAD,
    ),
    answers("little_by_little", "len([bytearray(4096) for _ in iter(int, 1)])", FailureCode.OOM, f"MemoryError{MORE}"),
    Attack(
        "at_import",
        "hoard = bytearray(1 << 30)\nclass Bot: pass\n",
        FailureCode.OOM,
        f"MemoryError{MORE}",
        Phase.IMPORT,
        None,
        frame='File "bot.py", line 1',
    ),
    answers(
        "recursion",
        "deeper(0)",
        FailureCode.CRASH,
        "RecursionError: maximum recursion depth exceeded…",
        head="def deeper(n): return deeper(n + 1)\n",
    ),
    answers(
        "recursion_of_the_machine",
        "deeper(0)",
        FailureCode.CRASH,
        "its process was killed by SIGSEGV",
        head="import sys, functools\nsys.setrecursionlimit(10**9)\n"
        "@functools.lru_cache\ndef deeper(n): return deeper(n + 1)\n",
    ),
    says(
        "command",
        "hoard = bytearray(1 << 30)",
        FailureCode.OOM,
        "its process exited with status 1: out of memory, of which it may use 256 MiB",
        stderr="MemoryError",
    ),
    says(
        "command_shared",
        "import mmap\nhoard = mmap.mmap(-1, 1 << 30)\nfor place in range(0, 1 << 30, 4096): hoard[place] = 1",
        FailureCode.SANDBOX_DENIED,
        "its process exited with status 1 over something that the sandbox does not allow",
        stderr="PermissionError: [Errno 1] Operation not permitted",
    ),
]

THREADING = [
    answers(
        "threads",
        f"({THREADS}, {SLOW})[1]",
        FailureCode.SANDBOX_DENIED,
        TOO_MANY,
        head=MANY,
        clocks=LONG,
    ),
    answers(
        "threads_of_another_name",
        f"({THREADS}, {SLOW})[1]",
        FailureCode.SANDBOX_DENIED,
        TOO_MANY,
        head=RENAMED,
        clocks=LONG,
    ),
    answers(
        "threads_and_a_busy_log",
        f"({THREADS}, {DRIP})[1]",
        FailureCode.SANDBOX_DENIED,
        TOO_MANY,
        head=MANY,
        clocks=LONG,
    ),
    answers(
        "thread_bomb",
        "bomb()",
        FailureCode.SANDBOX_DENIED,
        "runs … threads; it may run 16",
        head=MANY + BOMB,
        clocks=LONG,
    ),
    answers(
        "threads_of_usual_size",
        "[threading.Thread(target=time.sleep, args=(60,), daemon=True).start() for _ in iter(int, 1)]",
        FailureCode.CRASH,
        "RuntimeError: can't start new thread",
        head=HEAD,
        clocks=LONG,
    ),
]

FLOODS = [
    answers(
        "stdout",
        "[print('x' * 1000) for _ in iter(int, 1)]",
        FailureCode.PROTOCOL,
        TOO_MUCH,
        stderr="xxxx",
    ),
    answers(
        "stderr",
        "[os.write(2, b'y' * 65536) for _ in iter(int, 1)]",
        FailureCode.PROTOCOL,
        TOO_MUCH,
        head=HEAD,
        stderr="yyyy",
    ),
    says(
        "command_stderr",
        "while True: os.write(2, b'z' * 65536)",
        FailureCode.PROTOCOL,
        TOO_MUCH,
        stderr="zzzz",
    ),
    says("command_stdout", "while True: out(b'x' * 65536)", FailureCode.PROTOCOL, "sent … bytes…"),
    Attack(
        "at_import",
        "while True: print('x' * 1000)\n",
        FailureCode.PROTOCOL,
        TOO_MUCH,
        Phase.IMPORT,
        None,
    ),
]


@pytest.mark.parametrize("attack", MEMORY, ids=str)
def test_memory(convict: Convict, attack: Attack) -> None:
    convict(attack)


@pytest.mark.parametrize("attack", THREADING, ids=str)
def test_threads(convict: Convict, attack: Attack) -> None:
    convict(attack)


@pytest.mark.parametrize("attack", FLOODS, ids=str)
def test_flood(convict: Convict, attack: Attack) -> None:
    assert len(convict(attack).stderr) <= 4000


SPINS = """
def spin():
    while True:
        pass
"""


def test_a_bot_that_answers_at_once_is_looked_at_when_it_is_asked_again(host: Host, nursery: Nursery) -> None:
    body = "self.moves == 1 and " + THREADS.replace("60", "600") + "\nreturn 0"
    source = host.source(Attack("threads", acting(body, head=MANY), FailureCode.SANDBOX_DENIED, TOO_MANY))
    for _ in range(20):
        process = nursery.start(source, SPEC, LONG)
        process.reset("m_1/0", 1, "player_0")
        with contextlib.suppress(BotFailedError):  # where the machine is busy, it is seen before it answers
            assert process.act(EMPTY, ALL, 0) == 0
            break
    time.sleep(2 * WATCH)
    with pytest.raises(BotFailedError) as caught:
        process.act(EMPTY, ALL, 2)
    record = caught.value.record
    assert (record.code, record.phase) == (FailureCode.SANDBOX_DENIED, Phase.IDLE)
    assert record.message == "runs 41 threads; it may run 16"


def _ponders(host: Host, nursery: Nursery, bank: float) -> BotProcess:
    body = "if self.moves == 1: threading.Thread(target=spin, daemon=True).start()\nreturn 0"
    source = host.source(Attack("ponderer", acting(body, head=HEAD + SPINS), FailureCode.TIMEOUT, ""))
    process = nursery.start(source, SPEC, Clocks(start=10.0, move=10.0, bank=bank))
    process.reset("m_1/0", 1, "player_0")
    return process


def test_who_computes_in_the_opponent_s_time_pays_for_it_and_is_stopped(host: Host, nursery: Nursery) -> None:
    process = _ponders(host, nursery, 100.0)
    try:
        banks = []
        for step in range(0, 400, 2):  # how long it takes depends on the machine's load
            process.act(EMPTY, ALL, step)
            banks.append(process.bank)
            if process.bank < 100.0:
                break
            time.sleep(0.3)
        assert banks[0] == 100.0 > banks[-1]
        for step in range(400, 410, 2):
            until = time.monotonic() + 10
            while not stopped(process.pid) and time.monotonic() < until:
                time.sleep(0.01)
            used = time.clock_gettime(~process.pid << 3 | 2)
            time.sleep(0.1)
            assert time.clock_gettime(~process.pid << 3 | 2) - used < 0.01  # the stop itself is charged a little later
            assert process.act(EMPTY, ALL, step) == 0
    finally:
        process.kill()


def stopped(pid: int) -> bool:
    """Whether a process stands still."""
    return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"T"


def test_who_computes_in_the_opponent_s_time_until_its_bank_is_empty_has_lost(host: Host, nursery: Nursery) -> None:
    process = _ponders(host, nursery, 0.0)
    process.act(EMPTY, ALL, 0)
    until = time.monotonic() + 60
    while time.clock_gettime(~process.pid << 3 | 2) < 1.0 and time.monotonic() < until:
        time.sleep(0.05)
    with pytest.raises(BotFailedError) as caught:
        process.act(EMPTY, ALL, 2)
    record = caught.value.record
    assert (record.code, record.phase, record.bank_milliseconds) == (FailureCode.TIMEOUT, Phase.IDLE, 0)
    assert record.message == "computed while nobody had asked it until its bank was empty"
