"""What can go wrong between a process and the matchmaker's store; each error knows its exit code."""

from __future__ import annotations


class MatchmakingError(Exception):
    """Base of the errors below: the message is one line for a person, `exit_code` is for the shell."""

    exit_code = 1


class RedisUnreachableError(MatchmakingError):
    """Redis does not answer. Whether the last write was applied is not known: repeat it with the same ticket or id."""

    exit_code = 3


class ServerNotFoundError(RedisUnreachableError):
    """No Redis server program is installed and no URL was given."""


class ServerStartError(RedisUnreachableError):
    """The embedded server was started and did not come up."""


class AccessDeniedError(MatchmakingError):
    """The user of the Redis URL may not do that, such as a reader that wants to write."""

    exit_code = 3


class StoreWriteError(MatchmakingError):
    """Redis answers but refuses to write, for instance because its disk is full."""


class SchemaMismatchError(MatchmakingError):
    """The run in Redis was written by another version of this program, or for another arena. Nothing was changed."""

    exit_code = 4


class LogElsewhereError(MatchmakingError):
    """A part of a log lies in the run folder, and this process does not know where that is."""


class DamagedLogError(MatchmakingError):
    """A file with a part of a log is missing, or is not what it was."""

    exit_code = 4


class DamagedRecordError(MatchmakingError):
    """A key of the run in Redis holds something that this program did not write."""

    exit_code = 4


class UnknownRunError(MatchmakingError):
    """No run of this name is in Redis."""

    exit_code = 4


class NameTakenError(MatchmakingError):
    """Another player has this name already, or this id with other fields."""


class UnknownPlayerError(MatchmakingError):
    """A report or a question names a player that was never registered."""
