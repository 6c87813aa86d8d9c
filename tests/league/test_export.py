"""Tables of a run in every format."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from league.export import FORMATS, Dataset, document, render
from league.files import replace_text
from league.reports import TABLES
from league.runs import RunFolder
from matchmaking.records import SCHEMA
from matchmaking.service import Matchmaker
from tests.league.conftest import EVIL, ROLES, VERSIONS

LEADERBOARD_KEYS = [
    "rank", "rank_low", "rank_high", "id", "name", "kind", "role", "rating", "rating_low", "rating_high",
    "trueskill_mu", "trueskill_sigma", "elo", "games", "wins", "draws", "losses", "score", "superiority",
    "nash_weight", "worst_matchup", "forfeit_rate", "version", "status",
]  # fmt: skip
PLAIN = Dataset("T", "rows", "r", "a", ("name", "x", "n"), [{"name": "b", "x": 0.1 + 0.2, "n": None}, {"name": EVIL}])


class Elements(HTMLParser):
    """The tags of a page, and the text of its cells."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(page: str) -> Elements:
    elements = Elements()
    elements.feed(page)
    return elements


def test_the_leaderboard_has_the_keys_of_the_contract(matchmaker: Matchmaker, made_up: RunFolder) -> None:
    data = json.loads(render(TABLES["leaderboard"](matchmaker, made_up), "json"))
    assert list(data)[:3] == ["run", "arena", "schema"]
    assert (data["run"], data["arena"], data["schema"]) == ("made-up", "connect_four", SCHEMA)
    assert all(list(row) == LEADERBOARD_KEYS for row in data["players"])
    assert len(data["players"]) == VERSIONS * len(ROLES) + 2  # frozen and scripted players, no learner
    assert [row["rank"] for row in data["players"]] == list(range(1, len(data["players"]) + 1))
    assert data["players"][-1]["superiority"] is None
    assert {row["role"] for row in data["players"]} == {"main_agent", "main_exploiter", None}


def test_csv_reads_back_exactly(matchmaker: Matchmaker, made_up: RunFolder) -> None:
    data = TABLES["leaderboard"](matchmaker, made_up)
    rows = list(csv.DictReader(io.StringIO(render(data, "csv"))))
    assert list(rows[0]) == LEADERBOARD_KEYS
    for row, original in zip(rows, data.rows, strict=True):
        assert row["name"] == original["name"]
        assert float(row["rating"]) == original["rating"]
        assert row["role"] == (original["role"] or "")


def test_a_spreadsheet_runs_no_formula_of_a_stranger() -> None:
    names = ["=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "a=1\r\n2", "alpha_beta:4"]
    data = Dataset("T", "rows", "r", "a", ("name", "x"), [{"name": name, "x": -1.5} for name in names])
    rows = list(csv.DictReader(io.StringIO(render(data, "csv"), newline="")))
    assert [row["name"] for row in rows] == [f"'{name}" for name in names[:6]] + names[6:]
    assert all(row["x"] == "-1.5" for row in rows)  # a number is no text
    assert [row["name"] for row in document(data)["rows"]] == names  # JSON is exact


def test_pandas_reads_every_table_without_help(matchmaker: Matchmaker, made_up: RunFolder) -> None:
    pandas = pytest.importorskip("pandas")
    for name, table in TABLES.items():
        data = table(matchmaker, made_up)
        frame = pandas.read_csv(io.StringIO(render(data, "csv")))
        assert list(frame.columns) == list(data.columns), name
        assert len(frame) == len(data.rows)
        for column in data.columns:
            values = [row[column] for row in data.rows]
            known = [value for value in values if value is not None]
            if known and all(isinstance(value, int | float) for value in known):
                assert frame[column].dtype.kind in "if", (name, column)
                assert frame[column].dropna().tolist() == known
            elif known and all(isinstance(value, str) for value in known) and column != "version":
                assert frame[column].dropna().tolist() == [value for value in known if value]


def test_payoff_has_both_directions(matchmaker: Matchmaker, made_up: RunFolder) -> None:
    rows = {(row["player"], row["opponent"]): row for row in document(TABLES["payoff"](matchmaker, made_up))["payoff"]}
    assert len(rows) == 2 * len(ROLES) * VERSIONS * len(ROLES)
    there, back = rows["main_agent-1", "main_exploiter-1.v0"], rows["main_exploiter-1.v0", "main_agent-1"]
    assert there["win_rate"] > 0.6
    assert there["win_rate"] + back["win_rate"] == pytest.approx(1.0)
    assert (there["wins"], there["losses"]) == (back["losses"], back["wins"])


def test_ratings_follow_the_log_and_matches_are_the_log(matchmaker: Matchmaker, made_up: RunFolder) -> None:
    log = matchmaker.matches()
    ratings = document(TABLES["ratings"](matchmaker, made_up))["ratings"]
    assert ratings[-1]["matches"] == len(log)
    last = {row["player"]: row["elo"] for row in ratings}
    names = {player.id: player.name for player in matchmaker.players()}
    assert last == {names[player]: rating.elo for player, rating in matchmaker.ratings().items()}
    matches = document(TABLES["matches"](matchmaker, made_up))["matches"]
    assert [row["id"] for row in matches] == [result.id for result in log]
    assert all(row["wins"] + row["draws"] + row["losses"] == row["games"] for row in matches)


def test_a_name_cannot_leave_its_place() -> None:
    page = parsed(render(PLAIN, "html"))
    assert EVIL in page.text
    assert [tag for tag, _ in page.tags].count("script") == 1  # the page's own
    line = render(PLAIN, "md").splitlines()[-1]
    assert len(re.findall(r"(?<!\\)\|", line)) == len(PLAIN.columns) + 1
    assert r"\<script\>" in line
    assert list(csv.reader(io.StringIO(render(PLAIN, "csv"))))[2] == [EVIL, "", ""]


def test_figures_escape_names_too(matchmaker: Matchmaker, made_up: RunFolder) -> None:
    text = render(TABLES["leaderboard"](matchmaker, made_up), "html")
    assert [tag for tag, _ in parsed(text).tags].count("script") == 1
    assert "<script>alert" not in text


def test_the_page_is_self_contained(matchmaker: Matchmaker, made_up: RunFolder) -> None:
    page = parsed(render(TABLES["leaderboard"](matchmaker, made_up), "html"))
    assert not [tag for tag, attributes in page.tags if tag in ("link", "img") or "src" in attributes]
    assert not [attributes for _, attributes in page.tags if "href" in attributes]
    assert [tag for tag, _ in page.tags].count("figure") == 3  # scores, strength over training, ratings over the log


def test_missing_values_and_floats() -> None:
    assert render(PLAIN, "csv") == 'name,x,n\nb,0.30000000000000004,\n"<script>alert(\'&\')</script>|,""x""",,\n'
    assert document(PLAIN)["rows"][1] == {"name": EVIL, "x": None, "n": None}
    assert "| b | 0.300 | – |" in render(PLAIN, "md")
    with pytest.raises(ValueError, match="not JSON compliant"):
        render(Dataset("T", "rows", "r", "a", ("x",), [{"x": float("nan")}]), "json")


@pytest.mark.parametrize("form", FORMATS)
def test_a_run_without_anything_can_be_exported(form: str) -> None:
    assert render(Dataset("T", "rows", "r", "a", ("name",), []), form)  # type: ignore[arg-type]


def test_a_file_is_whole_or_what_it_was(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.csv"
    replace_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        replace_text(path, "\ud800")
    assert path.read_text(encoding="utf-8") == "old"
    assert list(path.parent.iterdir()) == [path]
