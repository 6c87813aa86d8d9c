"""One self-contained HTML page: a table that sorts and filters, figures as inline SVG, nothing loaded.

The page's Content-Security-Policy allows its own style and script, by their hashes, and nothing else: a name that got
into the page as markup could not run, and could not call home.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from html import escape
from importlib import resources
from string import Template

from league.figures import DARK_PALETTE, PALETTE, SHADES_OF_RATE, diverging, ink, shade
from league.svg import framed
from league.views import Badge, Cell, Column, Interval, Shade, Shares, View

MARK_WIDTH = 68  # of what is drawn in a cell


def page(title: str, sections: Sequence[str], about: str = "") -> str:
    """A page of ready-made HTML sections; title and line below it are plain text."""
    style, script = _style(), _template("page.js")
    policy = f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'"
    return Template(_template("page.html")).substitute(
        title=escape(title),
        about=escape(about),
        sections="\n".join(sections),
        style=style,
        script=script,
        policy=f"{policy}; form-action 'none'",
    )


def sections(view: View) -> list[str]:
    """The view as sections of a page: facts, the table, the figures."""
    facts = "".join(f"<div><dt>{escape(label)}</dt><dd>{escape(value)}</dd></div>" for label, value in view.facts)
    figures = "".join(framed(figure) for figure in view.figures)
    parts = [f'<dl class="facts">{facts}</dl>' if facts else "", _sheet(view)]
    return [*filter(None, parts), f'<div class="figures">{figures}</div>' if figures else ""]


@cache
def _template(name: str) -> str:
    return (resources.files("league") / "templates" / name).read_text(encoding="utf-8").rstrip("\n")


@cache
def _style() -> str:
    """The style sheet, with the colours of lines and of win rates that `league.figures` defines."""
    light, dark = [], []
    for index, (color, dark_color) in enumerate(zip(PALETTE, DARK_PALETTE, strict=True)):
        light.append(f".s{index} {{ color: {color}; }}")
        dark.append(f".s{index} {{ color: {dark_color}; }}")
    for step in range(SHADES_OF_RATE + 1):
        for rules, night in ((light, False), (dark, True)):
            rgb = diverging(step / SHADES_OF_RATE, dark=night)
            ground, text = f"rgb{rgb}".replace(" ", ""), ink(rgb)
            rules.append(f"td.h{step} {{ background: {ground}; color: {text}; }}")
            rules.append(f".h{step} rect {{ fill: {ground}; }} .h{step} text {{ fill: {text}; }}")
    night_only = "@media screen and (prefers-color-scheme: dark) {"
    return "\n".join([_template("page.css"), *light, night_only, *dark, "}"])


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _sheet(view: View) -> str:
    """The table with its filter and the meaning of its columns."""
    head = "".join(map(_head, view.columns))
    scales = [_scale([row[place] for row in view.rows]) for place in range(len(view.columns))]
    places = list(zip(view.columns, scales, strict=True))
    lines = []
    for row in view.rows:
        cells = "".join(_cell(column, cell, scale) for (column, scale), cell in zip(places, row, strict=True))
        lines.append(f"<tr>{cells}</tr>")
    meanings = "".join(
        f"<div><dt>{escape(column.label)}</dt><dd>{escape(column.meaning)}</dd></div>"
        for column in view.columns
        if column.meaning
    )
    return (
        '<section class="card sheet"><div class="tools" hidden>'
        '<input type="search" placeholder="Filter rows" aria-label="Filter rows"><output></output></div>'
        '<div class="scroll" tabindex="0" role="region" aria-label="Table">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
        + (f"<details><summary>What the columns mean</summary><dl>{meanings}</dl></details>" if meanings else "")
        + "</section>"
    )


def _kinds(column: Column) -> tuple[str, ...]:
    kinds = (("text", column.text), ("pin", column.pinned), ("mid", column.centred))
    return tuple(name for name, so in kinds if so)


def _classes(*names: str) -> str:
    used = " ".join(filter(None, names))
    return f' class="{used}"' if used else ""


def _head(column: Column) -> str:
    classes = _classes(*_kinds(column))
    falling = " data-falling" if column.falling else ""
    tip = f' title="{escape(column.meaning)}"' if column.meaning else ""
    key = escape(column.key)
    return (
        f'<th scope="col"{classes} data-key="{key}"{falling}>'
        f'<button type="button"{tip}>{escape(column.label)}</button></th>'
    )


def _cell(column: Column, cell: Cell, scale: tuple[float, float]) -> str:
    shaded = ""
    if isinstance(cell.mark, Shade):
        shaded = "none" if cell.mark.rate is None else f"heat h{shade(cell.mark.rate)}"
    classes = _classes(*_kinds(column), shaded)
    value = "" if cell.value is None else escape(repr(cell.value) if isinstance(cell.value, float) else str(cell.value))
    tip = f' title="{escape(cell.tip)}"' if cell.tip else ""
    text = escape(cell.text)
    if isinstance(cell.mark, Badge):
        text = f'<span class="badge {cell.mark.tone}">{text}</span>'
    note = f"<small>{escape(cell.note)}</small>" if cell.note else ""
    tag = 'th scope="row"' if column.pinned else "td"
    return f'<{tag}{classes} data-value="{value}"{tip}>{text}{note}{_drawn(cell, scale)}</{tag.split(maxsplit=1)[0]}>'


def _scale(cells: Sequence[Cell]) -> tuple[float, float]:
    """The common ends of a column's intervals."""
    marks = [cell.mark for cell in cells if isinstance(cell.mark, Interval)]
    low, high = min((mark.low for mark in marks), default=0.0), max((mark.high for mark in marks), default=1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _drawn(cell: Cell, scale: tuple[float, float]) -> str:
    mark, width = cell.mark, MARK_WIDTH
    if isinstance(mark, Interval):
        low, value, high = (
            3 + (each - scale[0]) / (scale[1] - scale[0]) * (width - 6) for each in (mark.low, mark.value, mark.high)
        )
        body = f'<path class="grid" d="M0 7H{width}"/><path class="span" d="M{low:.1f} 7H{high:.1f}"/>'
        body += f'<circle class="dot" cx="{value:.1f}" cy="7" r="3"/>'
        return f'<svg width="{width}" height="14" aria-hidden="true">{body}</svg>'
    if isinstance(mark, Shares):
        total = mark.wins + mark.draws + mark.losses
        x, body = 0.0, ""
        for name, part in (("win", mark.wins), ("draw", mark.draws), ("loss", mark.losses)):
            length = width * part / total if total else 0.0
            body += f'<rect class="{name}" x="{x:.1f}" width="{length:.1f}" height="9"/>' if part else ""
            x += length
        return f'<svg width="{width}" height="9" aria-hidden="true">{body}</svg>'
    return ""
