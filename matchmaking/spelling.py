"""Names that there are not: which one was meant. (`arenas` knows nothing of this package, and has the same rules.)"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

CUTOFF = 0.55
"""How alike two names have to be for `difflib`, from 0 to 1; upper and lower case are the same."""

LONGEST = 200  # letters of a name that is looked at


def nearest(given: str, valid: Iterable[str]) -> str | None:
    """The name among `valid` that `given` was most likely meant to be, or None where none is close.

    The only name that begins so is meant, however much of it is missing.
    """
    names = {name.lower(): name for name in valid}
    wanted = given[:LONGEST].lower()
    begun = [name for name in names if wanted and name.startswith(wanted)]
    close = begun if len(begun) == 1 else difflib.get_close_matches(wanted, names, n=1, cutoff=CUTOFF)
    return names[close[0]] if close else None


def did_you_mean(given: str, valid: Iterable[str], otherwise: str) -> str:
    """The end of an error's sentence: the nearest valid name, else what `otherwise` says."""
    close = nearest(given, valid)
    return otherwise if close is None else f"did you mean {close!r}?"
