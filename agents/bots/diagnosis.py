"""What a bot's end says: from an exit status, or from what it says that it raised, to a failure's code and line."""

from __future__ import annotations

import errno
import os
import re
import signal
from collections.abc import Mapping
from typing import Any, NamedTuple

from agents.bots.core import FailureCode, Isolation, Limits
from agents.bots.protocol import printable

DENIALS = {"PermissionError"}
MOST_MESSAGE = 300
MOST_TRACEBACK = 4000
MOST_LOG = 4000
OUT_OF_MEMORY = re.compile(r"MemoryError|bad_alloc|[Oo]ut of memory|[Cc]annot allocate memory|Allocation failed")
NO_MEMORY = os.strerror(errno.ENOMEM)  # of an OSError
DENIED = re.compile(r"Operation not permitted|Permission denied|\bEPERM\b|\bEACCES\b|PermissionError")


class Ended(NamedTuple):
    """How a process ended.

    Attributes:
        code: its exit status, or minus the signal that killed it.
        memory: bytes that it had at most.
        cpu: seconds of CPU that it used.
    """

    code: int
    memory: int
    cpu: float


class Diagnosis(NamedTuple):
    """A failure's code and its line for the author."""

    code: FailureCode
    message: str


def of_end(ended: Ended, log: str, limits: Limits, isolation: Isolation) -> Diagnosis:
    """Why a process that ended while it was to answer has ended."""
    if ended.code >= 0:
        how = f"its process exited with status {ended.code}"
    else:
        try:
            how = f"its process was killed by {signal.Signals(-ended.code).name}"
        except ValueError:  # a real-time signal
            how = f"its process was killed by signal {-ended.code}"
    if ended.code == -signal.SIGXCPU or (ended.code == -signal.SIGKILL and ended.cpu > limits.cpu):
        return Diagnosis(FailureCode.TIMEOUT, f"used all of its {limits.cpu:,} s of CPU")
    if ended.code == 0:
        return Diagnosis(FailureCode.CRASH, how)
    if ended.memory > 0.9 * limits.memory or OUT_OF_MEMORY.search(log):
        return Diagnosis(FailureCode.OOM, f"{how}: out of memory, of which it may use {limits.memory // 2**20:,} MiB")
    if isolation is not Isolation.NONE and (ended.code == -signal.SIGSYS or DENIED.search(log)):
        return Diagnosis(FailureCode.SANDBOX_DENIED, f"{how} over something that the sandbox does not allow")
    return Diagnosis(FailureCode.CRASH, how)


def of_error(error: Mapping[str, Any], limits: Limits, isolation: Isolation, otherwise: FailureCode) -> Diagnosis:
    """What an exception means that a bot's process reports.

    Args:
        error: `type`, `message`, and `causes`, the types that it came from; as the bot says.
        limits: the bot's.
        isolation: the bot's.
        otherwise: the code of an ordinary exception.
    """
    name, text = printable(error.get("type", "an error"), 100), printable(error.get("message", ""), MOST_MESSAGE)
    said = f"{name}: {text}" if text else name
    causes = error.get("causes")
    names = {name, *(cause for cause in causes if isinstance(cause, str))} if isinstance(causes, list) else {name}
    if any(each.endswith("MemoryError") for each in names) or text.endswith(NO_MEMORY):
        return Diagnosis(FailureCode.OOM, f"{said} (it may use {limits.memory // 2**20:,} MiB)")
    if names & DENIALS and isolation is not Isolation.NONE:
        return Diagnosis(FailureCode.SANDBOX_DENIED, f"{said} (the sandbox does not allow it)")
    return Diagnosis(otherwise, said)
