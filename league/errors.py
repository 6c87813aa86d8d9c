"""Errors that a person reads: one line that says what was wrong, where, and what would be right.

Every class carries the exit code of the command line: 0 done, 1 failed, 2 usage, 3 Redis out of reach, 4 state or
schema does not match, 130 interrupted. The errors of `matchmaking` carry theirs in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable

from matchmaking.spelling import did_you_mean


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


def suggestion(given: str, valid: Iterable[str]) -> str:
    """The end of an error's sentence: the nearest valid name, else all of them."""
    names = sorted(valid)
    return did_you_mean(given, names, f"valid: {', '.join(names)}" if names else "there are none")
