"""What is read from Redis was written by this program; where it was not, that is said, with the key."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from matchmaking.errors import DamagedRecordError

SHOWN = 200  # characters of what is wrong


@contextmanager
def intact(run: str, key: str) -> Iterator[None]:
    """A block that takes apart what stands under a key, or works with it.

    Args:
        run: the run's name.
        key: without the run's prefix.

    Raises:
        DamagedRecordError: what stands there is of the wrong shape.
    """
    try:
        yield
    except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError, struct.error) as error:
        if isinstance(error, ValidationError):
            first = error.errors(include_url=False, include_input=False)[0]
            problem = f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")
        else:
            problem = f"{type(error).__name__}: {error}"
        raise DamagedRecordError(
            f"`{key}` of run {run!r} in Redis holds something that this program did not write ({problem[:SHOWN]}); "
            "`league restore` puts a backup in its place"
        ) from error
