"""Landlock through ctypes: files, TCP, signals and abstract sockets, as far as this kernel's ABI goes.

Source: the kernel's `Documentation/userspace-api/landlock.rst` and `include/uapi/linux/landlock.h`. Every right
that the kernel knows is handled (so: denied), and given back only below the paths that are granted. Standard library
only.
"""

from __future__ import annotations

import errno
import os
import stat
import struct

from agents.bots.sandbox import kernel

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # on every architecture
_VERSION = 1  # flag of landlock_create_ruleset: answer with the ABI
_PATH_BENEATH = 1
_LOG_SAME_EXEC_OFF = 1  # ABI 7: a bot that is denied a million times does not fill the host's audit log

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = (1 << bit for bit in range(4))
TRUNCATE = 1 << 14
IOCTL_DEV = 1 << 15
_FS_BITS = {
    1: 13,
    2: 14,
    3: 15,
    4: 15,
    5: 16,
}  # how many file rights an ABI knows: 2 adds REFER, 3 TRUNCATE, 5 IOCTL_DEV
_TCP_ABI, _TCP_RIGHTS = 4, 0b11  # bind, connect
_SCOPE_ABI, _SCOPES = 6, 0b11  # abstract unix sockets, signals
_LOG_ABI = 7

READ = READ_FILE | READ_DIR
_OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
"""The rights that a rule on something other than a folder may name."""


def abi() -> int:
    """The kernel's Landlock ABI, 0 where it has none or it is switched off."""
    try:
        return kernel.syscall(CREATE_RULESET, None, 0, _VERSION)
    except OSError:
        return 0


def why_not() -> str:
    """Why this kernel has no Landlock, in a few words; "" where it has."""
    try:
        kernel.syscall(CREATE_RULESET, None, 0, _VERSION)
    except OSError as error:
        return {
            errno.ENOSYS: f"Linux {os.uname().release} has none (5.13 or newer does) or a container hides it",
            errno.EOPNOTSUPP: "the kernel was started without it (`lsm=` lacks landlock)",
        }.get(error.errno or 0, f"the kernel answers: {error.strerror}; most likely a container forbids it")
    return ""


def file_rights(version: int) -> int:
    """All file rights that an ABI knows, as bits."""
    return (1 << _FS_BITS[min(version, max(_FS_BITS))]) - 1


def _ruleset(version: int) -> int:
    attributes = struct.pack("=Q", file_rights(version))
    if version >= _TCP_ABI:
        attributes += struct.pack("=Q", _TCP_RIGHTS)
    if version >= _SCOPE_ABI:
        attributes += struct.pack("=Q", _SCOPES)
    return kernel.syscall(CREATE_RULESET, kernel.buffer(attributes), len(attributes), 0)


def _grant(ruleset: int, path: str, rights: int) -> None:
    """Gives rights below a path. One that is missing, or out of this user's reach, needs no grant: it stays denied."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EACCES):
            return
        raise
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= _OF_FILES
        kernel.syscall(ADD_RULE, ruleset, _PATH_BENEATH, kernel.buffer(struct.pack("=Qi", rights, descriptor)), 0)
    finally:
        os.close(descriptor)


def restrict(read: tuple[str, ...], execute: tuple[str, ...], write: tuple[str, ...] = ()) -> int:
    """Restricts this thread, and all that it starts, for good. Needs `no_new_privs`.

    Args:
        read: files and folders (with all below) that may be read.
        execute: that may be read and executed.
        write: that may be read and written (devices such as /dev/null).

    Returns:
        The ABI that was used.

    Raises:
        OSError: the kernel refused; nothing is restricted then.
    """
    version = abi()
    if version == 0:
        raise OSError(errno.EOPNOTSUPP, why_not())
    known = file_rights(version)
    ruleset = _ruleset(version)
    try:
        for paths, rights in ((read, READ), (execute, READ | EXECUTE), (write, READ_FILE | WRITE_FILE | TRUNCATE)):
            for path in paths:
                _grant(ruleset, path, rights & known)
        kernel.syscall(RESTRICT_SELF, ruleset, _LOG_SAME_EXEC_OFF if version >= _LOG_ABI else 0)
    finally:
        os.close(ruleset)
    return version
