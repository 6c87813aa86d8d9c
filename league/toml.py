"""TOML out: the standard library reads it and does not write it. Only what a configuration holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

BARE_KEY = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def dumps(table: Mapping[str, Any]) -> str:
    """`table` as a TOML document; keys whose value is None are left out, since TOML has no null.

    Raises:
        TypeError: for a value that is no string, number, boolean, list or table.
    """
    lines: list[str] = []
    _write(table, (), lines)
    return "\n".join(lines).lstrip("\n") + "\n"


def _write(table: Mapping[str, Any], path: tuple[str, ...], lines: list[str]) -> None:
    plain = {key: value for key, value in table.items() if value is not None and not isinstance(value, Mapping)}
    nested = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    if path and (plain or not nested):
        lines += ["", f"[{'.'.join(_key(part) for part in path)}]"]
    lines += [f"{_key(key)} = {value_text(value)}" for key, value in plain.items()]
    for key, value in nested.items():
        _write(value, (*path, key), lines)


def _key(text: str) -> str:
    return text if text and set(text) <= BARE_KEY else _string(text)


def _string(text: str) -> str:
    """A TOML basic string: JSON's escapes, and DEL, which JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def value_text(value: object) -> str:
    """One value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)  # TOML spells inf, nan and exponents as Python does
    if isinstance(value, list | tuple):
        return f"[{', '.join(value_text(item) for item in value)}]"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {value_text(item)}" for key, item in value.items()) + " }"
    raise TypeError(f"TOML has no form for {value!r} ({type(value).__name__})")
