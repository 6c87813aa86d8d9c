"""Figures of a run, as PNG and as HTML."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from league.errors import InputError, LeagueError
from league.figures import (
    BarChart,
    Figure,
    HeatMap,
    LineChart,
    Series,
    Sheet,
    Simplex,
    Trace,
    bounds,
    diverging,
    planar,
    shade,
    shaded,
    thinned,
    ticks,
)
from league.plots import save
from league.reports import charts
from league.svg import draw
from matchmaking.pfsp import Weighting
from matchmaking.records import Kind, Role
from matchmaking.service import Matchmaker
from tests.league.conftest import EVIL, ROLES, VERSIONS

EMPTY: list[Figure] = [
    LineChart("t", "x", "y", ()),
    HeatMap("t", (), (), ()),
    BarChart("t", "x", (), ()),
    Simplex("t", ("a", "b", "c"), ()),
]
FULL: list[Figure] = [
    LineChart("t", "x", "y", (Series("a", ((0, 1), (2, 3)), (0.5, 0.5)), Series(EVIL, ((0, 2),), level=True))),
    HeatMap("t", ("a", "b"), ("a", EVIL), ((None, 0.9), (0.1, None))),
    BarChart("t", "x", ("a", EVIL), (0.7, 0.3), ("one", "two")),
    Simplex("t", ("a", "b", EVIL), (Trace(EVIL, ((1, 0, 0), (0, 1, 0), (0, 0, 1))), Trace("b", ((0, 0, 1),), True))),
]


@pytest.mark.parametrize("figure", EMPTY + FULL, ids=lambda figure: type(figure).__name__)
def test_every_figure_becomes_svg_and_png(figure: Figure, tmp_path: Path) -> None:
    assert ElementTree.fromstring(draw(figure)).tag == "svg"
    save(figure, tmp_path / "new" / "f.png")
    assert (tmp_path / "new" / "f.png").read_bytes().startswith(b"\x89PNG")
    save(figure, tmp_path / "f.html")
    assert "<svg" in (tmp_path / "f.html").read_text(encoding="utf-8")


def test_a_sheet_has_every_case_in_one_file(tmp_path: Path) -> None:
    triangle, lines = FULL[3], FULL[0]
    assert isinstance(triangle, Simplex)
    assert isinstance(lines, LineChart)
    sheet = Sheet("two cases", f"about {EVIL}", ((triangle, (lines, lines)), (triangle, (lines, lines))))
    save(sheet, tmp_path / "f.png")
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    save(sheet, tmp_path / "f.html")
    text = (tmp_path / "f.html").read_text(encoding="utf-8")
    assert text.count("<svg") == 6
    assert EVIL not in text


def test_corners_and_middle_of_the_triangle() -> None:
    assert planar((1, 0, 0)) == (0, 0)
    assert planar((0, 1, 0)) == (1, 0)
    assert planar((0, 0, 1)) == pytest.approx((0.5, 0.75**0.5))
    assert planar((1 / 3, 1 / 3, 1 / 3)) == pytest.approx((0.5, 0.75**0.5 / 3))


@pytest.mark.parametrize("length", [0, 1, 2, 3, 24, 25, 26, 1000])
def test_a_trace_is_drawn_whole_and_grows_darker(length: int) -> None:
    trace = Trace("a", tuple((1 - share, share, 0.0) for share in (index / 1000 for index in range(length))))
    pieces = shaded(trace)
    assert len(pieces) <= 24
    opacities = [opacity for opacity, _ in pieces]
    assert opacities == sorted(opacities)
    drawn = [point for _, piece in pieces for point in piece]
    joined = [point for index, point in enumerate(drawn) if index == 0 or point != drawn[index - 1]]
    assert joined == [planar(point) for point in trace.points]


def test_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ends in \.png or \.html"):
        save(FULL[0], tmp_path / "f.jpg")


def test_without_matplotlib_a_png_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(LeagueError, match=r"pip install 'league-selfplay\[plots\]'"):
        save(FULL[0], tmp_path / "f.png")
    save(FULL[0], tmp_path / "f.html")


def test_strength_grows_along_a_learners_line(matchmaker: Matchmaker) -> None:
    chart = charts.strength_curves(matchmaker)
    lines = {series.name: series for series in chart.series}
    assert [x for x, _ in lines["main_agent-1"].points] == [0.0, 1e6, 2e6]
    assert lines["main_agent-1"].points[0][1] < lines["main_agent-1"].points[-1][1]
    assert all(spread > 0 for spread in lines["main_agent-1"].spread)
    assert lines["random"].level


def test_only_the_best_are_levels_among_the_curves(matchmaker: Matchmaker) -> None:
    board = matchmaker.standings()
    template = next(row for row in board.players if row.name == "random")
    many = [
        template.model_copy(update={"id": f"p_{n}", "name": f"b{n}", "kind": Kind.BOT, "rating": float(n)})
        for n in range(40)
    ]
    chart = charts.strength_curves(matchmaker, board.model_copy(update={"players": (*board.players, *many)}))
    levels = [series.points[0][1] for series in chart.series if series.level]
    assert len(levels) == charts.LEVELS
    assert levels == sorted(levels, reverse=True)
    assert min(levels) >= 39 - charts.LEVELS


def test_payoff_shows_learners_against_everybody(matchmaker: Matchmaker) -> None:
    chart = charts.payoff_map(matchmaker)
    assert chart.rows == ("main_agent-1", "main_exploiter-1")
    assert len(chart.columns) == len(ROLES) * (1 + VERSIONS)
    rates = [value for row in chart.values for value in row if value is not None]
    assert len(rates) == len(ROLES) * len(ROLES) * VERSIONS
    assert all(value > 0.6 for value in rates)


def test_scores_of_a_pair_sum_to_one(matchmaker: Matchmaker) -> None:
    chart = charts.score_map(matchmaker.matches(), matchmaker.standings())
    assert chart.rows == chart.columns
    met = [(i, j) for i in range(len(chart.rows)) for j in range(i) if chart.values[i][j] is not None]
    assert met
    for i, j in met:
        assert (chart.values[i][j] or 0.0) + (chart.values[j][i] or 0.0) == pytest.approx(1.0)


def test_pfsp_probabilities_sum_to_one_and_fall(matchmaker: Matchmaker) -> None:
    learner = charts.first_learner(matchmaker.players(), Role.MAIN_AGENT)
    for weighting in Weighting:
        bars = charts.pfsp_bars(matchmaker, learner, weighting)
        assert sum(bars.values) == pytest.approx(1.0)
        assert list(bars.values) == sorted(bars.values, reverse=True)
    with pytest.raises(InputError, match=r"main_agent-1\.v0 is no learner \(it is frozen\)"):
        charts.pfsp_bars(matchmaker, matchmaker.find("main_agent-1.v0"))
    with pytest.raises(InputError, match="this league trains no league_exploiter"):
        charts.first_learner(matchmaker.players(), Role.LEAGUE_EXPLOITER)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-3.0, 17.0), (995.2, 1404.9), (0.0, 3.2e9), (0.00012, 0.00034)])
def test_ticks_are_few_round_and_inside(low: float, high: float) -> None:
    marks = ticks(low, high)
    assert 2 <= len(marks) <= 6
    assert all(low <= mark <= high for mark in marks)


def test_bounds_hold_the_spread_and_are_never_empty() -> None:
    chart = FULL[0]
    assert isinstance(chart, LineChart)
    x_low, x_high, y_low, y_high = bounds(chart)
    assert (x_low, x_high) == (0, 2)
    assert y_low < 0.5
    assert y_high > 3.5
    assert bounds(replace(chart, y_range=(0.0, 1.0)))[2:] == (0.0, 1.0)
    empty = bounds(LineChart("t", "x", "y", (Series("a", ((5, 5),)),)))
    assert empty[0] < empty[1]
    assert empty[2] < empty[3]


def test_a_long_line_keeps_its_peaks_and_its_end() -> None:
    points = [(index / 100, float((index * 7919) % 1000)) for index in range(10_000)]
    kept = thinned(points, 760)
    assert len(kept) <= 3 * 100
    assert kept == sorted(kept)  # from left to right
    assert set(kept) <= set(points)
    assert max(y for _, y in kept) == max(y for _, y in points)
    assert min(y for _, y in kept) == min(y for _, y in points)
    assert kept[-1] == points[-1]
    assert thinned(points[:760], 760) == points[:760]


def test_a_wide_map_is_turned_and_its_tips_are_not() -> None:
    tip = "learner against c: 90.0 %"
    square = draw(HeatMap("t", ("learner", "b"), ("c", "d"), ((0.9, None), (None, None))))
    wide = draw(HeatMap("t", ("learner",), ("c", "d", "e", "f"), ((0.9, None, None, None),), "learner", "opponent"))
    assert tip in square
    assert tip in wide
    assert "opponent ↓  learner →" in wide
    assert "player ↓  opponent →" in square


def test_colours_of_a_win_rate() -> None:
    assert diverging(0.0) == (178, 24, 43)
    assert diverging(0.5) == (247, 247, 247)
    assert diverging(1.0) == (33, 102, 172)
    assert diverging(-1.0) == diverging(0.0)
    assert [shade(rate) for rate in (-1.0, 0.0, 0.5, 0.52, 0.53, 1.0, 2.0)] == [0, 0, 10, 10, 11, 20, 20]
