"""What could go wrong on this machine and in a run, looked at before it does."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from league.access import opened
from league.errors import LeagueError
from league.runs import RunFolder
from league.telling import told
from matchmaking.errors import MatchmakingError
from matchmaking.records import Player
from matchmaking.server import find_server
from matchmaking.service import Matchmaker

LOW_DISK = 2 * 1024**3  # bytes


class Grade(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    NOTE = "note"  # works, but not as well as it could
    BAD = "bad"


class Finding(BaseModel):
    """One thing that was looked at."""

    model_config = ConfigDict(frozen=True)

    grade: Grade
    what: str
    detail: str


def examine(root: Path, run: RunFolder | None) -> Iterator[Finding]:
    """Look at the machine, then at the run where one is given."""
    yield _redis_binary()
    yield from _torch()
    yield _cores()
    yield _disk(root)
    if run is not None:
        yield from _run(run)


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


def _run(run: RunFolder) -> Iterator[Finding]:
    try:
        config = run.config()
    except LeagueError as error:
        yield _finding(Grade.BAD, "configuration", str(error))
        return
    yield _finding(Grade.OK, "configuration", f"{run.config_file}: {config.arena}")
    try:
        with opened(run, config) as matchmaker:
            info = matchmaker.store.info
            yield _finding(Grade.OK, "Redis", f"answers, run {info.name!r}, schema {info.schema_version}")
            yield _checkpoints(run, matchmaker)
            yield _projections(matchmaker)
    except MatchmakingError as error:
        yield _finding(Grade.BAD, "Redis", str(error))
    except OSError as error:
        yield _finding(Grade.BAD, "run folder", told(error)[0])


def _checkpoints(run: RunFolder, matchmaker: Matchmaker) -> Finding:
    """Every frozen player's checkpoint is there and is what its name says."""
    from agents.checkpoint import CheckpointError, CheckpointStore

    store = CheckpointStore(run.checkpoints)

    def fault(player: Player, load: Callable[[str], object]) -> str | None:
        try:
            load(player.checkpoint or "")
        except CheckpointError as error:
            return f"{player.name}: {error}"
        return None

    frozen = [player for player in matchmaker.players() if player.checkpoint is not None]
    faults = [found for player in frozen if (found := fault(player, store.load))]
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        return _finding(Grade.BAD, "checkpoints", f"{faults[0]}{more}")
    return _finding(Grade.OK, "checkpoints", f"{len(frozen)}, each is what its name says")


def _projections(matchmaker: Matchmaker) -> Finding:
    """Payoff and ratings are what the logs say."""
    from matchmaking.rebuild import rebuild

    try:
        rebuilt = rebuild(matchmaker.store)
    except MatchmakingError as error:
        return _finding(Grade.NOTE, "logs", str(error))
    if rebuilt.exact:
        detail = f"payoff and ratings are exactly what {rebuilt.reports} reports and {rebuilt.matches} results say"
        return _finding(Grade.OK, "logs", detail)
    wrong = len(rebuilt.payoff_differences) + len(rebuilt.rating_differences)
    return _finding(
        Grade.BAD, "logs", f"{wrong} stored values are not what the logs say: `league rebuild` repairs them"
    )
