"""What could go wrong on this machine and in a run, looked at before it does."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from league.runs import RunFolder
from matchmaking.errors import MatchmakingError
from matchmaking.program import find_server

LOW_DISK = 2 * 1024**3  # bytes


class Grade(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    NOTE = "note"  # works, but not as well as it could
    BAD = "bad"


class Finding(BaseModel):
    """One thing that was looked at.

    Attributes:
        grade: how serious it is.
        what: was looked at.
        detail: what was found, in a sentence.
        mend: what to do about it, where something is to be done.
    """

    model_config = ConfigDict(frozen=True)

    grade: Grade
    what: str
    detail: str
    mend: str = ""


def examine(root: Path, run: RunFolder | None) -> Iterator[Finding]:
    """Look at the machine, then at the run where one is given."""
    yield _redis_binary()
    yield from _torch()
    yield _cores()
    yield _disk(root)
    if run is not None:
        from league.doctor_run import examine_run

        yield from examine_run(run)


def _finding(grade: Grade, what: str, detail: str) -> Finding:
    return Finding(grade=grade, what=what, detail=detail)


def _redis_binary() -> Finding:
    try:
        return _finding(Grade.OK, "Redis server", str(find_server()))
    except MatchmakingError as error:
        return _finding(Grade.BAD, "Redis server", str(error))


def _torch() -> Iterator[Finding]:
    import torch

    yield _finding(Grade.OK, "torch", f"{torch.__version__}, Python {platform.python_version()}")
    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory / 1024**3
        bf16 = "with" if torch.cuda.is_bf16_supported() else "without"
        yield _finding(Grade.OK, "CUDA", f"{torch.cuda.get_device_name(0)}, {memory:.0f} GiB, {bf16} bf16")
    else:
        yield _finding(Grade.NOTE, "CUDA", "no GPU is found: leagues train on the CPU")
    yield _bf16()
    compiler = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler:
        yield _finding(Grade.OK, "compiler", f"{compiler}: torch.compile can be used")
    else:
        yield _finding(Grade.NOTE, "compiler", "no C++ compiler: torch.compile is left out on the CPU")


def _bf16() -> Finding:
    path = Path("/proc/cpuinfo")
    flags = path.read_text(encoding="utf-8").split() if path.is_file() else []
    native = [flag for flag in ("amx_bf16", "avx512_bf16", "bf16") if flag in flags]
    if native:
        return _finding(Grade.OK, "bf16 on the CPU", f"native ({', '.join(native)})")
    return _finding(Grade.NOTE, "bf16 on the CPU", "not native: fp32 is the faster one here")


def _cores() -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    busy = load > cores
    return _finding(Grade.NOTE if busy else Grade.OK, "CPU", f"{cores} cores, load {load:.1f}")


def _disk(root: Path) -> Finding:
    place = root.absolute()
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK):
        return _finding(Grade.BAD, "disk", f"{place} cannot be written to: choose another folder with --runs-dir")
    free = shutil.disk_usage(place).free
    grade = Grade.OK if free > LOW_DISK else Grade.BAD
    return _finding(grade, "disk", f"{free / 1024**3:.1f} GiB free in {place}")
