"""What tests of `league tournament` share: calling it, and reading what it wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from agents.scripted import make
from arenas.core import Arena
from league import tournament as tournaments
from league.cli import main
from league.entrants import Entrant
from league.journal import Played, parse
from league.reports.documents import OF_TOURNAMENTS
from league.tournament import JOURNAL, Member
from matchmaking.records import Kind
from tests.league.json_schema import faults, published

FIELD = ("random", "perfect", "random", "perfect", "random")


def call(*words: str) -> Result:
    return CliRunner().invoke(main, ["tournament", *words])


def play(*words: str, name: str = "cup", pairs: int = 1) -> Result:
    return call(*FIELD, "--arena", "tic_tac_toe", "--name", name, "--pairs", str(pairs), *words)


def journal_of(name: str) -> dict[str, Played]:
    path = Path("tournaments") / name / JOURNAL
    return parse(path.read_bytes(), path)


def replay(*words: str) -> Result:
    return CliRunner().invoke(main, ["replay", "--tournament", *words])


def replays_of(name: str) -> dict[str, bytes]:
    """The files of a tournament's replays, drafts among them."""
    return {path.name: path.read_bytes() for path in (Path("tournaments") / name / "replays").glob("*")}


def tables_of(name: str) -> dict[str, Any]:
    """The JSON of a tournament's tables, each as its published schema says."""
    found = {}
    for table, document in OF_TOURNAMENTS.items():
        text = (Path("tournaments") / name / f"{table}.json").read_text(encoding="utf-8")
        found[table] = json.loads(text)
        assert list(faults(found[table], published(table))) == []
        document.model_validate_json(text)  # and nothing that it does not know
    return found


def error_of(result: Result, code: int = 2) -> str:
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.stderr.strip().splitlines()[-1].removeprefix("Error: ")


def entrants(arena: Arena, *names: str) -> tuple[list[Entrant], tuple[Member, ...]]:
    found = [Entrant(name, name, Kind.SCRIPTED, None, make(name, arena.spec)) for name in names]
    return found, tournaments.members(found, names)
