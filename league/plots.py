"""Figures as files: PNG by matplotlib (the extra `plots`), HTML with inline SVG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from league.errors import InputError, LeagueError
from league.figures import PALETTE, BarChart, Figure, HeatMap, LineChart

SUFFIXES = (".png", ".html")


def save(figure: Figure, path: Path) -> None:
    """Draw `figure` into a file whose name says the format.

    Raises:
        InputError: the name ends neither in .png nor in .html.
        LeagueError: a PNG was asked for and matplotlib is not installed.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: a plot is written to a name that ends in .png or .html")
    path.parent.mkdir(parents=True, exist_ok=True)
    if suffix == ".png":
        _save_png(figure, path)
        return
    from league.page import page
    from league.svg import draw

    path.write_text(page(figure.title, [draw(figure)]), encoding="utf-8")


def _save_png(figure: Figure, path: Path) -> None:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure as Canvas
    except ImportError as error:
        raise LeagueError(
            "a PNG needs matplotlib: pip install 'league-selfplay[plots]', or write to a name that ends in .html"
        ) from error
    size = _size(figure)
    canvas = Canvas(figsize=size, dpi=130, layout="constrained")
    FigureCanvasAgg(canvas)
    axes = canvas.add_subplot()
    axes.set_title(figure.title, loc="left", fontsize=11)
    if isinstance(figure, LineChart):
        _lines(canvas, axes, figure)
    elif isinstance(figure, HeatMap):
        _heat(canvas, axes, figure)
    else:
        _bars(axes, figure)
    canvas.savefig(path)


def _size(figure: Figure) -> tuple[float, float]:
    if isinstance(figure, HeatMap):
        sides = [min(16.0, 0.42 * len(names) + 2.5) for names in (figure.columns, figure.rows)]
        return max(5.5, sides[0] + 1.0), max(3.2, sides[1])
    return (8.6, max(2.5, 0.26 * len(figure.names) + 1.2)) if isinstance(figure, BarChart) else (9.0, 4.8)


def _lines(canvas: Any, axes: Any, chart: LineChart) -> None:
    for index, line in enumerate(chart.series):
        color = PALETTE[index % len(PALETTE)]
        xs, ys = [x for x, _ in line.points], [y for _, y in line.points]
        if line.level and ys:
            axes.axhline(ys[0], color=color, linestyle="--", linewidth=1.4, label=line.name)
            continue
        axes.plot(xs, ys, color=color, marker="o" if len(xs) <= 60 else None, markersize=4, label=line.name)
        if line.spread:
            low = [y - spread for y, spread in zip(ys, line.spread, strict=True)]
            high = [y + spread for y, spread in zip(ys, line.spread, strict=True)]
            axes.fill_between(xs, low, high, color=color, alpha=0.15, linewidth=0)
    axes.set_xlabel(chart.x_label)
    axes.set_ylabel(chart.y_label)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if chart.series:
        canvas.legend(loc="outside right upper", frameon=False, fontsize=8)


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
