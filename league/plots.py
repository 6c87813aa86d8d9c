"""Figures as files: PNG by matplotlib (the extra `plots`), HTML with inline SVG."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from league.errors import InputError, LeagueError
from league.figures import PALETTE, BarChart, Figure, HeatMap, LineChart, Sheet, Simplex, planar, shaded
from league.files import replace_text
from league.text import amount

SUFFIXES = (".png", ".html")


def check(path: Path) -> None:
    """Make sure that a figure can be drawn into a file of this name, before the work that leads to it.

    Raises:
        InputError: the name ends neither in .png nor in .html.
        LeagueError: it is a PNG and matplotlib is not installed.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: a plot is written to a name that ends in .png or .html")
    if suffix == ".png" and importlib.util.find_spec("matplotlib") is None:
        raise LeagueError(
            "a PNG needs matplotlib: pip install 'league-selfplay[plots]', or write to a name that ends in .html"
        )


def save(figure: Figure | Sheet, path: Path) -> None:
    """Draw `figure` into a file whose name says the format; see `check` for errors."""
    check(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".png":
        _save_png(figure, path)
        return
    from league.page import page
    from league.svg import framed

    if isinstance(figure, Sheet):
        drawn = [(framed(simplex), "".join(map(framed, charts))) for simplex, charts in figure.cases]
        sections = [f'<div class="case">{triangle}<div>{curves}</div></div>' for triangle, curves in drawn]
        replace_text(path, page(figure.title, sections, figure.about))
    else:
        replace_text(path, page(figure.title, [framed(figure)]))


def _save_png(figure: Figure | Sheet, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=_size(figure), dpi=130, layout="constrained")
    FigureCanvasAgg(canvas)
    if isinstance(figure, Sheet):
        _sheet(canvas, figure)
    else:
        _single(canvas, figure)
    canvas.savefig(path)


def _single(canvas: Any, figure: Figure) -> None:
    axes = canvas.add_subplot()
    axes.set_title(figure.title, loc="left", fontsize=11)
    if isinstance(figure, LineChart):
        _lines(axes, figure)
        if figure.series:
            canvas.legend(loc="outside right upper", frameon=False, fontsize=8)
    elif isinstance(figure, HeatMap):
        _heat(canvas, axes, figure)
    elif isinstance(figure, Simplex):
        _triangle(axes, figure)
    else:
        _bars(axes, figure)


def _sheet(canvas: Any, sheet: Sheet) -> None:
    canvas.suptitle(sheet.title, fontsize=13, fontweight="bold")
    canvas.supxlabel(sheet.about, fontsize=8.5, color="#555555")
    charts = max((len(charts) for _, charts in sheet.cases), default=0)
    grid = canvas.subplots(1 + charts, len(sheet.cases), height_ratios=(2, *[1] * charts), squeeze=False)
    for column, (simplex, below) in enumerate(sheet.cases):
        grid[0][column].set_title(simplex.title, fontsize=11)
        _triangle(grid[0][column], simplex)
        for axes, chart in zip(grid[1:, column], below, strict=True):
            axes.set_title(chart.title, fontsize=9)
            _lines(axes, chart)
            axes.legend(loc="upper right", ncols=len(chart.series), frameon=False, fontsize=7)


def _size(figure: Figure | Sheet) -> tuple[float, float]:
    if isinstance(figure, Sheet):
        return 4.6 * len(figure.cases), 9.6
    if isinstance(figure, Simplex):
        return 5.4, 5.2
    if isinstance(figure, HeatMap):
        sides = [min(16.0, 0.42 * len(names) + 2.5) for names in (figure.columns, figure.rows)]
        return max(5.5, sides[0] + 1.0), max(3.2, sides[1])
    return (8.6, max(2.5, 0.26 * len(figure.names) + 1.2)) if isinstance(figure, BarChart) else (9.0, 4.8)


def _lines(axes: Any, chart: LineChart) -> None:
    for index, line in enumerate(chart.series):
        color = PALETTE[index % len(PALETTE)]
        xs, ys = [x for x, _ in line.points], [y for _, y in line.points]
        if line.level and ys:
            axes.axhline(ys[0], color=color, linestyle="--", linewidth=1.4, label=line.name)
            continue
        for run in line.runs:
            axes.plot(xs, run, color=color, linewidth=0.7, alpha=0.4)
        axes.plot(xs, ys, color=color, marker="o" if len(xs) <= 60 else None, markersize=4, label=line.name)
        if line.spread:
            low = [y - spread for y, spread in zip(ys, line.spread, strict=True)]
            high = [y + spread for y, spread in zip(ys, line.spread, strict=True)]
            axes.fill_between(xs, low, high, color=color, alpha=0.15, linewidth=0)
    axes.set_xlabel(chart.x_label)
    axes.set_ylabel(chart.y_label)
    axes.xaxis.set_major_formatter(lambda value, _: amount(value))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if chart.y_range is not None:
        axes.set_ylim(*chart.y_range)


def _triangle(axes: Any, chart: Simplex) -> None:
    corners = [planar(corner) for corner in ((1, 0, 0), (0, 1, 0), (0, 0, 1))]
    axes.fill(*zip(*corners, strict=True), facecolor="none", edgecolor="#b5bcc3", linewidth=1.0)
    for (x, y), name, lift in zip(corners, chart.corners, (-0.05, -0.05, 0.05), strict=True):
        axes.text(x, y + lift, name, ha="center", va="center", fontsize=9)
    axes.plot(*planar((1 / 3, 1 / 3, 1 / 3)), marker="+", markersize=12, color="black", zorder=4)
    for color, trace in zip(PALETTE, chart.traces, strict=False):
        width = 0.8 if trace.faint else 1.8
        for opacity, piece in shaded(trace):
            axes.plot(
                *zip(*piece, strict=True), color=color, alpha=opacity, linewidth=width, zorder=2 + (not trace.faint)
            )
        if trace.points:
            end = planar(trace.points[-1])
            axes.plot(*end, color=color, marker="o", markersize=4 if trace.faint else 6, zorder=5, label=trace.name)
    axes.set_aspect("equal")
    axes.set_xlim(-0.1, 1.1)
    axes.set_ylim(-0.1, 0.95)
    axes.set_axis_off()
    if chart.traces:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0.03), ncols=2, frameon=False, fontsize=7.5)


