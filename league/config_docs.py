"""The reference of all settings, written from their models: `python -m league.config_docs docs/configuration.md`.

The models are the one place where a key, its type, its default and its meaning stand. The reference is the part of a
page between two marks; a test fails where the page says something else than the models.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from league.config import LeagueConfig, parse_duration
from league.roles import PAPER, PSEUDOCODE, RolesConfig, RoleSettings
from league.toml import dumps

BEGIN, END = "<!-- reference:begin -->", "<!-- reference:end -->"
HEAD = ["| key | value | default | meaning |", "| --- | --- | --- | --- |"]


def reference() -> str:
    """The reference in Markdown: one section for each table of the TOML file."""
    sections = [_section("Top level", LeagueConfig, "")]
    for name, field in LeagueConfig.model_fields.items():
        if (each := _model_by_name(field)) is not None:
            sections.append(_section(f"[{name}.NAME]", each, f"{name}.NAME."))
            sections += _inner(each, f"{name}.NAME")
        model = _model(field)
        if model is None:
            continue
        sections.append(_section(f"[{name}]", model, f"{name}."))
        if model is RolesConfig:
            sections.append(_roles())
            continue
        sections += _inner(model, name)
    return "\n\n".join(sections) + "\n"


def _inner(model: type[BaseModel], place: str) -> Iterator[str]:
    """A section for each table inside that of a model."""
    for name, field in model.model_fields.items():
        if (below := _model(field)) is not None:
            yield _section(f"[{place}.{name}]", below, f"{place}.{name}.")


def updated(page: str) -> str:
    """The page with the present reference between its marks.

    Raises:
        ValueError: the page has no marks.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page has no {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n{reference()}{END}{after}"


def meanings(model: type[BaseModel]) -> dict[str, str]:
    """What the `Attributes:` of a model's docstring say of each key."""
    found: dict[str, str] = {}
    key = ""
    _, _, block = inspect.cleandoc(model.__doc__ or "").partition("Attributes:\n")
    for line in block.splitlines():
        if start := re.fullmatch(r"    (\w+): (.+)", line):
            key = start[1]
            found[key] = start[2]
        elif key and line.startswith("     "):
            found[key] += f" {line.strip()}"
    return found


def _model(field: FieldInfo) -> type[BaseModel] | None:
    annotation = field.annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _model_by_name(field: FieldInfo) -> type[BaseModel] | None:
    """The model of each table, where there is one for each name."""
    inside = get_args(field.annotation)
    found = get_origin(field.annotation) is dict and isinstance(inside[1], type) and issubclass(inside[1], BaseModel)
    return inside[1] if found else None


def _section(title: str, model: type[BaseModel], prefix: str) -> str:
    """A heading, the first line of the model's docstring, and a row for each key that is no table."""
    lines = inspect.cleandoc(model.__doc__ or "").splitlines()
    return "\n".join([f"### {title}", "", lines[0], "", *HEAD, *_rows(model, prefix)])


def _rows(model: type[BaseModel], prefix: str, default: str | None = None) -> Iterator[str]:
    schema = model.model_json_schema()
    known = meanings(model)
    for name, field in model.model_fields.items():
        if _model(field) is not None or _model_by_name(field) is not None:
            continue
        shown = _default(field) if default is None else default
        kind = _kind(schema["properties"][name], schema.get("$defs", {}))
        if _is_duration(field):
            kind = f"duration{kind.removeprefix('number')}"
        yield f"| `{prefix}{name}` | {kind} | {shown} | {known[name]} |"


def _roles() -> str:
    """The table of each role, whose defaults are the published rules'."""
    lines = ["### [roles.ROLE]", "", "Freeze and reset rule of one role: `main_agent`, `main_exploiter`,"]
    lines[-1] += " `league_exploiter` or `team`. What is not given comes from the preset:"
    lines += ["", *HEAD, *_rows(RoleSettings, "roles.ROLE.", default="of the preset"), ""]
    keys = list(RoleSettings.model_fields)
    lines += [f"| preset | role | {' | '.join(f'`{key}`' for key in keys)} |", "| --- " * (len(keys) + 2) + "|"]
    for preset in (PSEUDOCODE, PAPER):
        for role in (name for name, field in RolesConfig.model_fields.items() if _model(field)):
            rule: BaseModel = getattr(preset, role)
            values = [_shown(value) for value in rule.model_dump(mode="json").values()]
            lines.append(f"| `{preset.preset.value}` | `{role}` | {' | '.join(values)} |")
    return "\n".join(lines)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return "none" if field.default is None else _shown(field.default)


def _shown(value: object) -> str:
    """A value as a TOML file has it."""
    if value == {}:
        return "empty"
    if isinstance(value, int) and not isinstance(value, bool) and value >= 10_000:
        return f"`{value:_}`"
    return f"`{dumps({'value': value}).strip().removeprefix('value = ')}`"


def _is_duration(field: FieldInfo) -> bool:
    """Whether a text such as `10m` is taken: the validator stands in the field or in a part of its annotation."""
    parts = getattr(field.annotation, "__args__", ())
    found = [*field.metadata, *(each for part in parts for each in getattr(part, "__metadata__", ()))]
    return any(getattr(each, "func", None) is parse_duration for each in found)


def _kind(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """A JSON schema in words."""
    if "$ref" in schema:
        return _kind(definitions[schema["$ref"].rsplit("/", 1)[1]], definitions)
    if "anyOf" in schema:
        kinds = [_kind(part, definitions) for part in schema["anyOf"] if part.get("type") != "null"]
        return " or ".join(kinds)
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if schema["type"] == "array":
        return f"list of: {_kind(schema['items'], definitions)}"
    kind: str = schema["type"]
    names = {"string": "text", "object": "table", "boolean": "true or false"}
    return names.get(kind, kind) + _bounds(schema)


def _bounds(schema: Mapping[str, Any]) -> str:
    words = {"exclusiveMinimum": "above", "minimum": "at least", "exclusiveMaximum": "below", "maximum": "at most"}
    found = [f"{word} {_number(schema[key])}" for key, word in words.items() if key in schema]
    return f", {', '.join(found)}" if found else ""


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10_000 else f"{value:g}"


def main(arguments: list[str]) -> None:
    """Print the reference, or bring it up to date in the page that is named."""
    if not arguments:
        sys.stdout.write(reference())
        return
    page = Path(arguments[0])
    page.write_text(updated(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
