"""Figures as inline SVG: no script, no dependency, text of the page's own font and colours of its style sheet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from league.figures import (
    PALETTE,
    BarChart,
    Figure,
    HeatMap,
    LineChart,
    Series,
    Simplex,
    Trace,
    bounds,
    planar,
    shade,
    shaded,
    thinned,
    ticks,
)
from league.text import amount

WIDTH, HEIGHT = 760, 380
LEFT, TOP, BOTTOM = 62, 10, 46
SIDE = 300  # of a triangle
MARKED = 60  # points of a line that are marked; more would hide it


def framed(figure: Figure) -> str:
    """A figure under its title, as a section of a page."""
    title = escape(figure.title)
    return (
        f'<figure class="card"><h2>{title}</h2>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{title}">{draw(figure)}</div></figure>'
    )


def draw(figure: Figure) -> str:
    """One `<svg>` element."""
    if isinstance(figure, LineChart):
        return _line_chart(figure)
    if isinstance(figure, Simplex):
        return _simplex(figure)
    return _heat_map(figure) if isinstance(figure, HeatMap) else _bar_chart(figure)


def _svg(width: float, height: float, title: str, body: list[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}" role="img" '
        f'aria-label="{escape(title)}">{"".join(body)}</svg>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start", extra: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{escape(text)}</text>'


AXIS = ' class="axis"'


def _line_chart(chart: LineChart) -> str:
    x_low, x_high, y_low, y_high = bounds(chart)
    right, bottom = WIDTH - 48 - _text_width([line.name for line in chart.series]), HEIGHT - BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        across = LEFT + (x - x_low) / (x_high - x_low) * (right - LEFT)
        return across, bottom - (y - y_low) / (y_high - y_low) * (bottom - TOP)

    body = []
    for value in ticks(y_low, y_high):
        _, y = place(x_low, value)
        body.append(
            f'<path d="M{LEFT} {y:.1f}H{right:.1f}" class="grid"/>{_text(LEFT - 8, y + 4, f"{value:g}", "end", AXIS)}'
        )
    for value in ticks(x_low, x_high):
        x, _ = place(value, y_low)
        body.append(
            f'<path d="M{x:.1f} {bottom}v5" class="base"/>{_text(x, bottom + 18, amount(value), "middle", AXIS)}'
        )
    body.append(f'<path d="M{LEFT} {bottom}H{right:.1f}" class="base"/>')
    body.append(_text((LEFT + right) / 2, HEIGHT - 8, chart.x_label, "middle", AXIS))
    turn = f'{AXIS} transform="rotate(-90 14 {(TOP + bottom) / 2:.0f})"'
    body.append(_text(14, (TOP + bottom) / 2, chart.y_label, "middle", turn))
    for index, line in enumerate(chart.series):
        points = [place(x, y) for x, y in line.points]
        if line.level and line.points:
            points = [place(x_low, line.points[0][1]), place(x_high, line.points[0][1])]
        y = TOP + 12 + 19 * index
        dash = " level" if line.level else ""
        legend = (
            f'<path d="M{right + 14:.1f} {y - 4}h18" class="line{dash}"/>{_text(right + 40, y, _short(line.name))}'
            if y < HEIGHT
            else ""
        )
        drawn = _line(line, points, (bottom - TOP) / (y_high - y_low))
        body.append(f'<g class="series s{index % len(PALETTE)}"><title>{escape(line.name)}</title>{legend}{drawn}</g>')
    return _svg(WIDTH, HEIGHT, chart.title, body)


def _line(line: Series, points: list[tuple[float, float]], scale: float) -> str:
    if not points:
        return ""
    parts = []
    if line.spread and not line.level:
        above = [f"{x:.1f} {y - spread * scale:.1f}" for (x, y), spread in zip(points, line.spread, strict=True)]
        below = [f"{x:.1f} {y + spread * scale:.1f}" for (x, y), spread in zip(points, line.spread, strict=True)]
        parts.append(f'<path d="M{"L".join(above + below[::-1])}Z" class="band"/>')
    for run in line.runs:
        ys = [y + (mean - value) * scale for (_, y), (_, mean), value in zip(points, line.points, run, strict=True)]
        track = "L".join(f"{x:.1f} {y:.1f}" for (x, _), y in zip(points, ys, strict=True))
        parts.append(f'<path d="M{track}" class="line run"/>')
    track = "L".join(f"{x:.1f} {y:.1f}" for x, y in thinned(points, WIDTH))
    dash = " level" if line.level else " fine" if len(points) > MARKED else ""
    parts.append(f'<path d="M{track}" class="line{dash}"/><path d="M{track}" class="hit"/>')
    if not line.level and (line.spread or len(points) == 1) and len(points) <= MARKED:
        spreads = line.spread or (None,) * len(points)
        for (x, y), (at, value), spread in zip(points, line.points, spreads, strict=True):
            half = "" if spread is None else f" ± {spread:.0f}"
            tip = escape(f"{line.name}: {value:.0f}{half} at {amount(at)}")
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" class="point"><title>{tip}</title></circle>')
    return "".join(parts)


def _heat_map(chart: HeatMap) -> str:
    """The map; one that is much wider than high is turned, so that more names are read without turning the head."""
    names, heads, swapped = chart.rows, chart.columns, len(chart.columns) > 2 * len(chart.rows)
    labels = (chart.row_label, chart.column_label)
    if swapped:
        names, heads, labels = heads, names, labels[::-1]
    high = min(38.0, max(20.0, 700 / max(1, len(names))))
    wide = min(60.0, max(20.0, 620 / max(1, len(heads))))
    left, top = 20 + _text_width(names), 34 + 0.72 * _text_width(heads)
    body = [_text(0, 16, f"{labels[0]} ↓  {labels[1]} →", "start", AXIS)]
    for index, name in enumerate(names):
        body.append(_text(left - 8, top + (index + 0.5) * high + 4, _short(name), "end"))
    for index, name in enumerate(heads):
        x, y = left + (index + 0.5) * wide + 3, top - 7
        body.append(_text(x, y, _short(name), "start", f' transform="rotate(-45 {x:.1f} {y:.1f})"'))
    for row, values in enumerate(chart.values):
        for column, value in enumerate(values):
            x, y = (row, column) if swapped else (column, row)
            pair = f"{chart.rows[row]} against {chart.columns[column]}"
            body.append(_cell(left + x * wide, top + y * high, wide, high, value, pair))
    bottom = top + len(names) * high
    body.append(_scale_of_rates(left, bottom + 14))
    slant = 0.75 * _text_width(heads[-1:])
    width = max(left + len(heads) * wide + 16 + slant, left + 330)
    return _svg(width, bottom + 34, chart.title, body)


def _cell(x: float, y: float, wide: float, high: float, value: float | None, pair: str) -> str:
    box = f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide - 1.5:.1f}" height="{high - 1.5:.1f}" rx="2"'
    if value is None:
        return f'{box} class="void"/>'
    text = _text(x + wide / 2 - 0.5, y + high / 2 + 3.5, f"{100 * value:.0f}", "middle", ' class="small"')
    return f'<g class="h{shade(value)}"><title>{escape(f"{pair}: {100 * value:.1f} %")}</title>{box}/>{text}</g>'


def _scale_of_rates(x: float, y: float) -> str:
    steps = "".join(
        f'<g class="h{2 * step}"><rect x="{x + 40 + 14 * step:.1f}" y="{y:.1f}" width="14" height="11"/></g>'
        for step in range(11)
    )
    return f"{_text(x, y + 10, '0 %', 'start', AXIS)}{steps}{_text(x + 202, y + 10, '100 % won', 'start', AXIS)}"


def _simplex(chart: Simplex) -> str:
    left, bottom = 50, 300

    def place(point: tuple[float, float]) -> str:
        return f"{left + SIDE * point[0]:.1f} {bottom - SIDE * point[1]:.1f}"

    corners = [planar(corner) for corner in ((1, 0, 0), (0, 1, 0), (0, 0, 1))]
    outline = "L".join(place(corner) for corner in corners)
    body = [f'<path d="M{outline}Z" class="base"/>']
    for (x, y), name, down in zip(corners, chart.corners, (18, 18, -8), strict=True):
        body.append(_text(left + SIDE * x, bottom - SIDE * y + down, name, "middle"))
    middle = place(planar((1 / 3, 1 / 3, 1 / 3)))
    body.append(f'<path d="M{middle}m-6 0h12m-6 -6v12" stroke="currentColor" stroke-width="1.5"/>')
    for index, trace in enumerate(chart.traces[: len(PALETTE)]):
        y = bottom + 40 + 18 * index
        key = f'<path d="M{left} {y - 4}h18" stroke="currentColor" stroke-width="{1 if trace.faint else 3}"/>'
        label = _text(left + 24, y, trace.name)
        body.append(
            f'<g class="series s{index}"><title>{escape(trace.name)}</title>{_trace(trace, place)}{key}{label}</g>'
        )
    return _svg(SIDE + 2 * left, bottom + 40 + 18 * len(chart.traces), chart.title, body)


def _trace(trace: Trace, place: Callable[[tuple[float, float]], str]) -> str:
    if not trace.points:
        return ""
    width, radius = (1, 3) if trace.faint else (2, 4.5)
    parts = [
        f'<path d="M{"L".join(map(place, piece))}" fill="none" stroke="currentColor" stroke-width="{width}" '
        f'opacity="{opacity:.2f}"/>'
        for opacity, piece in shaded(trace)
    ]
    x, y = place(planar(trace.points[-1])).split()
    parts.append(f'<circle cx="{x}" cy="{y}" r="{radius}" class="point"/>')
    return "".join(parts)


def _text_width(names: Sequence[str]) -> float:
    """About as wide as the longest name is drawn."""
    return 6.6 * min(22, max((len(name) for name in names), default=0))


def _bar_chart(chart: BarChart) -> str:
    left = 20 + 6.8 * min(26, max((len(name) for name in chart.names), default=0))
    highest = max(chart.values, default=0.0) or 1.0
    body = []
    for index, (name, value) in enumerate(zip(chart.names, chart.values, strict=True)):
        y = TOP + 22 * index
        length = value / highest * (WIDTH - left - 190)
        note = f"  {chart.notes[index]}" if chart.notes else ""
        body.append(_text(left - 8, y + 13, _short(name, 26), "end"))
        body.append(
            f'<g class="s0"><rect x="{left:.1f}" y="{y + 1}" width="{length:.1f}" height="16" rx="2" class="bar"/></g>'
        )
        body.append(_text(left + length + 7, y + 13, f"{value:.3f}{note}"))
    bottom = TOP + 22 * len(chart.names)
    body.append(_text((left + WIDTH) / 2, bottom + 20, chart.x_label, "middle", AXIS))
    return _svg(WIDTH, bottom + 32, chart.title, body)


def _short(name: str, length: int = 22) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"
