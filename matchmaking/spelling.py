"""Names that there are not: which one was meant. (`arenas` knows nothing of this package, and has its own.)"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(given: str, valid: Iterable[str]) -> str | None:
    """The name among `valid` that `given` was most likely meant to be, or None where none is close.

    The only name that begins so is meant, however much of it is missing.
    """
    names = list(valid)
    begun = [name for name in names if given and name.startswith(given.lower())]
    close = difflib.get_close_matches(given.lower(), names, n=1, cutoff=0.55)
    return begun[0] if len(begun) == 1 else close[0] if close else None


def did_you_mean(given: str, valid: Iterable[str], otherwise: str) -> str:
    """The end of an error's sentence: the nearest valid name, else what `otherwise` says."""
    close = nearest(given, valid)
    return otherwise if close is None else f"did you mean {close!r}?"
