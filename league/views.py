"""How people see a table: columns with a label and a meaning, cells with a text, a value to sort by, and marks.

A view is a table apart from the format: `league.page` writes it as HTML, `league.export` as Markdown. Programs get the
plain rows instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from league.figures import Figure
from league.text import MISSING


@dataclass(frozen=True, slots=True)
class Interval:
    """A value between two ends, drawn on the scale that all intervals of the column share."""

    low: float
    value: float
    high: float


@dataclass(frozen=True, slots=True)
class Shares:
    """Wins, draws and losses, drawn as parts of a bar."""

    wins: float
    draws: float
    losses: float


@dataclass(frozen=True, slots=True)
class Shade:
    """A win rate from 0 to 1, drawn as the colour of the cell's ground; None is ground without a value."""

    rate: float | None


Tone = Literal["good", "plain", "warning", "bad"]


@dataclass(frozen=True, slots=True)
class Badge:
    """The cell's text is a label, in a colour that says how it is meant."""

    tone: Tone


Mark = Interval | Shares | Shade | Badge


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a view.

    Attributes:
        key: its name in links to a sorted page.
        label: its head.
        meaning: a sentence for who does not know it.
        text: left-aligned, and sorted as text.
        falling: the largest value comes first where one sorts by it.
        pinned: stays in sight where the table is wider than the screen.
        centred: as the columns of a square.
    """

    key: str
    label: str
    meaning: str = ""
    text: bool = False
    falling: bool = False
    pinned: bool = False
    centred: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a view.

    Attributes:
        text: what is read.
        value: what is sorted by; None is missing, and comes last in both directions.
        note: small print behind the text.
        tip: shown where the pointer rests.
        mark: what is drawn in it.
    """

    text: str
    value: float | str | None = None
    note: str = ""
    tip: str = ""
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class View:
    """A table for people.

    Attributes:
        columns: from left to right.
        rows: a cell for each column.
        facts: label and value of what holds for the whole table.
        figures: what a page shows beside the table.
        about: a sentence on what is seen.
    """

    columns: tuple[Column, ...]
    rows: Sequence[Sequence[Cell]]
    facts: tuple[tuple[str, str], ...] = ()
    figures: tuple[Figure, ...] = ()
    about: str = ""


EMPTY = Cell(MISSING)


def text_cell(text: str | None, note: str = "", tip: str = "", mark: Mark | None = None) -> Cell:
    """A text that is sorted by itself; a dash where there is none."""
    return Cell(text, text, note, tip, mark) if text else EMPTY


def number_cell(
    value: float | None, digits: int = 0, unit: str = "", note: str = "", tip: str = "", mark: Mark | None = None
) -> Cell:
    """A number, rounded to be read and exact to be sorted by; a dash where there is none."""
    if value is None:
        return EMPTY
    text = f"{value:.{digits}f}" if abs(value) < 1e4 else f"{value:,.{digits}f}"
    return Cell(text + unit, value, note, tip, mark)


def filled(view: View) -> View:
    """The view without the columns in which nothing stands."""
    used = [place for place in range(len(view.columns)) if any(row[place] != EMPTY for row in view.rows)]
    if not view.rows:
        return view
    rows = [[row[place] for place in used] for row in view.rows]
    return replace(view, columns=tuple(view.columns[place] for place in used), rows=rows)


def plain_view(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> View:
    """The rows as they are, for tables that have no view of their own."""
    text = {column for column in columns if any(isinstance(row.get(column), str) for row in rows)}
    digits = {column: _digits([row.get(column) for row in rows]) for column in columns}
    heads = [Column(column, column.replace("_", " "), text=column in text) for column in columns]
    return View(tuple(heads), [[_plain_cell(row.get(column), digits[column]) for column in columns] for row in rows])


def _digits(values: Sequence[object]) -> int:
    """Decimals with which a column of numbers is read best: as many for all of them."""
    largest = max((abs(value) for value in values if isinstance(value, float)), default=0.0)
    return 3 if largest < 10 else 1 if largest <= 100 else 0


def _plain_cell(value: object, digits: int) -> Cell:
    if value is None:
        return EMPTY
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number_cell(value, digits if isinstance(value, float) else 0)
    return text_cell(str(value))
