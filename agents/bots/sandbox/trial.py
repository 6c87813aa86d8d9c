"""Tries each layer of the sandbox on this machine, in processes that end. Run as a script by `layers`; prints JSON.

A layer counts when something that worked before it fails after it: a kernel that accepts a call and does nothing (some
emulations do) has no layer. Standard library only.
"""

from __future__ import annotations

import json
import mmap
import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[3])


def denied(action: Callable[[], object]) -> bool:
    """Whether an action fails for want of permission."""
    try:
        action()
    except PermissionError:
        return True
    return False


def try_rlimits() -> str:
    """Address space ends at the limit."""
    from agents.bots.sandbox import rlimits

    rlimits.limit(memory=1 << 30, data_only=False, cpu=60, files=32)
    try:
        mmap.mmap(-1, 2 << 30)
    except (OSError, MemoryError):
        return "memory, CPU, open files; no file grows"
    raise OSError("the kernel does not hold RLIMIT_AS")


def try_capabilities() -> str:
    """Root is a user like any other."""
    from agents.bots.sandbox import rlimits, seccomp

    seccomp.set_no_new_privs()
    rlimits.drop_capabilities()
    if not denied(lambda: os.chroot("/")):
        raise OSError("capabilities that were dropped still count")
    return "none kept"


def try_landlock() -> str:
    """A file that could be read cannot be."""
    from agents.bots.sandbox import landlock, seccomp

    if landlock.abi() == 0:
        raise OSError(landlock.why_not())
    with Path(__file__).open("rb"):
        seccomp.set_no_new_privs()
        version = landlock.restrict((), ())
    if not denied(lambda: Path(__file__).open("rb").close()):
        raise OSError("the kernel accepts the rules and does not hold them")
    covers = ["files", *(["TCP"] if version >= 4 else []), *(["signals, abstract sockets"] if version >= 6 else [])]
    return f"ABI {version}: {', '.join(covers)}"


def try_seccomp() -> str:
    """No socket, no process; threads."""
    from agents.bots.sandbox import seccomp

    seccomp.set_no_new_privs()
    seccomp.restrict(command=False)
    if not denied(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()):
        raise OSError("the kernel accepts the filter and does not hold it: a socket opens")
    if not denied(os.fork):
        raise OSError("the kernel accepts the filter and does not hold it: a process starts")
    thread = threading.Thread(target=list)
    thread.start()
    thread.join()
    return "network, processes, signals, tracing, modes of files"


TRIALS = {
    "rlimits": try_rlimits,
    "capabilities": try_capabilities,
    "landlock": try_landlock,
    "seccomp": try_seccomp,
}


def run(trial: Callable[[], str]) -> tuple[bool, str]:
    """One trial in a process of its own: whether the layer works, and what it does or why not."""
    answers, answer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            result = (True, trial())
        except OSError as error:
            result = (False, error.strerror or str(error))
        os.write(answer, json.dumps(result).encode())
        os._exit(0)
    os.close(answer)
    with os.fdopen(answers, "rb") as stream:
        text = stream.read()
    _, status = os.waitpid(pid, 0)
    if not text:
        return False, f"the process that tried it ended with {os.waitstatus_to_exitcode(status)}"
    works, detail = json.loads(text)
    return works, detail


if __name__ == "__main__":
    sys.path.insert(0, ROOT)
    print(json.dumps({name: run(trial) for name, trial in TRIALS.items()}))