def _heat(canvas: Any, axes: Any, chart: HeatMap) -> None:
    if not chart.rows:
        axes.set_axis_off()
        return
    values = [[float("nan") if value is None else value for value in row] for row in chart.values]
    image = axes.imshow(values, cmap="RdBu", vmin=0.0, vmax=1.0)
    axes.set_xticks(range(len(chart.columns)), chart.columns, rotation=60, ha="right", fontsize=7)
    axes.set_yticks(range(len(chart.rows)), chart.rows, fontsize=7)
    if len(chart.columns) <= 24:
        for row, line in enumerate(chart.values):
            for column, value in enumerate(line):
                if value is not None:
                    ink = "white" if abs(value - 0.5) > 0.32 else "black"
                    axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=7, color=ink)
    else:
        canvas.colorbar(image, ax=axes, shrink=0.7, label="win rate of the row's player")


def _bars(axes: Any, chart: BarChart) -> None:
    places = range(len(chart.names))
    bars = axes.barh(places, chart.values, color=PALETTE[0], height=0.75)
    axes.set_yticks(places, chart.names, fontsize=8)
    axes.invert_yaxis()
    notes = chart.notes or ("",) * len(chart.names)
    labels = [f"{value:.3f}  {note}" for value, note in zip(chart.values, notes, strict=True)]
    axes.bar_label(bars, labels, padding=3, fontsize=8)
    axes.margins(x=0.25)
    axes.set_xlabel(chart.x_label)
    axes.spines[["top", "right"]].set_visible(False)
