"""Errors as people see them: one line and an exit code, on the command line and in the log of a process alike."""

from __future__ import annotations

import errno
import sys

from agents.bots.protocol import printable
from league.errors import LeagueError

FOREIGN = {
    ("matchmaking.errors", "UnknownPlayerError"): 2,
    ("matchmaking.errors", "MatchmakingError"): None,  # None: the error knows its own exit code
    ("agents.durable", "CheckpointMisfitError"): 2,  # before its base, which damage is told by
    ("agents.durable", "CheckpointError"): 4,
    ("agents.bots.core", "InfraError"): 1,
    ("agents.bots.manifest", "BotRejectedError"): 5,
    ("agents.bots.new", "NoTemplateError"): 2,
    ("agents.bots.store", "BotStoreError"): 4,
    ("agents.teams.core", "TeamMisfitError"): 2,
    ("agents.teams.registry", "UnknownAlgorithmError"): 2,
    ("agents.scripted.registry", "ScriptedPlayerError"): 2,
    ("matchmaking.rules.registry", "RuleError"): 2,
    ("arenas.registry", "UnknownArenaError"): 2,
    ("arenas.registry", "ArenaOptionError"): 2,
    ("arenas.registry", "ArenaLoadError"): 1,
    ("arenas.replay", "ReplayError"): 4,
}
"""Errors of other packages that are meant for people, and their exit codes. Their modules may never be imported."""

LONGEST = 2000  # characters of a message
MAKE_ROOM = "make room and try again (a run goes on with `league resume`)"


def foreign_errors() -> dict[type[BaseException], int | None]:
    """The classes of `FOREIGN` whose modules are loaded: only those can have been raised."""
    found: dict[type[BaseException], int | None] = {}
    for (module, name), code in FOREIGN.items():
        if module in sys.modules:
            found[getattr(sys.modules[module], name)] = code
    return found


def for_people() -> tuple[type[BaseException], ...]:
    """Every class of error that is told in one line; anything else is a fault of ours and keeps its traceback."""
    return (LeagueError, OSError, *foreign_errors())


def out_of_memory(error: BaseException) -> bool:
    """Whether there was no memory for it; torch has no class of its own for that on the CPU."""
    words = ("can't allocate memory", "Storage size calculation overflowed", "out of memory")
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(w in str(error) for w in words))


def disk_full(error: BaseException) -> bool:
    """Whether it says that the disk is full, or was raised because of that."""
    cause = error if isinstance(error, OSError) else error.__cause__
    return isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)


def told(error: BaseException) -> tuple[str, int]:
    """The error as a person is shown it, and the exit code."""
    message = " ".join(str(error).split()) if not isinstance(error, LeagueError) else str(error)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        message = f"{where}{error.strerror or error}"
        message += "; nothing was damaged" if disk_full(error) else ""
    if out_of_memory(error):
        message = f"not enough memory, take fewer or smaller (environments, episodes, buffer, network): {message}"
    message = printable(message, LONGEST, lines=True)  # it may quote a stranger's file, or a name that is no text
    if disk_full(error):
        return f"{message}, {MAKE_ROOM}", 1
    codes = [code for kind, code in foreign_errors().items() if isinstance(error, kind) and code is not None]
    return message, codes[0] if codes else getattr(error, "exit_code", 1)
