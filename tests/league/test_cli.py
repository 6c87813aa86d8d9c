"""The command line: what it prints, its exit codes, and that its errors are one line for a person."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from league import api
from league.cli import COMMANDS, main
from league.errors import LeagueError, StateMismatchError
from league.lock import run_lock
from league.runs import RunFolder, create, find
from league.settings import resolve
from matchmaking.records import SCHEMA
from matchmaking.server import EmbeddedServer, connect

ROOT = Path(__file__).parent.parent.parent
READING = ("status", "players", "payoff", "leaderboard", "rebuild --check", "runs", "doctor", "players show random")


def call(words: str, *more: str, run: RunFolder | None = None) -> Result:
    """`league WORDS...`; with `run` among the runs beside that one."""
    where = ["--runs-dir", str(run.path.parent)] if run else []
    return CliRunner().invoke(main, [*words.split(), *more, *where])


def one_line(result: Result, code: int) -> str:
    """The one line of error of a command that has to fail with this code."""
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    lines = [line for line in result.stderr.splitlines() if not line.startswith(("Usage:", "Try '")) and line]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("Error: ")
    return lines[0].removeprefix("Error: ")


def python(code: str, *, runs: Path | None = None) -> str:
    """Stdout of a fresh interpreter."""
    environment = {"PATH": "/usr/bin:/bin", "LEAGUE_RUNS": str(runs)} if runs else {"PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("words", ["--help", "status"])
def test_torch_is_not_imported(words: str, made_up: RunFolder) -> None:
    code = (
        "import sys\nfrom league.cli import main\n"
        f"main({words.split()!r}, standalone_mode=False)\n"
        "print('heavy:', [name for name in ('torch', 'pettingzoo', 'pyspiel', 'scipy') if name in sys.modules])\n"
    )
    printed = python(code, runs=made_up.path.parent)
    assert printed.splitlines()[-1] == "heavy: []"


def test_the_help_imports_nothing_but_click() -> None:
    code = (
        "import sys\nfrom league.cli import main\nmain(['--help'], standalone_mode=False)\n"
        "print('heavy:', [name for name in ('pydantic', 'rich', 'redis', 'numpy') if name in sys.modules])\n"
    )
    assert python(code).splitlines()[-1] == "heavy: []"


def test_the_package_itself_imports_nothing() -> None:
    code = "import sys, league\nprint(league.__all__, 'pydantic' in sys.modules)\nprint(league.start.__module__)"
    assert python(code).splitlines() == [
        f"{sorted(['Finished', 'leaderboard', 'resume', 'start', 'status', 'stop'])} False",
        "league.api",
    ]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_that_says_what_the_table_says(name: str) -> None:
    result = call(f"{name} --help")
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: main {name}")


@pytest.mark.parametrize("words", READING)
def test_reading_commands_print_json(words: str, made_up: RunFolder) -> None:
    result = call(f"{words} --json", run=made_up)
    assert isinstance(json.loads(result.stdout), dict)
    assert result.exit_code == (1 if words == "doctor" else 0)  # the made-up run has no checkpoints


@pytest.mark.parametrize("words", READING)
def test_reading_commands_print_for_people(words: str, made_up: RunFolder) -> None:
    result = call(words, run=made_up)
    assert result.stdout.strip()
    assert "{" not in result.stdout.splitlines()[0]


def test_watch_ends_with_its_run(made_up: RunFolder) -> None:
    result = call("watch --json", run=made_up)
    assert [json.loads(line)["state"] for line in result.stdout.splitlines()] == ["stopped"]


def test_status_and_leaderboard_agree_with_the_run(made_up: RunFolder) -> None:
    status = json.loads(call("status --json", run=made_up).stdout)
    assert (status["run"], status["state"]) == ("made-up", "stopped")
    assert status["learners"][0]["steps"] == 3_200_000
    board = json.loads(call("leaderboard --json", run=made_up).stdout)
    assert board["schema"] == SCHEMA
    standings = api.leaderboard("made-up", runs_dir=made_up.path.parent)
    assert board["players"] == [row.model_dump(mode="json") for row in standings.players]
    assert "main_agent-1.v2" in call("leaderboard", run=made_up).stdout


def test_a_player_is_found_by_id_name_and_role(made_up: RunFolder) -> None:
    by_role = json.loads(call("players show main_agent --json", run=made_up).stdout)
    assert by_role["name"] == "main_agent-1.v2"
    assert by_role["parent"] == "main_agent-1"
    assert json.loads(call(f"players show {by_role['id']} --json", run=made_up).stdout) == by_role
    assert "did you mean 'main_agent-1'?" in one_line(call("players show main_agnt-1", run=made_up), 2)


def test_exports_and_plots_go_where_they_are_told(made_up: RunFolder, tmp_path: Path) -> None:
    result = call("export leaderboard --format html", run=made_up)
    path = made_up.exports / "leaderboard.html"
    assert result.stdout == f"wrote {path}\n"
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert call("export matches -o -", run=made_up).stdout.startswith("id,finished,a,b,")
    for figure in ("elo", "payoff", "pfsp"):
        assert call(f"plot {figure} -o", str(tmp_path / f"{figure}.html"), run=made_up).exit_code == 0
        assert "<svg" in (tmp_path / f"{figure}.html").read_text(encoding="utf-8")


def test_mistakes_on_the_command_line(made_up: RunFolder) -> None:
    assert one_line(call("leaderbord"), 2) == "no command 'leaderbord'; did you mean 'leaderboard'?"
    assert one_line(call("stat"), 2) == "no command 'stat'; did you mean 'status'?"
    assert "--device" in one_line(call("start --devic cpu"), 2)
    assert "no command 'lst'; did you mean 'list'" in one_line(call("arenas lst"), 2)
    assert "no benchmark 'pfps'; did you mean 'pfsp'" in one_line(call("bench pfps"), 2)
    assert "there is no run 'mad-up'" in one_line(call("status mad-up", run=made_up), 2)
    assert "ends in .png or .html" in one_line(call("plot elo -o x.gif", run=made_up), 2)
    assert "no arena 'conect_four'" in one_line(call("arenas show conect_four"), 2)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("start conect_four", 2, "did you mean connect_four"),
        ("start connect_four --set ppo.epoch=2", 2, "did you mean 'epochs'?"),
        ("start connect_four --players main_agnt=1", 2, "did you mean 'main_agent'?"),
        ("start connect_four --players main_agent=0", 2, "or --players none for an arena without learners"),
        ("start connect_four --players none --set evaluation.evaluators=0", 2, "neither learners nor evaluators"),
        ("start connect_four --players none --steps 5", 2, "there is no learner to take them"),
        ("start connect_four --set bots.clocks.mvoe=1", 2, "did you mean 'move'?"),
        ("start connect_four --set bots.isolation=atuo", 2, "did you mean 'auto'?"),
        ("start connect_four --set matchmaking.rule=alphstar", 2, "did you mean 'alphastar'?"),
        ("start connect_four --set evaluation.anchors=['alpha_bta:2']", 2, "did you mean 'alpha_beta'?"),
        ("start connect_four --for soon", 2, "--for: run.duration = 'soon' is not valid: expected a duration"),
        ("start connect_four --config /nowhere.toml", 2, "/nowhere.toml: No such file"),
        ("start connect_four --redis redis://127.0.0.1:1", 3, "does not answer"),
        ("start connect_four --name a/b", 2, "is no name for a run"),
        ("resume", 2, "there is no run in"),
        ("stop", 2, "there is no run in"),
    ],
)
def test_a_start_that_cannot_be_leaves_nothing_behind(words: str, code: int, message: str, tmp_path: Path) -> None:
    assert message in one_line(call(words), code)
    assert not (tmp_path / "runs").exists() or list((tmp_path / "runs").iterdir()) == []


def test_no_gpu_where_one_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "cuda_available", lambda: False)
    assert "torch finds no CUDA GPU" in one_line(call("start connect_four --device cuda"), 2)


def test_a_gpu_chooses_its_variation_of_the_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, laptop = resolve("connect_four", environment={}, gpu=True), resolve("connect_four", environment={})
    monkeypatch.setattr(api, "cuda_available", lambda: True)
    assert api.configuration("connect_four", None, []) == gpu
    monkeypatch.setattr(api, "cuda_available", lambda: False)
    assert api.configuration("connect_four", None, []) == laptop


def test_a_run_that_exists(tmp_path: Path) -> None:
    create(tmp_path / "runs", resolve("tic_tac_toe", environment={}), "mine")
    assert "`league resume mine`" in one_line(call("start tic_tac_toe --name mine"), 2)
    assert find(tmp_path / "runs").config().arena == "tic_tac_toe"


def test_a_run_that_is_running_is_not_resumed(made_up: RunFolder) -> None:
    with run_lock(made_up):
        assert "is running already" in one_line(call("resume", run=made_up), 2)
    assert "is not running" in one_line(call("stop", run=made_up), 2)


def test_a_redis_with_another_schema(tmp_path: Path) -> None:
    run = create(tmp_path / "runs", resolve("tic_tac_toe", environment={}), "old")
    server = EmbeddedServer(run.redis)
    server.start()
    try:
        with connect(server.url) as client:
            client.hset(
                "league:{old}:run", mapping={"schema": 999, "arena": "tic_tac_toe", "decay": "0.99", "created": 1}
            )
            before = client.hgetall("league:{old}:run")
            assert "schema" in one_line(call("status old"), 4)
            assert client.hgetall("league:{old}:run") == before
    finally:
        server.stop()


def test_a_given_redis_with_another_schema(made_up: RunFolder, tmp_path: Path) -> None:
    url = EmbeddedServer(made_up.redis).url
    with connect(url) as client:
        client.hset("league:{old}:run", mapping={"schema": 999, "arena": "tic_tac_toe", "decay": "0.99", "created": 1})
        assert "has schema 999" in one_line(call(f"start tic_tac_toe --name old --redis {url}"), 4)
        client.delete("league:{old}:run")
    assert not (tmp_path / "runs" / "old").exists()


def test_a_redis_that_already_has_the_run(made_up: RunFolder, tmp_path: Path) -> None:
    url = EmbeddedServer(made_up.redis).url
    assert "exists in the Redis" in one_line(call(f"start connect_four --name made-up --redis {url}"), 2)
    assert not (tmp_path / "runs" / "made-up").exists()


def test_the_server_of_a_run_that_does_not_run_is_left_as_it_was(tmp_path: Path) -> None:
    run = create(tmp_path / "runs", resolve("tic_tac_toe", environment={}), "empty")
    server = EmbeddedServer(run.redis)
    assert call("status empty").exit_code == 4  # no such run in its Redis yet
    assert not server.running()


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (LeagueError("it failed"), 1, "it failed"),
        (StateMismatchError("it does not fit"), 4, "it does not fit"),
        (OSError(28, "No space left on device", "/x/y"), 1, "/x/y: No space left on device; nothing was damaged"),
        (PermissionError(13, "Permission denied", "/x"), 1, "/x: Permission denied"),
    ],
)
def test_errors_become_one_line(error: Exception, code: int, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(api, "start", fail)
    assert one_line(call("start"), code).startswith(message)


@pytest.mark.parametrize(("command", "name"), [("start", "start"), ("resume made-up", "resume")])
@pytest.mark.parametrize(("code", "closed"), [(0, True), (130, True), (130, False)])
def test_a_run_ends_with_its_leaderboard(
    command: str, name: str, code: int, closed: bool, made_up: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, name, lambda *_, **__: api.Finished(made_up, code, closed))
    result = call(command)
    assert result.exit_code == code
    assert ("main_agent-1.v2" in result.stdout) is closed, "a run that was stopped at once shows nothing more"


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "status", interrupt)
    result = call("status")
    assert result.exit_code == 130
    assert result.stderr == "interrupted\n"


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(api, "status", fail)
    assert isinstance(call("status").exception, ZeroDivisionError)
