"""What a figure shows, apart from how it is drawn: `league.svg` and `league.plots` both draw these."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True, slots=True)
class Series:
    """A line of a chart.

    Attributes:
        name: for the legend.
        points: (x, y), x ascending.
        spread: half of the height of the band around each point, where an uncertainty is known.
        level: a constant, drawn as a dashed line over the whole width.
        runs: the y of single runs at the same x, drawn thin behind the line, which is their mean.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    spread: tuple[float, ...] = ()
    level: bool = False
    runs: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class LineChart:
    """Curves over a common axis."""

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    y_range: tuple[float, float] | None = None  # by default what the series need


@dataclass(frozen=True, slots=True)
class HeatMap:
    """A table of win rates from 0 to 1, of the row's player against the column's; None is empty.

    Attributes:
        title: of the figure.
        rows: names.
        columns: names.
        values: a line for each row.
        row_label: what the rows are.
        column_label: what the columns are.
    """

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    row_label: str = "player"
    column_label: str = "opponent"


@dataclass(frozen=True, slots=True)
class BarChart:
    """One bar a name; `notes` are written beside the bars."""

    title: str
    x_label: str
    names: tuple[str, ...]
    values: tuple[float, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trace:
    """The path of a distribution over three things; it grows darker with time.

    Attributes:
        name: for the legend.
        points: (a, b, c), not negative and summing to 1.
        faint: drawn thin.
    """

    name: str
    points: tuple[tuple[float, float, float], ...]
    faint: bool = False


@dataclass(frozen=True, slots=True)
class Simplex:
    """Distributions over three things, as points of a triangle; a later trace is drawn over an earlier one."""

    title: str
    corners: tuple[str, str, str]
    traces: tuple[Trace, ...]


Figure = LineChart | HeatMap | BarChart | Simplex


@dataclass(frozen=True, slots=True)
class Sheet:
    """Several cases side by side, each with a triangle and charts of curves.

    Attributes:
        title: of the sheet.
        about: what is seen, in a sentence or two.
        cases: for each case its triangle, and the charts below or beside it; as many for each.
    """

    title: str
    about: str
    cases: tuple[tuple[Simplex, tuple[LineChart, ...]], ...]


SHADES = 24
"""Steps in which a trace grows darker."""


def planar(point: tuple[float, float, float]) -> tuple[float, float]:
    """Place of a distribution in the triangle with the corners (0, 0), (1, 0) and (1/2, sqrt(3)/2)."""
    _, second, third = point
    return second + 0.5 * third, math.sqrt(0.75) * third


def shaded(trace: Trace) -> list[tuple[float, list[tuple[float, float]]]]:
    """The trace in the plane, in pieces that touch, each with its opacity."""
    points = [planar(point) for point in trace.points]
    length = max(1, math.ceil((len(points) - 1) / SHADES))
    pieces = [points[start : start + length + 1] for start in range(0, max(1, len(points) - 1), length)]
    return [(0.3 + 0.7 * (index + 1) / len(pieces), piece) for index, piece in enumerate(pieces)]


PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f5aa2", "#8c6d31")
"""Okabe and Ito's colours, told apart with every kind of colour vision, and two more."""

DARK_PALETTE = ("#4aa8e8", "#f0803c", "#2fc497", "#e39ac3", "#f0b429", "#8fd0f5", "#b494d6", "#c4a25c")
"""The same colours, lighter, for a dark ground."""

SHADES_OF_RATE = 20
"""Steps in which a page colours win rates."""


def bounds(chart: LineChart) -> tuple[float, float, float, float]:
    """(x low, x high, y low, y high) of everything in the chart, never empty and never of width 0."""
    xs = [x for line in chart.series for x, _ in line.points]
    ys = [
        y + sign * spread
        for line in chart.series
        for (_, y), spread in zip(line.points, line.spread or (0.0,) * len(line.points), strict=True)
        for sign in (-1, 1)
    ]
    ys += [y for line in chart.series for run in line.runs for y in run]
    x_low, x_high = _range(xs)
    if chart.y_range is not None:
        return x_low, x_high, *chart.y_range
    y_low, y_high = _range(ys)
    margin = 0.05 * (y_high - y_low)
    return x_low, x_high, y_low - margin, y_high + margin


def _range(values: Sequence[float]) -> tuple[float, float]:
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers in [low, high], about `wanted` of them."""
    step = 10.0**-9
    for exponent in range(-9, 16):
        for factor in (1, 2, 5):
            step = factor * 10.0**exponent
            if (high - low) / step <= wanted:
                first = int(low // step) + (0 if low % step == 0 else 1)
                return [round(index * step, 9) for index in range(first, int(high // step) + 1)]
    return [low, high]


def thinned(points: Sequence[tuple[float, float]], columns: int) -> list[tuple[float, float]]:
    """At most three points for each whole x (a pixel): the highest, the lowest and the last, in their order."""
    if len(points) <= columns:
        return list(points)
    kept: list[tuple[float, float]] = []
    for _, group in groupby(enumerate(points), key=lambda item: int(item[1][0])):
        held = list(group)
        ends = {min(held, key=lambda item: item[1][1]), max(held, key=lambda item: item[1][1]), held[-1]}
        kept += [point for _, point in sorted(ends)]
    return kept


def shade(rate: float) -> int:
    """The step of a win rate, from 0 to SHADES_OF_RATE."""
    return round(min(1.0, max(0.0, rate)) * SHADES_OF_RATE)


def diverging(value: float, dark: bool = False) -> tuple[int, int, int]:
    """Red for 0, blue for 1, and between them near white, or near black on a dark ground.

    Both ends are told apart with every kind of colour vision.
    """
    value = min(1.0, max(0.0, value))
    light_ends, dark_ends = (
        ((178, 24, 43), (247, 247, 247), (33, 102, 172)),
        ((168, 48, 58), (39, 45, 52), (36, 100, 172)),
    )
    low, middle, high = dark_ends if dark else light_ends
    start, end, share = (low, middle, 2 * value) if value < 0.5 else (middle, high, 2 * value - 1)
    red, green, blue = (round(a + share * (b - a)) for a, b in zip(start, end, strict=True))
    return red, green, blue


def ink(ground: tuple[int, int, int]) -> str:
    """Black or white: whichever is read better on a colour (WCAG 2.2, relative luminance and contrast ratio)."""
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (c / 255 for c in ground)
    ]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#fff" if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 else "#111"
