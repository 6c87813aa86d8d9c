"""A seccomp filter in classic BPF, put together here: an allow-list, EPERM for all else. Standard library only.

Source: the kernel's `Documentation/userspace-api/seccomp_filter.rst`, `include/uapi/linux/seccomp.h` and `filter.h`. No
socket can be made or connected, no process started, traced, signalled or looked into, nothing mounted, chmod'ed or
locked; threads, pipes and the channel that is open already work. A foreign ABI (i386, x32) ends the process.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from dataclasses import dataclass
from functools import cache

from agents.bots.sandbox import kernel, syscall_table

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000
_KILL_PROCESS, _ALLOW, _ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
_EPERM, _ENOSYS = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2

# Classic BPF: load a word of seccomp_data, and with a constant, jump where equal or not below, return.
_LD, _AND, _JEQ, _JGE, _JA, _RET = 0x20, 0x54, 0x15, 0x35, 0x05, 0x06
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16  # offsets in seccomp_data

_PID = -1
"""Stands for the process's own id in a check; filled in when the filter is put on."""

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, constant


@dataclass(frozen=True)
class Check:
    """One condition on an argument: a word of it, masked, is one of some values.

    Attributes:
        argument: its index.
        values: what it may be.
        mask: bits that count.
        high: the upper 32 bits instead of the lower ones.
    """

    argument: int
    values: tuple[int, ...]
    mask: int = 0xFFFFFFFF
    high: bool = False


_CLONE_THREAD = 0x00010000
_CLONE_FORBIDDEN = 0x7E020000 | 0x1000 | 0x2000  # new namespaces, CLONE_PIDFD, CLONE_PTRACE
_AF_UNIX, _SOCK_STREAM = 1, 1
_PEEK, _TRUNC, _DONTWAIT, _WAITALL, _NOSIGNAL, _MORE = 0x2, 0x20, 0x40, 0x100, 0x4000, 0x8000
_CMSG_CLOEXEC = 0x40000000
_RECEIVING = _PEEK | _TRUNC | _DONTWAIT | _WAITALL | _NOSIGNAL | _CMSG_CLOEXEC
"""Not MSG_OOB: out-of-band data on unix sockets has been a way into the kernel (CVE-2025-38236)."""
_NOTIFICATION_PIPE = 0x80

CHECKS: dict[str, tuple[Check, ...]] = {
    "clone": (Check(0, (_CLONE_THREAD,), _CLONE_THREAD | _CLONE_FORBIDDEN),),
    # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC, F_GETPIPE_SZ, F_GET_SEALS. Not F_SETOWN: it
    # would have the kernel send signals to others; no locks, leases or pipes that grow.
    "fcntl": (Check(1, (0, 1, 2, 3, 4, 1030, 1032, 1034)),),
    # TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX, TCGETS2. Not TIOCSTI, not FIOSETOWN.
    "ioctl": (Check(1, (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451, 0x802C542A)),),
    # PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP, PR_CAPBSET_READ, PR_GET_SECUREBITS,
    # PR_GET_NO_NEW_PRIVS, PR_SET_VMA (names for mappings)
    "prctl": (Check(0, (2, 3, 15, 16, 21, 23, 27, 39, 0x53564D41)),),
    "kill": (Check(0, (_PID,)),),
    "tkill": (Check(0, (_PID,)),),
    "tgkill": (Check(0, (_PID,)),),
    "prlimit64": (Check(0, (0, _PID)), Check(2, (0,)), Check(2, (0,), high=True)),  # the question, about itself
    "sendto": (
        *(Check(4, (0,)), Check(4, (0,), high=True)),  # no address: what is connected already
        Check(3, (0,), ~(_DONTWAIT | _NOSIGNAL | _MORE)),
    ),
    "recvfrom": (Check(3, (0,), ~_RECEIVING),),
    "recvmsg": (Check(2, (0,), ~_RECEIVING),),
    "pipe2": (Check(1, (0,), _NOTIFICATION_PIPE),),
    "socketpair": (Check(0, (_AF_UNIX,)), Check(1, (_SOCK_STREAM,), 0xF)),  # both ends one's own: asyncio needs it
    "personality": (Check(0, (0xFFFFFFFF,)),),  # the question
}
"""Calls that are allowed where all their conditions hold."""

_MAP_SHARED, _MAP_ANONYMOUS = 0x01, 0x20
COMMANDS_MMAP = (Check(3, (0, _MAP_SHARED, _MAP_ANONYMOUS), _MAP_SHARED | _MAP_ANONYMOUS),)
"""No shared memory without a file: a command's RLIMIT_DATA does not count it, as a Python bot's RLIMIT_AS does."""


