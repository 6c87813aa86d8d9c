"""Errors that a person reads: one line that says what was wrong, where, and what would be right.

Every class carries the exit code of the command line: 0 done, 1 failed, 2 usage, 3 Redis out of reach, 4 state or
schema does not match, 130 interrupted. The errors of `matchmaking` carry theirs in the same way.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class LeagueError(Exception):
    """Something failed that is not a fault of this program."""

    exit_code = 1


class InputError(LeagueError):
    """What was asked for is not possible as it was written: a name, an option, a key or a value."""

    exit_code = 2


class ConfigError(InputError):
    """A configuration that is not valid; the message names source, key, what was given and what would be right."""


class RunError(InputError):
    """A run that does not exist, or that exists already."""


class StateMismatchError(LeagueError):
    """What is stored does not fit: another schema, a checkpoint whose content is not what its name says."""

    exit_code = 4


INTERRUPTED = 130


def nearest(given: str, valid: Iterable[str]) -> str | None:
    """The name among `valid` that `given` was most likely meant to be, or None where none is close."""
    names = list(valid)
    begun = [name for name in names if given and name.startswith(given.lower())]
    close = difflib.get_close_matches(given.lower(), names, n=1, cutoff=0.55)
    return begun[0] if len(begun) == 1 else close[0] if close else None


def suggestion(given: str, valid: Iterable[str]) -> str:
    """The end of an error's sentence: the nearest valid name, else all of them."""
    names = sorted(valid)
    close = nearest(given, names)
    if close is not None:
        return f"did you mean {close!r}?"
    return f"valid: {', '.join(names)}" if names else "there are none"
