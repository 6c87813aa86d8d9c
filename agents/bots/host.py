"""Ends of bots that are the host's doing."""

from __future__ import annotations

import signal
from pathlib import Path

from agents.bots.core import Limits
from agents.bots.diagnosis import Ended

COUNTERS = Path("/proc/vmstat")


def oom_kills() -> int | None:
    """How many processes the kernel has killed for want of memory since it started; None where it does not tell.

    The kernel counts before it kills (`__oom_kill_process` in mm/oom_kill.c), in every memory cgroup and outside.
    """
    try:
        lines = COUNTERS.read_bytes().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(b"oom_kill ")), None)


def took(ended: Ended, limits: Limits, before: int | None) -> bool:
    """Whether the host has taken a bot that kept to its limits, because its own memory ran out.

    A bot that kills itself cannot be told from one that was taken in the same moment: both rate nobody.

    Args:
        ended: how the bot's process has ended.
        limits: the bot's.
        before: `oom_kills()` when the process began.
    """
    killed = ended.code == -signal.SIGKILL and ended.cpu <= limits.cpu and ended.memory <= 0.9 * limits.memory
    return killed and before is not None and oom_kills() != before
