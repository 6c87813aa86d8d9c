"""Tables of a run as files: csv for pandas, json for programs, md for a README, html for people.

A `Dataset` is a table apart from where it comes from (`league.reports`) and from how it is written (here).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from league.figures import Figure
from league.page import page, table
from league.svg import draw
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
        figures: what the HTML page shows beside the table.
    """

    title: str
    key: str
    run: str
    arena: str
    columns: tuple[str, ...]
    rows: Sequence[Mapping[str, object]]
    figures: tuple[Figure, ...] = ()


def document(data: Dataset) -> dict[str, Any]:
    """The dataset as JSON's object: `run`, `arena`, `schema` and the list of rows."""
    rows = [{column: row.get(column) for column in data.columns} for row in data.rows]
    return {"run": data.run, "arena": data.arena, "schema": SCHEMA, data.key: rows}


def to_json(data: Dataset) -> str:
    """Indented JSON; NaN and infinity, which JSON does not have, are an error."""
    return json.dumps(document(data), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_csv(data: Dataset) -> str:
    """RFC 4180 with a header line; a missing value is an empty field, floats are exact."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(data.columns)
    for row in data.rows:
        writer.writerow(["" if row.get(column) is None else row[column] for column in data.columns])
    return out.getvalue()


def to_markdown(data: Dataset) -> str:
    """A GitHub table under a heading; numbers are rounded to three digits."""
    text = {column for column in data.columns if any(isinstance(row.get(column), str) for row in data.rows)}
    head = " | ".join(column.replace("_", " ") for column in data.columns)
    rule = " | ".join("---" if column in text else "---:" for column in data.columns)
    lines = [f"# {_markdown(data.title)}", "", f"| {head} |", f"| {rule} |"]
    for row in data.rows:
        lines.append("| " + " | ".join(_markdown(_rounded(row.get(column))) for column in data.columns) + " |")
    return "\n".join(lines) + "\n"


def to_html(data: Dataset) -> str:
    """One self-contained page: the table, sortable, then the figures."""
    columns = [column for column in data.columns if column != "id" or "name" not in data.columns]  # names are unique
    sections = [table(columns, data.rows), *(draw(figure) for figure in data.figures)]
    return page(data.title, sections, f"{len(data.rows)} rows. A click on a column's head sorts by it.")


def render(data: Dataset, form: Format) -> str:
    """The text of the file."""
    return {"csv": to_csv, "json": to_json, "md": to_markdown, "html": to_html}[form](data)


def _rounded(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _markdown(text: str) -> str:
    """Text that stays inside its cell and is no markup: names are other people's."""
    for mark in "\\|`*_[]<>#~":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())