def _conditions(checks: tuple[Check, ...]) -> list[Instruction]:
    """Allows where all hold, EPERM else."""
    blocks: list[list[Instruction]] = []
    for check in checks:
        load = _ARGUMENTS + 8 * check.argument + (4 if check.high else 0)
        block = [(_LD, 0, 0, load), (_AND, 0, 0, check.mask & 0xFFFFFFFF)]
        last = len(check.values) - 1
        block += [(_JEQ, last - index, 0, value) for index, value in enumerate(check.values[:-1])]
        block.append((_JEQ, 0, -1, check.values[-1]))  # -1: to the denial, known when all blocks are
        blocks.append(block)
    program = [instruction for block in blocks for instruction in block]
    denial = len(program) + 1
    program = [
        (code, true, denial - at - 1 if false == -1 else false, constant)
        for at, (code, true, false, constant) in enumerate(program)
    ]
    return [*program, (_RET, 0, 0, _ALLOW), (_RET, 0, 0, _EPERM)]


def _tree(segments: list[tuple[int, list[Instruction]]]) -> list[Instruction]:
    """A binary search over segments of numbers, each from its start to the next one's."""
    if len(segments) == 1:
        return segments[0][1]
    middle = len(segments) // 2
    low, high = _tree(segments[:middle]), _tree(segments[middle:])
    if len(low) < 256:
        return [(_JGE, len(low), 0, segments[middle][0]), *low, *high]
    return [(_JGE, 0, 1, segments[middle][0]), (_JA, 0, 0, len(low)), *low, *high]


def program(machine: str, *, command: bool) -> list[Instruction]:
    """The filter's instructions; `_PID` stands for the process's own id.

    Args:
        machine: `x86_64` or `aarch64`.
        command: execve is allowed.
    """
    answers = {number: [(_RET, 0, 0, _ALLOW)] for number in syscall_table.allowed(machine).values()}
    for name, number in syscall_table.checked(machine).items():
        if name == "clone3":  # its arguments lie in memory, which a filter cannot see: libraries fall back to clone
            answers[number] = [(_RET, 0, 0, _ENOSYS)]
        elif name == "execve":
            answers[number] = [(_RET, 0, 0, _ALLOW if command else _EPERM)]
        else:
            answers[number] = _conditions(CHECKS[name])
    if command:
        answers[syscall_table.allowed(machine)["mmap"]] = _conditions(COMMANDS_MMAP)
    denied = [(_RET, 0, 0, _EPERM)]
    segments: list[tuple[int, list[Instruction]]] = []
    for number in range(syscall_table.LAST_KNOWN + 1):
        answer = answers.get(number, denied)
        if not segments or segments[-1][1] != answer:
            segments.append((number, answer))
    segments.append((syscall_table.LAST_KNOWN + 1, [(_RET, 0, 0, _ENOSYS)]))
    segments.append((_X32_BIT, [(_RET, 0, 0, _KILL_PROCESS)]))
    return [
        (_LD, 0, 0, _ARCH),
        (_JEQ, 1, 0, _AUDIT_ARCH[machine]),
        (_RET, 0, 0, _KILL_PROCESS),
        (_LD, 0, 0, _NUMBER),
        *_tree(segments),
    ]


@cache
def _assembled(machine: str, command: bool) -> tuple[bytes, tuple[int, ...]]:
    """The filter as bytes, and the offsets of the words that the process's id goes into."""
    instructions = program(machine, command=command)
    image = b"".join(
        struct.pack("=HBBI", code, true, false, constant & 0xFFFFFFFF if constant != _PID else 0)
        for code, true, false, constant in instructions
    )
    places = tuple(8 * index + 4 for index, instruction in enumerate(instructions) if instruction[3] == _PID)
    return image, places


def prepare() -> None:
    """Builds the filters, so that processes forked from here need not."""
    if kernel.MACHINE in _AUDIT_ARCH:
        for command in (False, True):
            _assembled(kernel.MACHINE, command)


def set_no_new_privs() -> None:
    """No execve of this process gains a privilege from now on. Landlock and seccomp ask for it.

    Raises:
        OSError: the kernel refused.
    """
    kernel.prctl(_PR_SET_NO_NEW_PRIVS, 1)


def restrict(*, command: bool) -> None:
    """Puts the filter on this process, which has one thread, for good. Needs `no_new_privs`.

    Raises:
        OSError: the kernel refused, or this machine's architecture has no table.
    """
    if kernel.MACHINE not in _AUDIT_ARCH:
        raise OSError(errno.EOPNOTSUPP, f"no table of system calls for {kernel.MACHINE}")
    template, places = _assembled(kernel.MACHINE, command)
    image = bytearray(template)
    for place in places:
        struct.pack_into("=I", image, place, os.getpid())
    instructions = kernel.buffer(bytes(image))
    description = kernel.buffer(struct.pack("@HP", len(image) // 8, ctypes.addressof(instructions)))
    kernel.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(description))
