"""`league bots` and `league submit` from a shell: what is printed, as JSON too, and the exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agents.bots.core import FailureCode, FailureRecord, Phase
from league.cli import main
from league.runs import RunFolder, create
from league.settings import resolve, set_layer
from matchmaking.bot_records import BotState
from matchmaking.server import EmbeddedServer
from matchmaking.service import Matchmaker
from matchmaking.store import Store

SETTINGS = ("bots.clocks.start=30", "bots.clocks.move=10")
CRASHES = """
class Bot:
    def __init__(self, spec): ...
    def act(self, o, m, c):
        print('hi')
        return 1 / 0
"""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunFolder]:
    """The run `open`, whose server is up."""
    config = resolve("tic_tac_toe", flags=[set_layer(each) for each in SETTINGS], environment={})
    run = create(tmp_path / "runs", config, "open")
    server = EmbeddedServer(run.redis)
    server.start()
    Store.create(server.url, run.name, "tic_tac_toe").close()
    yield run
    server.stop()


@pytest.fixture
def matchmaker(run: RunFolder) -> Iterator[Matchmaker]:
    store = Store.open(EmbeddedServer(run.redis).url, run.name)
    yield Matchmaker(store)
    store.close()


def _league(*words: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


def _json(*words: str | Path, code: int = 0) -> Any:
    return json.loads(_league(*words, "--json", code=code).stdout)


def test_a_new_users_way(tmp_path: Path, run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """New, check, submit, submit again, improve, list, show, withdraw."""
    monkeypatch.chdir(tmp_path)
    assert "Your idea goes into mine/bot.py" in _league("bots", "new", "mine", "--run", "open").stdout
    assert (tmp_path / "mine" / "bot.py").is_file()
    checked = _league("bots", "check", "mine").stdout
    assert "2 matches as player_1 against random" in checked
    assert checked.rstrip().endswith("ok")
    entered = _league("submit", "mine", "--name", "mine", "--author", "ann").stdout
    assert "mine plays in run open; see `league leaderboard`" in entered
    again = _league("submit", "mine", "--name", "mine", "--author", "ann").stdout
    assert again == "nothing changed: mine in run open is this very bot\n"
    with (tmp_path / "mine" / "bot.py").open("a") as file:
        file.write("# better\n")
    improved = _json("submit", "mine", "--name", "mine", "--author", "ann")
    assert (improved["entered"], improved["superseded"], improved["player"]["name"]) == (True, "mine", "mine.v2")
    assert improved["report"]["ok"]
    listed = _json("bots", "list")
    assert [(bot["name"], bot["state"], bot["author"]) for bot in listed["bots"]] == [
        ("mine.v2", "active", "ann"),
        ("mine", "superseded", "ann"),
    ]
    assert "by mine.v2" in _league("bots", "list").stdout
    shown = _json("bots", "show", "mine")
    assert (shown["name"], shown["parent"], shown["versions"]) == ("mine.v2", "mine", ["mine", "mine.v2"])
    assert shown["version"] in _league("bots", "show", "mine").stdout
    assert _league("bots", "withdraw", "mine").stdout == "mine.v2 gets no more matches\n"
    assert _league("bots", "withdraw", "mine").stdout == "mine.v2 got no more matches already\n"


def test_a_bot_that_crashes_is_rejected(tmp_path: Path, run: RunFolder) -> None:
    path = tmp_path / "bad.py"
    path.write_text(CRASHES)
    shown = _league("bots", "check", path, "--run", "open", code=5).stdout
    assert "CRASH in phase act: match check/0, as player_0, step 0\n    ZeroDivisionError: division by zero\n" in shown
    assert "and 5 more of this kind" in shown
    assert "traceback:" in shown
    assert 'File "bot.py", line 6' in shown
    assert "its output:\n      hi\n" in shown
    report = _json("bots", "check", path, "--run", "open", code=5)
    assert (report["ok"], report["arena"], len(report["failures"])) == (False, "tic_tac_toe", 6)
    FailureRecord.model_validate(report["failures"][0])
    result = _league("submit", path, "--name", "bad", code=5)
    assert result.stderr == "Error: the bot is rejected: CRASH (act): ZeroDivisionError: division by zero\n"
    assert "NOT ok" in result.stdout
    assert _json("submit", path, "--name", "bad", code=5)["ok"] is False
    assert _json("bots", "list")["bots"] == []


def test_a_rejection_before_any_play(tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_text("def act(o, m, c):\n    return 1 +\n")
    result = _league("bots", "check", path, code=5)
    assert 'File "bot.py", line 2\n' in result.stdout
    assert result.stderr == "Error: bot.py:2: invalid syntax\n"
    failures = _json("bots", "check", path, code=5)["failures"]
    assert [(each["code"], each["phase"]) for each in failures] == [("IMPORT_ERROR", "import")]


def test_errors_are_shown(run: RunFolder, tmp_path: Path, matchmaker: Matchmaker) -> None:
    path = tmp_path / "mine.py"
    path.write_text("def act(o, mask, c): return mask.argmax()\n")
    player = _json("submit", path, "--name", "mine")["player"]["id"]
    assert _league("bots", "errors", "mine").stdout == "mine has not failed\n"
    records = [
        FailureRecord(
            code=FailureCode.TIMEOUT,
            phase=Phase.ACT,
            match=f"m_1/{number}",
            agent="player_1",
            step=4,
            message=f"no answer {number}",
            stderr="[red]not markup[/red]\n",
            legal_actions=(0, 8),
            milliseconds=1000.4,
            bank_milliseconds=0.0,
        )
        for number in range(7)
    ]
    matchmaker.store.bots.record_failures(player, "m_1", [True] * 7, [each.model_dump_json() for each in records])
    matchmaker.store.bots.set_state(player, BotState.SUSPENDED, "7 failing matches in a row")
    shown = _league("bots", "errors", "mine", "-n", "2").stdout
    assert "no answer 4" not in shown
    assert "TIMEOUT in phase act: match m_1/5, as player_1, step 4\n    no answer 5\n" in shown
    assert "legal were 0, 8; 1000 ms used; 0 ms left in the bank" in shown
    assert "      [red]not markup[/red]\n" in shown
    assert shown.endswith("5 older ones: -n 7 shows them\nmine is suspended: 7 failing matches in a row\n")
    whole = _json("bots", "errors", "mine")
    assert [FailureRecord.model_validate(each) for each in whole["failures"]] == records
    assert (whole["bot"], whole["state"]) == ("mine", "suspended")
    assert _json("bots", "show", "mine")["failing_in_a_row"] == 7


def test_usage_errors(tmp_path: Path, run: RunFolder) -> None:
    assert "no bot 'x' in run 'open'" in _league("bots", "show", "x", code=2).stderr
    assert (
        "no arena 'conect_four': did you mean connect_four?"
        in _league("bots", "new", "x", "--arena", "conect_four", code=2).stderr
    )
    assert (
        "Kaggle has no game like kuhn_poker"
        in _league(
            "bots", "new", "x", "--arena", "kuhn_poker", "--language", "kaggle", "-o", tmp_path / "x", code=2
        ).stderr
    )
    assert "is no name for a bot" in _league("bots", "new", "a b", code=5).stderr
    assert "there is no " in _league("submit", tmp_path / "nothing.py", "--name", "x", code=5).stderr
    assert "'random' is a scripted player's" in _league("submit", tmp_path, "--name", "random", code=5).stderr
    assert "Missing option '--name'" in _league("submit", tmp_path, code=2).stderr
