"""`league tournament`: played to the end, shown and exported."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

import arenas
from agents.scripted import make
from tests.league.cups import call, journal_of, play, tables_of

pytestmark = pytest.mark.usefixtures("at_home")
KINDS = [
    pytest.param(["--format", "round-robin"], 10, id="round-robin"),
    pytest.param(["--format", "round-robin", "--rounds", "2"], 20, id="double round-robin"),
    pytest.param(["--format", "gauntlet", "--challengers", "2"], 6, id="gauntlet"),
    pytest.param(["--format", "swiss", "--rounds", "3"], 6, id="swiss"),
    pytest.param(["--format", "knockout"], 4, id="knockout"),
    pytest.param(["--format", "knockout", "--double"], 8, id="double knockout"),
]


@pytest.mark.parametrize(("words", "encounters"), KINDS)
def test_every_format_is_played_to_its_end(words: list[str], encounters: int) -> None:
    result = play(*words)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"{words[1]} of 5 players in tic_tac_toe, 1 pair an encounter, seed 0: cup")
    told = [line for line in lines if line.startswith("[")]
    played = journal_of("cup")
    assert len(told) == len(played) >= encounters
    assert told[0].lstrip("[ ").startswith("1/")
    assert "perfect#1" in result.stdout and "random#3" in result.stdout
    tables = tables_of("cup")
    report = tables["standings"]
    assert tables["encounters"]["encounters"] == report["encounters"]
    assert (report["run"], report["arena"], report["format"], report["finished"]) == (
        "cup",
        "tic_tac_toe",
        words[1],
        True,
    )
    assert report["players"][0]["name"].startswith("perfect")
    assert sum(player["games"] for player in report["players"]) == 4 * len(played)
    assert sum(player["wins"] for player in report["players"]) == sum(player["losses"] for player in report["players"])
    assert [each["id"] for each in report["encounters"]] == list(
        dict.fromkeys(each["id"] for each in report["encounters"])
    )
    assert {each["id"]: each["outcomes"] for each in report["encounters"]} == {
        id: record.outcomes for id, record in played.items()
    }


def test_json_is_one_document() -> None:
    result = play("--format", "swiss", "--json")
    report = json.loads(result.stdout)
    assert report == json.loads(Path("tournaments/cup/standings.json").read_text())
    row = report["players"][0]
    assert set(row) == {
        *("rank", "name", "kind", "version", "points", "buchholz", "sonneborn_berger", "match_points"),
        *("games", "wins", "draws", "losses", "score", "forfeits", "note"),
    }
    assert len(report["byes"]) == 3


def test_the_same_seed_plays_the_same_matches() -> None:
    for name, seed in (("one", 5), ("two", 5), ("three", 6)):
        play("--format", "round-robin", "--seed", str(seed), name=name)
    one, two, three = (
        {id: record.outcomes for id, record in journal_of(name).items()} for name in ("one", "two", "three")
    )
    assert one == two
    assert one != three
    seeds = [record.seed for record in journal_of("one").values()]
    assert len(set(seeds)) == len(seeds), "no two encounters have the same chance"


def test_a_match_of_a_tournament_is_the_match_of_its_seed() -> None:
    play("--format", "gauntlet", pairs=3)
    record = journal_of("cup")["r1.1"]
    arena = arenas.make("tic_tac_toe")
    from arenas.match import play_pairs

    a, b = make("random", arena.spec), make("perfect", arena.spec)
    assert play_pairs(arena, a, b, 3, record.seed).outcomes == record.outcomes


def test_files_are_complete() -> None:
    play("--format", "round-robin", "-o", "out")
    files = {path.name for path in Path("out").iterdir()}
    assert files == {
        f"{table}.{form}"
        for table in ("standings", "crosstable", "encounters")
        for form in ("csv", "json", "md", "html")
    }
    rows = list(csv.DictReader(Path("out/encounters.csv").read_text().splitlines()))
    assert [row["id"] for row in rows] == list(journal_of("cup"))
    cross = json.loads(Path("out/crosstable.json").read_text())
    assert len(cross["crosstable"]) == 20
    assert "perfect#2" in Path("out/standings.html").read_text()


def test_people_read_what_decided_it() -> None:
    play("--format", "knockout", "--double")
    text = Path("tournaments/cup/standings.md").read_text()
    assert "Format double knockout · Pairs an encounter 1 · Seed 0" in text
    assert text.splitlines()[4] == "| \\# | Player | Score | Matches | Byes | How it ended |"
    assert re.search(r"\| 1 \| perfect\\#\d scripted \| .* \| winner \|", text)
    assert "lost the grand final" in text
    play("--format", "swiss", name="other")
    text = Path("tournaments/other/standings.md").read_text()
    assert text.splitlines()[4].startswith(
        "| \\# | Player | Points | Buchholz | S-B | Match points | Score | Matches | Byes |"
    )
    html = Path("tournaments/other/encounters.html").read_text()
    assert "of 2" in html and str(journal_of("other")["r1.1"].seed) in html


def test_a_finished_tournament_is_shown_again() -> None:
    first = play("--format", "knockout")
    again = call("--resume", "cup")
    assert again.exit_code == 0
    assert "encounters played" in again.stdout.splitlines()[0]
    assert not [line for line in again.stdout.splitlines() if line.startswith("[")]
    assert again.stdout.splitlines()[2:] == first.stdout.split("\n\n", 1)[1].splitlines()
