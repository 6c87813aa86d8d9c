"""Exported pages in a real browser: sorting, filter, links, names that are markup, phones, paper, the dark.

`pytest -m browser tests/browser` runs these; tests/league/test_page.py holds what can be held without a browser.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest

from league.export import Dataset, render
from league.figures import BarChart, HeatMap, LineChart, Series, Simplex, Trace
from league.page import page
from league.reports.crosstable import Entrant, crosstable
from league.views import Badge, Column, Interval, View, number_cell, text_cell
from matchmaking.records import MatchResult
from tests.browser.chromium import Page, browser, program
from tests.league.conftest import EVIL

pytestmark = pytest.mark.browser

HACK = '<img src=x onerror="window.hacked = 1"><script>window.hacked = 1</script>'
NAMES = ["bot10", "bot9", "Bot1", EVIL, HACK, None]
NUMBERS = [-5.5, 1200.25, 30, None, 0, 7]


def heads(key: str) -> str:
    return f'thead th[data-key="{key}"] button'


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    chromium = program()
    if chromium is None:
        pytest.skip("no Chromium on the PATH; LEAGUE_CHROMIUM names one")
    with browser(chromium, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def made(tab: Page, tmp_path: Path) -> Iterator[str]:
    """The address of a page with every kind of cell and figure; whatever the browser complains of fails the test."""
    columns = (
        Column("name", "Name", "who", text=True, pinned=True),
        Column("x", "X", "a number", falling=True),
        Column("y", "Y", "another"),
        *(Column(f"c{number}", f"Column {number}") for number in range(20)),
    )
    rows = [
        (
            text_cell(name, mark=Badge("good") if name == "Bot1" else None),
            number_cell(x, 2, mark=None if x is None else Interval(x - 1, x, x + 1)),
            number_cell(place),
            *[number_cell(12_345.678, 2)] * 20,
        )
        for place, (name, x) in enumerate(zip(NAMES, NUMBERS, strict=True))
    ]
    figures = (
        HeatMap(HACK, ("a", HACK), ("a", HACK), ((None, 0.9), (0.1, None))),
        LineChart("lines", "x", "y", (Series(HACK, ((0, 1), (2, 3)), (1, 1)), Series("level", ((0, 2),), level=True))),
        BarChart("bars", "x", (HACK, "b"), (0.7, 0.3), (HACK, "")),
        Simplex("simplex", ("a", HACK, "c"), (Trace(HACK, ((1, 0, 0), (0, 1, 0))),)),
    )
    view = View(columns, rows, (("Fact", HACK),), figures, HACK)
    path = tmp_path / "made.html"
    path.write_text(render(Dataset(HACK, "rows", "r", "arena", (), [], view=lambda: view), "html"), encoding="utf-8")
    tab.look(1300)
    tab.complaints.clear()
    tab.goto(path.as_uri())
    yield path.as_uri()
    assert tab.complaints == []


def column(tab: Page, number: int) -> list[str]:
    """The texts of a column, as they stand, of the rows that are seen."""
    found: list[str] = tab.value(
        f"[...document.querySelectorAll('tbody tr')].filter(row => row.getClientRects().length)"
        f".map(row => row.cells[{number}].textContent)"
    )
    return found


def sorted_by(tab: Page) -> list[list[str]]:
    """Column and direction of every head that says it is sorted."""
    found: list[list[str]] = tab.value(
        "[...document.querySelectorAll('th[aria-sort]')].map(head => [head.dataset.key, head.ariaSort])"
    )
    return found


@pytest.mark.usefixtures("made")
def test_a_click_sorts_numbers_and_another_turns_them_round(tab: Page) -> None:
    tab.click(heads("x"))
    assert column(tab, 1) == ["1200.25", "30.00", "7.00", "0.00", "-5.50", "–"]
    assert sorted_by(tab) == [["x", "descending"]]
    tab.click(heads("x"))
    assert column(tab, 1) == ["-5.50", "0.00", "7.00", "30.00", "1200.25", "–"]  # what is missing stays last
    tab.click(heads("y"))
    assert sorted_by(tab) == [["y", "ascending"]]
    assert column(tab, 2) == ["0", "1", "2", "3", "4", "5"]


@pytest.mark.usefixtures("made")
def test_text_is_sorted_as_people_count(tab: Page) -> None:
    tab.click(heads("name"))
    assert column(tab, 0)[2:] == ["Bot1", "bot9", "bot10", "–"]
    tab.click(heads("name"))
    assert column(tab, 0)[:3] == ["bot10", "bot9", "Bot1"]
    assert column(tab, 0)[-1] == "–"


@pytest.mark.parametrize("key", ["Enter", " "])
@pytest.mark.usefixtures("made")
def test_the_keyboard_sorts_too(tab: Page, key: str) -> None:
    tab.value("document.querySelector('input').focus()")
    for _ in range(20):
        tab.press("Tab")
        if tab.value("document.activeElement.closest('th')?.dataset.key") == "x":
            break
    tab.press(key)
    assert sorted_by(tab) == [["x", "descending"]]
    assert column(tab, 1)[0] == "1200.25"


@pytest.mark.usefixtures("made")
def test_the_filter_keeps_rows_with_all_words(tab: Page) -> None:
    assert tab.value("document.querySelector('output').value") == "6 rows"
    tab.click("input")
    tab.type("BOT 9")
    assert column(tab, 0) == ["bot9"]
    assert tab.value("document.querySelector('output').value") == "1 of 6 rows"
    assert "find=BOT+9" in tab.value("location.hash")


def test_a_link_opens_the_page_as_it_was_sorted_and_filtered(tab: Page, made: str) -> None:
    tab.click(heads("x"))
    tab.click("input")
    tab.type("bot")
    link = made + tab.value("location.hash")
    before = column(tab, 0)
    tab.goto(link)
    assert column(tab, 0) == before == ["bot9", "Bot1", "bot10"]
    assert sorted_by(tab) == [["x", "descending"]]
    tab.goto(f"{made}#sort=nothing&find=%3Cimg%3E")
    assert sorted_by(tab) == []
    assert column(tab, 0) == []


@pytest.mark.usefixtures("made")
def test_names_are_text(tab: Page) -> None:
    assert tab.value("window.hacked") is None
    assert tab.value("document.querySelectorAll('img').length") == 0
    assert column(tab, 0)[4] == HACK
    assert tab.value("document.title") == HACK


def test_what_got_in_as_markup_would_not_run(tab: Page, tmp_path: Path) -> None:
    path = tmp_path / "hacked.html"
    path.write_text(page("t", [f"<section>{HACK}<a style='color: red'>x</a></section>"]), encoding="utf-8")
    tab.complaints.clear()
    tab.goto(path.as_uri())
    assert tab.value("document.querySelectorAll('section img').length") == 1  # it did get in
    assert tab.value("window.hacked") is None
    assert any("Content Security Policy" in complaint for complaint in tab.complaints)


@pytest.mark.usefixtures("made")
def test_a_phone_scrolls_the_table_and_not_the_page(tab: Page) -> None:
    tab.look(390, 844, phone=True)
    assert tab.value("document.documentElement.scrollWidth") <= 390
    tab.value("document.querySelector('.sheet .scroll').scrollLeft = 400")
    left = tab.value("document.querySelector('tbody th').getBoundingClientRect().left")
    assert 0 <= left < 40  # the name stays in sight


CONTRAST = """(() => {
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = node => {
    for (; node; node = node.parentElement) {
      const [r, g, b, a = 1] = parse(getComputedStyle(node).backgroundColor);
      if (a > 0) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const texts = "h1, h2, .about, dt, dd, td, tbody th, small, .badge, th button, output";
  return Math.min(...[...document.querySelectorAll(texts)]
    .map(node => [light(parse(getComputedStyle(node).color)), light(ground(node))])
    .map(([a, b]) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)));
})()"""


@pytest.mark.usefixtures("made")
def test_by_day_and_by_night_the_text_can_be_read(tab: Page) -> None:
    grounds = set()
    for dark in (False, True):
        tab.look(1300, dark=dark)
        grounds.add(tab.value("getComputedStyle(document.body).backgroundColor"))
        assert tab.value(CONTRAST) >= 4.5  # WCAG 2.2, level AA
    assert len(grounds) == 2


@pytest.mark.usefixtures("made")
def test_paper_has_everything_but_the_tools(tab: Page) -> None:
    tab.look(1300, dark=True, paper=True)
    assert tab.value("getComputedStyle(document.querySelector('.tools')).display") == "none"
    assert tab.value("getComputedStyle(document.querySelector('.sheet .scroll')).overflow") == "visible"
    assert tab.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"  # whatever the screen
    assert tab.pdf().startswith(b"%PDF-")


def test_a_crosstable_of_forty_is_one_page_that_sorts(tab: Page, tmp_path: Path) -> None:
    rng = random.Random(2)
    entrants = [Entrant(f"p_{number}", f"player-{number}") for number in range(40)]
    log = [
        MatchResult(id=f"m_{a.id}_{b.id}", a=a.id, b=b.id, seed=1, outcomes="".join(rng.choices("wwdl", k=8)))
        for a, b in combinations(entrants, 2)
    ]
    path = tmp_path / "crosstable.html"
    path.write_text(render(crosstable("T", "r", "a", entrants, log), "html"), encoding="utf-8")
    tab.look(1300)
    tab.complaints.clear()
    tab.goto(path.as_uri())
    tab.click(heads("points"))
    points = [float(text) for text in column(tab, 2)]
    assert points == sorted(points, reverse=True)
    assert len(points) == 40
    assert tab.value("document.documentElement.scrollWidth") <= 1300
    assert tab.complaints == []
