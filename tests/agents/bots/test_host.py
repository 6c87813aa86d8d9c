"""A bot that the host has killed for want of memory has not lost: by the kernel's own count."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest

import arenas.registry as arenas
from agents.bots import host
from agents.bots.core import BotFailedError, Clocks, FailureCode, InfraError, Isolation, Limits
from agents.bots.diagnosis import Ended
from agents.bots.nursery import Nursery
from tests.agents.bots.bots import acting, write_bot

SPEC = arenas.make("connect_four").spec
LIMITS = Limits()
KILLED = Ended(-signal.SIGKILL, 20 * 2**20, 0.1)


def count(path: Path, kills: int) -> None:
    path.write_text(f"nr_free_pages 5\noom_kill {kills}\nswap_ra 0\n")


def test_the_kernels_count_is_read() -> None:
    kills = host.oom_kills()
    assert kills is None or kills >= 0


@pytest.mark.parametrize(
    ("ended", "kills", "taken"),
    [
        (KILLED, 4, True),
        (KILLED, 3, False),
        (KILLED._replace(code=-signal.SIGSEGV), 4, False),
        (KILLED._replace(code=1), 4, False),
        (KILLED._replace(memory=LIMITS.memory), 4, False),
        (KILLED._replace(cpu=LIMITS.cpu + 1), 4, False),
    ],
)
def test_who_was_taken(ended: Ended, kills: int, taken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "COUNTERS", tmp_path / "vmstat")
    assert not host.took(ended, LIMITS, host.oom_kills()), "a kernel that does not count"
    count(tmp_path / "vmstat", kills)
    assert host.took(ended, LIMITS, 3) is taken


@pytest.mark.parametrize("kills", [3, 4])
def test_a_match_that_the_host_ended_is_no_match(kills: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "COUNTERS", tmp_path / "vmstat")
    count(tmp_path / "vmstat", 3)
    bot = write_bot(tmp_path / "bot", acting("import os; os.kill(os.getpid(), 9)"))
    with Nursery(Isolation.NONE) as nursery:
        process = nursery.start(bot, SPEC, Clocks(start=60, move=60))
        process.reset("m_1/0", 0, "player_0")
        count(tmp_path / "vmstat", kills)
        with pytest.raises(InfraError if kills > 3 else BotFailedError) as caught:
            process.act(np.zeros(SPEC.observation_shape, np.float32), np.ones(SPEC.num_actions, np.bool_), 0)
    if isinstance(caught.value, BotFailedError):
        assert caught.value.record.code is FailureCode.CRASH
    else:
        assert "ran out of memory" in str(caught.value)
