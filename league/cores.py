"""Which cores a process should keep to."""

from __future__ import annotations

import os
import time
from pathlib import Path

MEASURED = 0.1  # seconds for which the cores are watched
PROC_STAT = Path("/proc/stat")


def idlest_cores() -> list[int]:
    """The cores that this process may use, the idlest of the last moment first: this league may not be alone here."""
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    before = _busy_time()
    time.sleep(MEASURED)
    after = _busy_time()
    return sorted(allowed, key=lambda core: after.get(core, 0) - before.get(core, 0))


def _busy_time() -> dict[int, int]:
    """Clock ticks that each core has spent on anything but idling (proc_pid_stat(5)); empty where nobody counts."""
    if not PROC_STAT.exists():
        return {}
    busy = {}
    for line in PROC_STAT.read_text().splitlines():
        name, *ticks = line.split()
        if name.startswith("cpu") and name != "cpu":
            user, nice, system, _idle, _iowait, irq, softirq = map(int, ticks[:7])
            busy[int(name[3:])] = user + nice + system + irq + softirq
    return busy
