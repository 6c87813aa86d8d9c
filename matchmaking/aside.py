"""What is too much for one command of Redis (a million words) goes there in pieces, and is put in place by one script.

Pieces lie under a key that nobody else knows. One that is never put in place, for its writer was killed, is forgotten.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Literal

from matchmaking.errors import StoreWriteError
from matchmaking.session import Session

PIECE = 10_000
"""Elements of one piece: some hundred kilobytes, a few milliseconds of the server's time."""
_KEPT = 3600  # seconds for which a piece waits for the next one, or for being put in place

Element = Sequence[str | bytes]
"""A field and its value, or for a list one value."""


def set_aside(session: Session, kind: Literal["hash", "list"], elements: Sequence[Element], piece: int = PIECE) -> str:
    """Bring elements to the server, in their order.

    Args:
        session: the run.
        kind: what they become.
        elements: with fields that differ.
        piece: elements that one command carries at most.

    Returns:
        The key under which they are, of the run; where there are no elements, nothing is there.

    Raises:
        StoreWriteError: they are not all there afterwards.
    """
    key = f"aside:{secrets.token_hex(8)}"
    for start in range(0, len(elements), piece):
        batch = elements[start : start + piece]
        words = [word for element in batch for word in element]
        there = session.call("set_aside", [key], kind, _KEPT, start, *words)
        if there != start + len(batch):
            raise StoreWriteError(f"Redis holds {there} of {start + len(batch)} values that were set aside: try again")
    return key
