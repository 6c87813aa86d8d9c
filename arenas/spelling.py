"""Names that there are not: which one was meant."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable

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


def did_you_mean(
    given: str,
    valid: Iterable[str],
    *,
    before: str = "",
    after: str = "",
    otherwise: str = "",
    shown: Callable[[str], str] = str,
) -> str:
    """A part of an error's sentence: the nearest name, between `before` and `after`; `otherwise` where none is close.

    Args:
        given: what was written.
        valid: what there is.
        before: stands before the question.
        after: stands behind it.
        otherwise: in the place of all of it.
        shown: how a name is written.
    """
    near = nearest(given, valid)
    return otherwise if near is None else f"{before}did you mean {shown(near)}?{after}"
