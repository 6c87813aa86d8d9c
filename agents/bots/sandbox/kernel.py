"""Calls of the Linux kernel that Python has no function for, through ctypes. Standard library only.

Every call here raises OSError with the kernel's errno where it fails.
"""

from __future__ import annotations

import ctypes
import os
import platform

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.prctl.restype = ctypes.c_int
_libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]

MACHINE = platform.machine()
"""`x86_64` or `aarch64` where the sandbox works."""

CLOSE_RANGE = 436  # on every architecture
CLONE_THREAD = 0x00010000

Argument = int | ctypes.Array[ctypes.c_char] | None


def _word(value: Argument) -> ctypes.c_long | ctypes.Array[ctypes.c_char] | None:
    return ctypes.c_long(value) if isinstance(value, int) else value


def _failure() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))


def buffer(data: bytes) -> ctypes.Array[ctypes.c_char]:
    """Memory that holds these bytes, to be passed by address."""
    return ctypes.create_string_buffer(data, len(data))


def syscall(number: int, *arguments: Argument) -> int:
    """Makes a system call.

    Args:
        number: as in this machine's table.
        arguments: integers, buffers (passed by address), or None for a null pointer.

    Raises:
        OSError: it failed.
    """
    result: int = _libc.syscall(ctypes.c_long(number), *(_word(value) for value in arguments))
    if result == -1:
        raise _failure()
    return result


def prctl(option: int, first: int = 0, second: int = 0) -> int:
    """`prctl(2)`; an address is an integer too.

    Raises:
        OSError: it failed.
    """
    result: int = _libc.prctl(option, first, second, 0, 0)
    if result == -1:
        raise _failure()
    return result


def close_all_but(keep: tuple[int, ...]) -> None:
    """Closes every descriptor of this process but these.

    Raises:
        OSError: the kernel has no `close_range` (before 5.9).
    """
    first = 0
    for descriptor in sorted(set(keep)):
        if descriptor > first:
            syscall(CLOSE_RANGE, first, descriptor - 1, 0)
        first = descriptor + 1
    syscall(CLOSE_RANGE, first, 0x7FFFFFFF, 0)


def has_one_thread() -> bool:
    """Whether this process has a single thread, asked without /proc: `unshare(CLONE_THREAD)` changes nothing then."""
    return bool(_libc.unshare(ctypes.c_int(CLONE_THREAD)) == 0)


def capget(header: ctypes.Array[ctypes.c_char], data: ctypes.Array[ctypes.c_char]) -> None:
    """`capget(2)` into `data`.

    Raises:
        OSError: it failed.
    """
    if _libc.capget(header, data) == -1:
        raise _failure()


def capset(header: ctypes.Array[ctypes.c_char], data: ctypes.Array[ctypes.c_char]) -> None:
    """`capset(2)`.

    Raises:
        OSError: it failed.
    """
    if _libc.capset(header, data) == -1:
        raise _failure()
