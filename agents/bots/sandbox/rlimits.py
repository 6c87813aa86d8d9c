"""Resource limits and capabilities of a bot's process. Standard library only.

Limits that no process can undo, root's neither: RLIMIT_AS, RLIMIT_DATA, RLIMIT_CPU, RLIMIT_FSIZE and RLIMIT_NOFILE.
RLIMIT_NPROC does not hold for root and counts all of a user's tasks: processes are denied by seccomp, and threads are
bounded by the memory (a stack each) and watched by the referee.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import struct

from agents.bots.sandbox import kernel

_PR_CAPBSET_DROP = 24
_PR_SET_SECUREBITS = 28
_PR_CAP_AMBIENT, _CLEAR_ALL = 47, 4
_NOROOT_LOCKED = 0b11  # SECBIT_NOROOT and its lock: uid 0 gains nothing by execve
_CAPABILITY_VERSION_3 = 0x20080522
_NO_CORE = 1  # byte: 0 would still hand a core dump to a program of the host's (core_pattern with a pipe), 1 does not
_SIGNALS = 128
"""Signals that wait and timers: the kernel takes them off the whole user's allowance."""
_RESERVED = 64 * 1024**3
"""Bytes of address space that runtimes may reserve. Not without end: the kernel's tables for it count as nobody's
memory, 2 MiB for each GiB of which every page is only read."""
_SLACK = 32
"""Processes of one bot's size that a user's RLIMIT_NPROC leaves room for."""


def _lower(which: int, soft: int, hard: int) -> None:
    """Sets a limit, never above the one that holds already."""
    _, ceiling = resource.getrlimit(which)
    if ceiling != resource.RLIM_INFINITY:
        hard = min(hard, ceiling)
    resource.setrlimit(which, (min(soft, hard), hard))


def limit(*, memory: int, data_only: bool, cpu: int, files: int, tasks: int | None = None) -> None:
    """Limits this process and all that it starts.

    Args:
        memory: bytes of address space, or of data with `data_only`.
        data_only: count private writable memory (heap, stacks of threads), not reserved addresses: for node, Go, Java.
        cpu: seconds: SIGXCPU then, SIGKILL a second later.
        files: open descriptors.
        tasks: RLIMIT_NPROC, or None.

    Raises:
        OSError, ValueError: the kernel refused.
    """
    if data_only:
        _lower(resource.RLIMIT_DATA, memory, memory)
        memory += _RESERVED
    _lower(resource.RLIMIT_AS, memory, memory)
    _lower(resource.RLIMIT_CPU, cpu, cpu + 1)
    _lower(resource.RLIMIT_NOFILE, files, files)
    for which in (resource.RLIMIT_FSIZE, resource.RLIMIT_MEMLOCK, resource.RLIMIT_MSGQUEUE):
        _lower(which, 0, 0)
    _lower(resource.RLIMIT_CORE, _NO_CORE, _NO_CORE)
    _lower(resource.RLIMIT_SIGPENDING, _SIGNALS, _SIGNALS)
    if tasks is not None:
        _lower(resource.RLIMIT_NPROC, tasks, tasks)


def volunteer() -> None:
    """Where the host runs out of memory, this process goes first. Needs /proc; without it nothing is done."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123
        score.write("1000")


def tasks_limit(threads: int) -> int | None:
    """A value for RLIMIT_NPROC that stops a bomb and no ordinary bot; None for root, whom the kernel does not count.

    The kernel counts the tasks of the user, not of the process: those that run now, and room for 32 processes of
    `threads` threads. Reads /proc: ask once and keep it.
    """
    user = os.getuid()
    if user == 0:
        return None
    running = 0
    try:
        entries = [entry for entry in os.scandir("/proc") if entry.name.isdigit()]
    except OSError:  # no /proc: a namespace of one's own, with nobody else in it
        entries = []
    for entry in entries:
        try:
            if entry.stat().st_uid == user:
                running += len(os.listdir(f"/proc/{entry.name}/task"))  # noqa: PTH208
        except OSError:  # it ended meanwhile
            continue
    return running + _SLACK * threads


def drop_capabilities() -> None:
    """Gives up every capability for good, so that root is a user like any other. Does nothing to who has none.

    Raises:
        OSError: the kernel refused.
    """
    header = kernel.buffer(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0))
    held = kernel.buffer(bytes(24))
    kernel.capget(header, held)
    if not any(held.raw):  # and no_new_privs sees to it that execve gives none
        return
    kernel.prctl(_PR_CAP_AMBIENT, _CLEAR_ALL)
    try:
        kernel.prctl(_PR_SET_SECUREBITS, _NOROOT_LOCKED)
        for capability in range(64):
            kernel.prctl(_PR_CAPBSET_DROP, capability)
    except OSError as error:
        # EPERM: no CAP_SETPCAP, so the bounding set stays, which no_new_privs makes worthless. EINVAL: past the last.
        if error.errno not in (errno.EPERM, errno.EINVAL):
            raise
    kernel.capset(header, kernel.buffer(bytes(24)))
