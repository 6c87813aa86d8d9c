"""Exports of a run with bots that fail: the bots, their forfeits, the stored replays."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.bots.core import FailureCode, FailureRecord, Phase
from arenas.replay import MatchRecord
from league.export import render
from league.figures import HeatMap
from league.replays import ReplayStore
from league.reports import TABLES, documents
from league.runs import RunFolder, create
from league.settings import resolve
from matchmaking.bot_records import BotRecord, BotState
from matchmaking.records import Forfeit, Kind, Player
from matchmaking.server import EmbeddedServer
from matchmaking.service import Matchmaker
from matchmaking.store import Store
from tests.league.json_schema import faults

NASTY = "=cmd|' /C calc'!A0\n<img src=x onerror=alert(1)> | second line"

PAIRS = 4  # in a pairing
LAST = 2 * PAIRS - 1  # number of its last match


@pytest.fixture(scope="module")
def with_bots(made_up: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Matchmaker, RunFolder]]:
    """Three bots, of which one always fails and is suspended; half of the pairings have replays."""
    run = create(tmp_path_factory.mktemp("bots"), resolve("connect_four", environment={}), "with-bots")
    store = Store.create(EmbeddedServer(made_up.redis).url, run.name, "connect_four")
    matchmaker = Matchmaker(store, rng=random.Random(5), bot_pairs=PAIRS)
    for number, name in enumerate(("steady", "shaky", "idle")):
        player = Player(id=f"p_{name}", name=name, kind=Kind.BOT, version=f"{number}" * 64)
        bot = BotRecord(player=player.id, lineage=name, author="ann", language="python", entry="bot:Bot", size=2000)
        assert store.bots.enter(player, bot, supersedes=None, entered=number)
    assert store.bots.set_state("p_idle", BotState.WITHDRAWN, "by ann")
    replays = ReplayStore(run.replays)
    for number in range(6):
        lease = matchmaker.lease("evaluator-0")
        assert lease is not None
        pairing = lease.pairing
        shaky = {pairing.a: "l", pairing.b: "w"}["p_shaky"]
        failed = [Forfeit(match=match, player="p_shaky", code=FailureCode.TIMEOUT) for match in (0, LAST)]
        record = FailureRecord(code=FailureCode.TIMEOUT, phase=Phase.ACT, match=f"{pairing.id}/{LAST}", message=NASTY)
        store.bots.record_failures(
            "p_shaky", pairing.id, [True, *[False] * (LAST - 1), True], [record.model_dump_json()]
        )
        if number % 2:
            match = MatchRecord(
                id=f"{pairing.id}/0", arena="connect_four", seed=1, players=("a", "b"), actions=(), returns=(0.0, 0.0)
            )
            replays.draft(pairing.id, "evaluator-0", [match])
            replays.keep(pairing.id, "evaluator-0")
        matchmaker.report_match(lease, f"{shaky}{'d' * (LAST - 1)}{shaky}", failed)
    assert store.bots.set_state("p_shaky", BotState.SUSPENDED, "failed 5 matches in a row: TIMEOUT")
    yield matchmaker, run
    store.close()


def rows(name: str, league: tuple[Matchmaker, RunFolder]) -> list[dict[str, object]]:
    """The table's rows, out of JSON that is what its schema says."""
    data = json.loads(render(TABLES[name](*league), "json"))
    assert list(faults(data, documents.schema(name))) == []
    found: list[dict[str, object]] = data[name]
    return found


def test_bots_are_told_with_state_forfeits_and_last_failure(with_bots: tuple[Matchmaker, RunFolder]) -> None:
    steady, shaky, idle = rows("bots", with_bots)
    assert [bot["name"] for bot in (steady, shaky, idle)] == ["steady", "shaky", "idle"]
    assert [bot["state"] for bot in (steady, shaky, idle)] == ["active", "suspended", "withdrawn"]
    assert shaky["reason"] == "failed 5 matches in a row: TIMEOUT"
    assert (shaky["games"], shaky["forfeits"], shaky["forfeit_rate"]) == (6 * 2 * PAIRS, 12, 25.0)
    assert (steady["games"], steady["forfeits"], steady["forfeit_rate"]) == (6 * 2 * PAIRS, 0, 0.0)
    assert (idle["games"], idle["forfeit_rate"], idle["last_failure_code"]) == (0, None, None)
    assert (shaky["last_failure_code"], shaky["last_failure_phase"]) == ("TIMEOUT", "act")
    assert str(shaky["last_failure_match"]).endswith(f"/{LAST}")
    assert shaky["last_failure_message"] == " ".join(NASTY.split())
    assert shaky["failed_in_a_row"] == 1


def test_what_a_bot_said_is_text_everywhere(with_bots: tuple[Matchmaker, RunFolder]) -> None:
    data = TABLES["bots"](*with_bots)
    cells = list(csv.DictReader(io.StringIO(render(data, "csv"))))[1]
    assert cells["last_failure_message"].startswith("'=cmd|")  # a spreadsheet does not run it
    page = render(data, "html")
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    table = [line for line in render(data, "md").splitlines() if line.startswith("|")]
    assert len(table) == 2 + 3


def test_matches_tell_who_forfeited_and_why(with_bots: tuple[Matchmaker, RunFolder]) -> None:
    for row in rows("matches", with_bots):
        assert row["forfeits"] == [
            {"match": 0, "player": "shaky", "code": "TIMEOUT"},
            {"match": LAST, "player": "shaky", "code": "TIMEOUT"},
        ]
        assert (row["forfeits_a"], row["forfeits_b"]) == ((2, 0) if row["a"] == "shaky" else (0, 2))
    data = TABLES["matches"](*with_bots)
    line = next(csv.DictReader(io.StringIO(render(data, "csv"))))
    assert json.loads(line["forfeits"])[1]["code"] == "TIMEOUT"  # a list is JSON in csv
    assert "shaky TIMEOUT ×2" in render(data, "html")


def test_the_leaderboard_shows_forfeits_where_there_are_bots(with_bots: tuple[Matchmaker, RunFolder]) -> None:
    board = json.loads(render(TABLES["leaderboard"](*with_bots), "json"))
    rates = {row["name"]: row["forfeit_rate"] for row in board["players"]}
    assert rates == {"steady": 0.0, "shaky": 25.0, "idle": None}
    text = render(TABLES["leaderboard"](*with_bots), "md")
    assert "Forfeits" in text
    assert "25.0 %" in text


def test_an_arena_without_learners_has_no_figure_of_them(with_bots: tuple[Matchmaker, RunFolder]) -> None:
    figures = TABLES["leaderboard"](*with_bots).seen().figures
    assert [type(figure) for figure in figures] == [HeatMap]  # nor of live ratings, of which there are none


def test_replays_are_those_that_are_stored(with_bots: tuple[Matchmaker, RunFolder]) -> None:
    matchmaker, run = with_bots
    log = [result.id for result in matchmaker.matches()]
    found = rows("replays", with_bots)
    assert [row["id"] for row in found] == log[1::2]
    assert all((row["games"], row["draws"], row["forfeits"]) == (2 * PAIRS, 2 * PAIRS - 2, 2) for row in found)
    assert f"league replay {log[1]}/0" in render(TABLES["replays"](*with_bots), "html")
    assert {path.name for path in Path(run.replays).iterdir()} == {f"{pairing}.jsonl.gz" for pairing in log[1::2]}
