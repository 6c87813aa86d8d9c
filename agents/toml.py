"""TOML in: whatever is wrong with a text, it is one error. The standard library has three, and runs out of stack."""

from __future__ import annotations

import tomllib
from typing import Any

DEEPEST = 50
"""Arrays and tables in one another: no file of ours needs five, and whoever walks through them has a stack as well."""


class TOMLError(ValueError):
    """A text is no TOML that is read here; the message says why, in one line."""


def loads(text: str | bytes) -> dict[str, Any]:
    """The table in a TOML document.

    Raises:
        TOMLError: it is not UTF-8, no TOML, nested too deep, or holds an integer of more than 64 bits.
    """
    try:
        table = tomllib.loads(text.decode("utf-8") if isinstance(text, bytes) else text)
    except UnicodeDecodeError as error:
        raise TOMLError(f"byte {error.start} is not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise TOMLError(" ".join(str(error).split())) from error
    except ValueError as error:  # of int: https://docs.python.org/3/library/stdtypes.html#int-max-str-digits
        raise TOMLError("an integer has more than 64 bits") from error
    except RecursionError as error:
        raise TOMLError("nested too deep") from error
    _check(table, DEEPEST)
    return table


def _check(node: object, levels: int) -> None:
    """TOML's integers have 64 bits (https://toml.io/en/v1.0.0#integer), Python's have not."""
    if isinstance(node, int) and not -(2**63) <= node < 2**63:
        raise TOMLError("an integer has more than 64 bits")
    if isinstance(node, dict | list):
        if not levels:
            raise TOMLError(f"nested too deep: more than {DEEPEST} levels")
        for each in node.values() if isinstance(node, dict) else node:
            _check(each, levels - 1)
