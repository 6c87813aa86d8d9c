"""The processes of a league under chaos, as the kernel shows them: found by parentage, so that none can hide."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


HARNESS = "harness.py"


class Kind(StrEnum):
    """What can be killed."""

    SUPERVISOR = "supervisor"
    REDIS = "redis"
    LEARNER = "learner"
    EVALUATOR = "evaluator"
    RATER = "rater"
    NURSERY = "nursery"
    BOT = "bot"


class Proc(NamedTuple):
    """A process.

    Attributes:
        state: as the kernel has it; Z has ended.
        began: tells it from another one that got its id later.
        name: what the kernel calls it.
    """

    pid: int
    parent: int
    state: str
    began: int
    name: str


def adopt_orphans() -> None:
    """From now on whoever loses its parent below this process becomes its child (prctl, PR_SET_CHILD_SUBREAPER)."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER")


def look(pid: int) -> Proc | None:
    """A process, zombies included; None where there is none."""
    try:
        named, _, rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = rest.split()
    return Proc(pid, int(fields[1]), fields[0], int(fields[19]), named.partition("(")[2])


def below(root: int) -> dict[int, Proc]:
    """All descendants of a process, zombies included."""
    children: dict[int, list[Proc]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (proc := look(int(entry.name))) is not None:
            children.setdefault(proc.parent, []).append(proc)
    found: dict[int, Proc] = {}
    parents = [root]
    while parents:
        for proc in children.get(parents.pop(), ()):
            found[proc.pid] = proc
            parents.append(proc.pid)
    return found


def words(pid: int) -> str:
    """A process's command line."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def bury(besides: Collection[int] = ()) -> None:
    """Reap the adopted children that have ended; `besides` are somebody else's to wait for."""
    for proc in below(os.getpid()).values():
        if proc.state == "Z" and proc.parent == os.getpid() and proc.pid not in besides:
            with suppress(ChildProcessError):
                os.waitpid(proc.pid, os.WNOHANG)


def by_kind(procs: Mapping[int, Proc], supervisor: int | None) -> dict[Kind, list[Proc]]:
    """The living processes of a league among `procs`, by kind, oldest first."""
    living = {pid: proc for pid, proc in procs.items() if proc.state not in "ZX"}
    found: dict[Kind, list[Proc]] = {kind: [] for kind in Kind}
    for proc in sorted(living.values(), key=lambda proc: (proc.began, proc.pid)):
        kind = _kind(proc, living, supervisor)
        if kind is not None:
            found[kind].append(proc)
    return found


def _kind(proc: Proc, living: Mapping[int, Proc], supervisor: int | None) -> Kind | None:
    if proc.pid == supervisor:
        return Kind.SUPERVISOR
    if proc.name in ("redis-server", "valkey-server"):
        return Kind.REDIS
    if proc.parent == supervisor:
        return next((kind for kind in (Kind.LEARNER, Kind.EVALUATOR, Kind.RATER) if proc.name.startswith(kind)), None)
    if HARNESS in words(proc.pid):
        return Kind.BOT if HARNESS in words(proc.parent) else Kind.NURSERY
    return None


def same(proc: Proc) -> bool:
    """Whether the process still lives, and its id is not another one's."""
    now = look(proc.pid)
    return now is not None and now.began == proc.began and now.state not in "ZX"
