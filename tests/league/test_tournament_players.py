"""`league tournament`: bots, players of runs, and the same by the API."""

from __future__ import annotations

from pathlib import Path

import pytest

from league.entrants import Entrant
from league.runs import RunFolder
from league.tournament import JOURNAL, SETTINGS, Tournament
from league.tournament_host import start
from league.tournament_play import Progress
from league.tournament_tables import Report
from matchmaking.tournaments.core import Kinds
from tests.league.cups import call, error_of, tables_of

pytestmark = pytest.mark.usefixtures("at_home")
BOT = "def act(observation, action_mask, clock):\n    return int(action_mask.nonzero()[0][0])\n"
BROKEN = "def act(observation, action_mask, clock):\n    raise ValueError('no idea')\n"


def test_bots_play_and_their_forfeits_are_told(at_home: Path) -> None:
    (at_home / "first.py").write_text(BOT)
    (at_home / "broken.py").write_text(BROKEN)
    result = call(
        *("first.py", "broken.py", "random", "--format", "round-robin", "--arena", "tic_tac_toe"),
        *("--pairs", "1", "--name", "cup"),
    )
    assert result.exit_code == 0, result.output
    assert "forfeits: broken CRASH x2" in result.stdout
    report = tables_of("cup")["standings"]
    rows = {row["name"]: row for row in report["players"]}
    assert (rows["broken"]["forfeits"], rows["broken"]["losses"], rows["broken"]["kind"]) == (4, 4, "bot")
    assert rows["first"]["forfeits"] == rows["random"]["forfeits"] == 0
    assert rows["first"]["version"] != rows["broken"]["version"]
    # Exchanged in the middle, it is not the same player any more.
    path = Path("tournaments/cup") / JOURNAL
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    (at_home / "first.py").write_text(BOT + "\n# better now\n")
    message = error_of(call("--resume", "cup"), 4)
    assert message.startswith("first (") and "is not what it was when the tournament began" in message


def test_players_of_a_run(made_up: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["random", "alpha_beta:1", "random", "--format", "knockout", "--pairs", "1", "--name", "cup"]
    where = ["--runs-dir", str(made_up.path.parent)]
    result = call(*words, *where)
    assert result.exit_code == 0, result.output
    assert (made_up.path / "tournaments" / "cup" / SETTINGS).is_file()
    assert call("--resume", "cup", *where).exit_code == 0
    assert "main_agent-1.v2 cannot play" in error_of(call("main_agent", "random", "--format", "swiss", *where))
    assert not list((made_up.path / "tournaments").glob("swiss*")), "nothing is made before everybody can play"


def test_a_role_stands_for_who_it_was(made_up: RunFolder) -> None:
    """The newest main agent may be another one when the tournament goes on."""
    from league.access import opened
    from league.tournament_host import _lasting

    with opened(made_up) as matchmaker:
        player = matchmaker.find("main_agent")
        entrant = Entrant("main_agent", player.name, player.kind, player.checkpoint, object())  # type: ignore[arg-type]
        assert _lasting(entrant, matchmaker) == player.id
        other = Entrant("./x.safetensors", player.name, player.kind, "another", object())  # type: ignore[arg-type]
        assert _lasting(other, matchmaker) == "./x.safetensors"


def test_the_api_is_the_command(at_home: Path) -> None:
    told: list[Progress] = []
    made: list[Tournament] = []
    tournament = start(
        ["perfect", "random"], Kinds.SWISS, made=made.append, tell=told.append, arena="tic_tac_toe", name="x", pairs=2
    )
    assert made == [tournament]
    assert [progress.encounter.id for progress in told] == ["r1.1"]
    assert Report(tournament, tournament.read()).places[0].player == "perfect"
