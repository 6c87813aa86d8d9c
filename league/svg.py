"""Figures as inline SVG: no script, no dependency, text of the page's own font and colour."""

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
    diverging,
    planar,
    shaded,
    ticks,
)
from league.text import amount

WIDTH, HEIGHT = 860, 380
LEFT, RIGHT, TOP, BOTTOM = 64, 190, 34, 46
MAX_LEGEND = 16
SIDE = 300  # of a triangle


def draw(figure: Figure) -> str:
    """One `<svg>` element."""
    if isinstance(figure, LineChart):
        return _line_chart(figure)
    if isinstance(figure, Simplex):
        return _simplex(figure)
    return _heat_map(figure) if isinstance(figure, HeatMap) else _bar_chart(figure)


def _svg(width: float, height: float, title: str, body: list[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" role="img" aria-label="{escape(title)}">'
        f'<text x="8" y="20" class="title">{escape(title)}</text>{"".join(body)}</svg>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start", extra: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{escape(text)}</text>'


def _line_chart(chart: LineChart) -> str:
    x_low, x_high, y_low, y_high = bounds(chart)
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        across = LEFT + (x - x_low) / (x_high - x_low) * (right - LEFT)
        return across, bottom - (y - y_low) / (y_high - y_low) * (bottom - TOP)

    body = []
    for value in ticks(y_low, y_high):
        _, y = place(x_low, value)
        body.append(f'<path d="M{LEFT} {y:.1f}H{right}" class="grid"/>{_text(LEFT - 6, y + 4, f"{value:g}", "end")}')
    for value in ticks(x_low, x_high):
        x, _ = place(value, y_low)
        body.append(f'<path d="M{x:.1f} {TOP}V{bottom}" class="grid"/>{_text(x, bottom + 16, amount(value), "middle")}')
    body.append(_text((LEFT + right) / 2, HEIGHT - 8, chart.x_label, "middle"))
    turn = f' transform="rotate(-90 14 {(TOP + bottom) / 2:.0f})"'
    body.append(_text(14, (TOP + bottom) / 2, chart.y_label, "middle", turn))
    for index, line in enumerate(chart.series):
        points = [place(x, y) for x, y in line.points]
        if line.level and line.points:
            points = [place(x_low, line.points[0][1]), place(x_high, line.points[0][1])]
        body.append(_line(line, points, PALETTE[index % len(PALETTE)], (bottom - TOP) / (y_high - y_low)))
        if index < MAX_LEGEND:
            y = TOP + 10 + 18 * index
            color = PALETTE[index % len(PALETTE)]
            body.append(f'<path d="M{right + 12} {y - 4}h18" stroke="{color}" stroke-width="3"/>')
            body.append(_text(right + 36, y, _short(line.name)))
    return _svg(WIDTH, HEIGHT, chart.title, body)


def _line(line: Series, points: list[tuple[float, float]], color: str, scale: float) -> str:
    if not points:
        return ""
    parts = []
    if line.spread and not line.level:
        above = [f"{x:.1f} {y - spread * scale:.1f}" for (x, y), spread in zip(points, line.spread, strict=True)]
        below = [f"{x:.1f} {y + spread * scale:.1f}" for (x, y), spread in zip(points, line.spread, strict=True)]
        parts.append(f'<path d="M{"L".join(above + below[::-1])}Z" fill="{color}" opacity="0.15"/>')
    dash = ' stroke-dasharray="5 4"' if line.level else ""
    track = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    label = escape(line.name)
    parts.append(
        f'<path d="M{track}" fill="none" stroke="{color}" stroke-width="2"{dash}><title>{label}</title></path>'
    )
    if not line.level and len(points) <= 60:
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"><title>{label}</title></circle>' for x, y in points
        ]
    return "".join(parts)


def _heat_map(chart: HeatMap) -> str:
    width, height = len(chart.columns), len(chart.rows)
    cell = min(44.0, max(9.0, 700 / max(1, width)))
    left, top = 16 + _text_width(chart.rows), 36 + 0.87 * _text_width(chart.columns)
    body = []
    for index, name in enumerate(chart.rows):
        body.append(_text(left - 6, top + (index + 0.5) * cell + 4, _short(name), "end"))
    for index, name in enumerate(chart.columns):
        x, y = left + (index + 0.5) * cell + 4, top - 6
        body.append(_text(x, y, _short(name), "start", f' transform="rotate(-60 {x:.1f} {y:.1f})"'))
    for row, values in enumerate(chart.values):
        for column, value in enumerate(values):
            if value is not None:
                tip = f"{chart.rows[row]} against {chart.columns[column]}: {100 * value:.1f} %"
                body.append(_cell(left + column * cell, top + row * cell, cell, value, tip))
    slant = 0.5 * _text_width(chart.columns[-1:])
    return _svg(left + width * cell + 20 + slant, top + height * cell + 10, chart.title, body)


def _cell(x: float, y: float, size: float, value: float, tip: str) -> str:
    red, green, blue = diverging(value)
    box = (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{size - 1:.1f}" height="{size - 1:.1f}" '
        f'fill="rgb({red},{green},{blue})"><title>{escape(tip)}</title></rect>'
    )
    if size < 26:
        return box
    ink = "#fff" if abs(value - 0.5) > 0.32 else "#111"
    extra = f' style="fill:{ink}" font-size="11" pointer-events="none"'
    return box + _text(x + size / 2 - 0.5, y + size / 2 + 4, f"{100 * value:.0f}", "middle", extra)


def _simplex(chart: Simplex) -> str:
    left, bottom = 50, 330

    def place(point: tuple[float, float]) -> str:
        return f"{left + SIDE * point[0]:.1f} {bottom - SIDE * point[1]:.1f}"

    corners = [planar(corner) for corner in ((1, 0, 0), (0, 1, 0), (0, 0, 1))]
    outline = "L".join(place(corner) for corner in corners)
    body = [f'<path d="M{outline}Z" class="grid"/>']
    for (x, y), name, down in zip(corners, chart.corners, (18, 18, -8), strict=True):
        body.append(_text(left + SIDE * x, bottom - SIDE * y + down, name, "middle"))
    middle = place(planar((1 / 3, 1 / 3, 1 / 3)))
    body.append(f'<path d="M{middle}m-6 0h12m-6 -6v12" stroke="currentColor" stroke-width="1.5"/>')
    for index, (color, trace) in enumerate(zip(PALETTE, chart.traces, strict=False)):
        body.append(_trace(trace, color, place))
        y = bottom + 40 + 18 * index
        body.append(f'<path d="M{left} {y - 4}h18" stroke="{color}" stroke-width="{1 if trace.faint else 3}"/>')
        body.append(_text(left + 24, y, trace.name))
    return _svg(SIDE + 2 * left, bottom + 40 + 18 * len(chart.traces), chart.title, body)


def _trace(trace: Trace, color: str, place: Callable[[tuple[float, float]], str]) -> str:
    if not trace.points:
        return ""
    width, radius = (1, 3) if trace.faint else (2, 4.5)
    parts = [
        f'<path d="M{"L".join(map(place, piece))}" fill="none" stroke="{color}" stroke-width="{width}" '
        f'opacity="{opacity:.2f}"/>'
        for opacity, piece in shaded(trace)
    ]
    x, y = place(planar(trace.points[-1])).split()
    parts.append(f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{color}"/>')
    return f"<g><title>{escape(trace.name)}</title>{''.join(parts)}</g>"


def _text_width(names: Sequence[str]) -> float:
    """About as wide as the longest name is drawn."""
    return 6.6 * min(22, max((len(name) for name in names), default=0))


def _bar_chart(chart: BarChart) -> str:
    left = 20 + 6.8 * min(26, max((len(name) for name in chart.names), default=0))
    highest = max(chart.values, default=0.0) or 1.0
    body = []
    for index, (name, value) in enumerate(zip(chart.names, chart.values, strict=True)):
        y = TOP + 20 * index
        length = value / highest * (WIDTH - left - 190)
        note = f"  {chart.notes[index]}" if chart.notes else ""
        body.append(_text(left - 6, y + 13, _short(name, 26), "end"))
        body.append(f'<rect x="{left:.1f}" y="{y + 2}" width="{length:.1f}" height="15" fill="{PALETTE[0]}"/>')
        body.append(_text(left + length + 6, y + 13, f"{value:.3f}{note}"))
    bottom = TOP + 20 * len(chart.names)
    body.append(_text((left + WIDTH) / 2, bottom + 20, chart.x_label, "middle"))
    return _svg(WIDTH, bottom + 32, chart.title, body)


def _short(name: str, length: int = 22) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"
