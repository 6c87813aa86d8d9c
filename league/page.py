"""One self-contained HTML page: a table that sorts by a click on its head, figures as inline SVG, nothing loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from importlib import resources
from string import Template

Row = Mapping[str, object]


@cache
def _template() -> Template:
    return Template((resources.files("league") / "templates" / "page.html").read_text(encoding="utf-8"))


def page(title: str, sections: Sequence[str], about: str = "") -> str:
    """A page of ready-made HTML sections; title and line below it are plain text."""
    body = "\n".join(f"<section>{section}</section>" for section in sections)
    return _template().substitute(title=escape(title), about=escape(about), sections=body)


def table(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """Rows as a sortable table; a column is text where any of its values is."""
    text = {column for column in columns if any(isinstance(row.get(column), str) for row in rows)}

    def mark(column: str) -> str:
        return ' class="text"' if column in text else ""

    digits = {column: _digits([row.get(column) for row in rows]) for column in columns}
    head = "".join(f"<th{mark(column)}>{escape(column.replace('_', ' '))}</th>" for column in columns)
    lines = []
    for row in rows:
        cells = "".join(f"<td{mark(column)}{_value(row.get(column), digits[column])}</td>" for column in columns)
        lines.append(f"<tr>{cells}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _digits(values: Sequence[object]) -> int:
    """Decimals with which a column of numbers is read best: as many for all of them."""
    largest = max((abs(value) for value in values if isinstance(value, float)), default=0.0)
    return 3 if largest < 10 else 1 if largest <= 100 else 0


def _value(value: object, digits: int) -> str:
    """The end of a cell's tag and its text: the exact value to sort by, a rounded one to read."""
    if value is None:
        return ' data-value="">–'
    if isinstance(value, float):
        return f' data-value="{value!r}">{value:.{digits}f}'
    return f">{escape(str(value))}"
