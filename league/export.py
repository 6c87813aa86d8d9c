"""Tables of a run as files: csv for pandas, json for programs, md for a README, html for people.

A `Dataset` is a table apart from where it comes from (`league.reports`) and from how it is written (here). What each
format promises is told in `docs/exports.md`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from league.page import page, sections
from league.views import Cell, View, plain_view
from matchmaking.records import SCHEMA

Format = Literal["csv", "json", "md", "html"]
FORMATS: tuple[Format, ...] = ("csv", "json", "md", "html")


@dataclass(frozen=True, slots=True)
class Dataset:
    """A table of a run.

    Attributes:
        title: for people.
        key: name of the list of rows in JSON, such as `players`.
        run: name of the run.
        arena: name of its arena.
        columns: keys of a row, in order.
        rows: one mapping a row; a missing value is None.
        facts: what JSON tells beside the rows.
        view: how people see it in md and html; by default as the rows are.
    """

    title: str
    key: str
    run: str
    arena: str
    columns: tuple[str, ...]
    rows: Sequence[Mapping[str, object]]
    facts: Mapping[str, object] = field(default_factory=dict)
    view: Callable[[], View] | None = None

    def seen(self) -> View:
        """The table as people see it."""
        return plain_view(self.columns, self.rows) if self.view is None else self.view()


def document(data: Dataset) -> dict[str, Any]:
    """The dataset as JSON's object: `run`, `arena`, `schema`, the facts, and the list of rows."""
    rows = [{column: row.get(column) for column in data.columns} for row in data.rows]
    return {"run": data.run, "arena": data.arena, "schema": SCHEMA, **data.facts, data.key: rows}


def to_json(data: Dataset) -> str:
    """Indented JSON; NaN and infinity, which JSON does not have, are an error."""
    return json.dumps(document(data), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_csv(data: Dataset) -> str:
    """RFC 4180 with a header line; a missing value is an empty field, floats are exact."""
    lines = [data.columns, *([_field(row.get(column)) for column in data.columns] for row in data.rows)]
    return "".join(map(_line, lines))


def _line(fields: Sequence[object]) -> str:
    """A line of csv. The writer is told of both ends of a line, so that a field with either of them is quoted."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(fields)
    return out.getvalue().removesuffix("\r\n") + "\n"


def _field(value: object) -> object:
    """What csv writes: lists as JSON, and an apostrophe before a text that a spreadsheet would run as a formula."""
    if value is None:
        return ""
    if isinstance(value, list):
        return json.dumps(value, ensure_ascii=False)
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def to_markdown(data: Dataset) -> str:
    """A GitHub table under a heading, as people see the dataset."""
    view = data.seen()
    lines = [f"# {_markdown(data.title)}", ""]
    if view.facts:
        lines += [" · ".join(f"{_markdown(label)} {_markdown(value)}" for label, value in view.facts), ""]
    lines.append("| " + " | ".join(_markdown(column.label) for column in view.columns) + " |")
    lines.append("| " + " | ".join("---" if column.text else "---:" for column in view.columns) + " |")
    lines += ["| " + " | ".join(_markdown(_read(cell)) for cell in row) + " |" for row in view.rows]
    return "\n".join(lines) + "\n"


def to_html(data: Dataset) -> str:
    """One self-contained page: the table, sortable and with a filter, then the figures."""
    view = data.seen()
    return page(data.title, sections(view), f"{data.arena} · {view.about}" if view.about else data.arena)


def render(data: Dataset, form: Format) -> str:
    """The text of the file."""
    return {"csv": to_csv, "json": to_json, "md": to_markdown, "html": to_html}[form](data)


def _read(cell: Cell) -> str:
    return f"{cell.text} {cell.note}" if cell.note else cell.text


def _markdown(text: str) -> str:
    """Text that stays inside its cell and is no markup: names are other people's."""
    for mark in "\\|`*_[]<>#~":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())
