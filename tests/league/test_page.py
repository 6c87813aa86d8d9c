"""The HTML page without a browser: its structure, its policy, what its script relies on. tests/browser uses one."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from league.export import Dataset, render
from league.figures import DARK_PALETTE, PALETTE, SHADES_OF_RATE, diverging, ink
from league.page import page
from league.reports import TABLES
from league.runs import RunFolder
from league.views import Badge, Cell, Column, Interval, Shade, Shares, View, filled, number_cell, text_cell
from matchmaking.service import Matchmaker
from tests.league.conftest import EVIL

COLUMNS = (Column("name", "Name", "who", text=True, pinned=True), Column("x", "X", falling=True), Column("y", "Y"))
ROWS = (
    (text_cell("a"), number_cell(1.25, 1, note="±1", mark=Interval(0.0, 1.25, 2.0)), Cell("=", mark=Shade(0.71))),
    (text_cell(EVIL, note=EVIL, mark=Badge("bad"), tip=EVIL), number_cell(12_345.6), number_cell(None)),
    (text_cell(None), number_cell(-3, mark=Shares(1, 1, 2)), number_cell(7, unit=" %")),
)
DATA = Dataset("T", "rows", "r", "a", ("name",), [], view=lambda: View(COLUMNS, ROWS, (("Fact", EVIL),), about="b"))


class Elements(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(params=["made", *TABLES])
def html(request: pytest.FixtureRequest) -> str:
    """A page of every kind."""
    if request.param == "made":
        return render(DATA, "html")
    matchmaker: Matchmaker = request.getfixturevalue("matchmaker")
    made_up: RunFolder = request.getfixturevalue("made_up")
    return render(TABLES[request.param](matchmaker, made_up), "html")


def test_the_policy_allows_the_pages_own_style_and_script_only(html: str) -> None:
    [policy] = [meta["content"] for meta in Elements(html).all("meta") if "http-equiv" in meta]
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    for tag, rule in (("style", "style-src"), ("script", "script-src")):
        [text] = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"


def test_nothing_that_the_policy_forbids_is_on_the_page(html: str) -> None:
    for tag, attributes in Elements(html).tags:
        assert tag not in {"link", "img", "iframe", "object", "base", "form", "a"}
        assert not [name for name in attributes if name.startswith("on") or name in {"style", "src", "href"}], tag


def test_a_table_is_what_the_script_relies_on(html: str) -> None:
    found = Elements(html)
    heads = [each for each in found.all("th") if each.get("scope") == "col"]
    keys = [head["data-key"] for head in heads]
    assert len(keys) == len(set(keys)) > 0
    assert len(found.all("button")) == len(heads)
    assert all(button["type"] == "button" for button in found.all("button"))
    [body] = re.findall(r"<tbody>(.*?)</tbody>", html, re.DOTALL)
    rows = [Elements(row) for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)]
    for row in rows:
        cells = [attributes for tag, attributes in row.tags if tag in {"td", "th"}]
        assert len(cells) == len(heads)
        for head, cell in zip(heads, cells, strict=True):
            value = cell["data-value"]
            assert value is not None
            if "text" not in (head.get("class") or "").split() and value:
                float(value)  # sorted as a number


def test_every_label_can_be_found_by_a_screen_reader(html: str) -> None:
    found = Elements(html)
    assert all(svg.get("aria-label") or svg.get("aria-hidden") for svg in found.all("svg"))
    assert all(field.get("aria-label") for field in found.all("input"))
    assert ("html", {"lang": "en"}) in found.tags


def test_names_are_text_everywhere() -> None:
    text = render(DATA, "html")
    assert "<script>alert" not in text
    assert text.count("&lt;script&gt;alert") == 5  # fact, text, note, value to sort by, tip
    assert "<script>alert" not in page(EVIL, [], EVIL)


def test_columns_without_anything_are_left_out() -> None:
    view = View(
        COLUMNS, [(text_cell("a"), number_cell(None), number_cell(1)), (text_cell("b"), *[number_cell(None)] * 2)]
    )
    assert [column.key for column in filled(view).columns] == ["name", "y"]
    assert [len(row) for row in filled(view).rows] == [2, 2]
    assert filled(View(COLUMNS, [])).columns == COLUMNS


def luminance(color: tuple[float, ...]) -> float:
    """Relative luminance of WCAG 2.2, written apart from the one that is tested."""
    red, green, blue = ((c / 255 / 12.92 if c <= 10.31475 else ((c / 255 + 0.055) / 1.055) ** 2.4) for c in color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def rgb(text: str) -> tuple[float, ...]:
    digits = text.removeprefix("#")
    digits = digits if len(digits) == 6 else "".join(2 * digit for digit in digits)
    return tuple(int(digits[place : place + 2], 16) for place in (0, 2, 4))


@pytest.mark.parametrize("dark", [False, True])
def test_numbers_can_be_read_on_every_colour_of_a_heat_map(dark: bool) -> None:
    for step in range(SHADES_OF_RATE + 1):
        ground = diverging(step / SHADES_OF_RATE, dark=dark)
        assert contrast(ground, rgb(ink(ground))) >= 4.5  # WCAG 2.2, level AA
    grounds = [diverging(step / SHADES_OF_RATE, dark=dark) for step in range(SHADES_OF_RATE + 1)]
    assert all(one != other for one, other in pairwise(grounds))


def test_lines_stand_out_from_their_ground() -> None:
    assert all(contrast(rgb(color), rgb("#181d23")) >= 4.5 for color in DARK_PALETTE)
    assert all(contrast(rgb(color), rgb("#ffffff")) >= 2.0 for color in PALETTE)
