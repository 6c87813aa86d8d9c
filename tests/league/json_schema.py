"""As much of JSON Schema (draft 2020-12) as the published schemas use; a keyword that is not known is an error."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent.parent / "league" / "schemas"

TYPES: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
SAY_NOTHING = {"$schema", "$id", "$defs", "title", "description", "default"}


def published(table: str) -> dict[str, Any]:
    """The schema of a table's JSON, as it is published."""
    found: dict[str, Any] = json.loads((FOLDER / f"{table}.json").read_text(encoding="utf-8"))
    return found


def faults(value: Any, schema: dict[str, Any], root: dict[str, Any] | None = None, path: str = "$") -> Iterator[str]:
    """Where a value is not what the schema allows, a line each."""
    root = schema if root is None else root
    for keyword, wanted in schema.items():
        if keyword not in SAY_NOTHING:
            yield from _faults(value, keyword, wanted, schema, root, path)


def _faults(
    value: Any, keyword: str, wanted: Any, schema: dict[str, Any], root: dict[str, Any], path: str
) -> Iterator[str]:
    match keyword:
        case "$ref":
            yield from faults(value, root["$defs"][wanted.removeprefix("#/$defs/")], root, path)
        case "type":
            if not TYPES[wanted](value):
                yield f"{path}: {value!r} is no {wanted}"
        case "const":
            if value != wanted:
                yield f"{path}: {value!r} is not {wanted!r}"
        case "enum":
            if value not in wanted:
                yield f"{path}: {value!r} is none of {wanted}"
        case "anyOf":
            if all(any(faults(value, each, root, path)) for each in wanted):
                yield f"{path}: {value!r} fits none of {wanted}"
        case "minimum":
            if isinstance(value, int | float) and value < wanted:
                yield f"{path}: {value} is below {wanted}"
        case "maximum":
            if isinstance(value, int | float) and value > wanted:
                yield f"{path}: {value} is above {wanted}"
        case "pattern":
            if isinstance(value, str) and not re.search(wanted, value):
                yield f"{path}: {value!r} does not match {wanted}"
        case "required":
            yield from (f"{path}: no {key}" for key in wanted if isinstance(value, dict) and key not in value)
        case "properties":
            for key, part in wanted.items():
                if isinstance(value, dict) and key in value:
                    yield from faults(value[key], part, root, f"{path}.{key}")
        case "additionalProperties":
            extra = set(value) - set(schema.get("properties", {})) if isinstance(value, dict) else ()
            for key in extra:
                if wanted is False:
                    yield f"{path}: {key} is not known"
                elif wanted is not True:
                    yield from faults(value[key], wanted, root, f"{path}.{key}")
        case "items":
            for index, each in enumerate(value if isinstance(value, list) else ()):
                yield from faults(each, wanted, root, f"{path}[{index}]")
        case _:
            raise AssertionError(f"{path}: the keyword {keyword} is not checked")
