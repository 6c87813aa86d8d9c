"""`league tournament`: played to the end, killed and gone on with, shown and exported."""

from __future__ import annotations

import csv
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import arenas
from agents.bots.core import InfraError
from agents.scripted import make
from arenas.core import Arena
from league import tournament as tournaments
from league.cli import main
from league.config import BotsConfig
from league.entrants import Entrant, Entrants
from league.errors import InputError, StateMismatchError
from league.journal import Journal, Played, parse
from league.runs import RunFolder
from league.tournament import JOURNAL, SETTINGS, BrokenOffError, Kinds, Member, Progress, Settings, Tournament
from league.tournament_host import start
from league.tournament_tables import Report
from matchmaking.records import Kind
from matchmaking.tournaments.core import Encounter

ROOT = Path(__file__).parent.parent.parent
FIELD = ("random", "perfect", "random", "perfect", "random")
KINDS = [
    pytest.param(["--format", "round-robin"], 10, id="round-robin"),
    pytest.param(["--format", "round-robin", "--rounds", "2"], 20, id="double round-robin"),
    pytest.param(["--format", "gauntlet", "--challengers", "2"], 6, id="gauntlet"),
    pytest.param(["--format", "swiss", "--rounds", "3"], 6, id="swiss"),
    pytest.param(["--format", "knockout"], 4, id="knockout"),
    pytest.param(["--format", "knockout", "--double"], 8, id="double knockout"),
]


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tournaments lie in the folder where one is."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*words: str) -> Result:
    return CliRunner().invoke(main, ["tournament", *words])


def play(*words: str, name: str = "cup", pairs: int = 1) -> Result:
    return call(*FIELD, "--arena", "tic_tac_toe", "--name", name, "--pairs", str(pairs), *words)


def journal_of(name: str) -> dict[str, Played]:
    path = Path("tournaments") / name / JOURNAL
    return parse(path.read_bytes(), path)


def error_of(result: Result, code: int = 2) -> str:
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.stderr.strip().splitlines()[-1].removeprefix("Error: ")


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
    report = json.loads(Path("tournaments/cup/standings.json").read_text())
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


# Broken off.


def test_a_half_played_tournament_goes_on(at_home: Path) -> None:
    play("--format", "swiss", "--rounds", "3")
    whole = {id: record.outcomes for id, record in journal_of("cup").items()}
    path = Path("tournaments/cup") / JOURNAL
    lines = path.read_bytes().splitlines(keepends=True)
    for kept in range(len(lines)):
        path.write_bytes(b"".join(lines[:kept]) + lines[kept][: 7 * kept])
        result = call("--resume", "cup", "--json")
        assert result.exit_code == 0, result.output
        assert {id: record.outcomes for id, record in journal_of("cup").items()} == whole


WARM = """
import json, os, sys, time
import torch
torch.set_num_threads(1)
import arenas, league.cli.tournament, league.tournament_host, league.tournament as tournament, league.tournament_tables
from agents.scripted import make
from league.cli import main
make("perfect", arenas.make("tic_tac_toe").spec)
meet = tournament._meet
def slowly(*arguments):
    time.sleep(order["slowly"])
    return meet(*arguments)
tournament._meet = slowly
for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if child == 0:
        os.chdir(order["folder"])
        with open("stdout", "w") as out, open("stderr", "w") as err:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
        code = 1
        try:
            main(["tournament", *order["words"]])
        except SystemExit as end:
            code = end.code
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""
"""Runs `league tournament` in forked processes, as it takes seconds to import everything; encounters take longer."""


class Warm:
    """A real process of `league tournament`, soon after it was asked for."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", WARM], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, *words: str, slowly: float) -> int:
        """The id of a process with these arguments in the current folder."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"words": words, "slowly": slowly, "folder": str(Path.cwd())}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def wait(self) -> int:
        """The exit status of the process: negative where a signal ended it."""
        return os.waitstatus_to_exitcode(self._answer())

    def close(self) -> None:
        self._process.communicate()

    def _answer(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    process = Warm()
    yield process
    process.close()


def lines_of(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.mark.chaos
@pytest.mark.parametrize("form", [["--format", "swiss", "--rounds", "4"], ["--format", "knockout", "--double"]])
@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 12))])
def test_killed_at_any_moment_it_plays_each_match_exactly_once(form: list[str], seed: int, warm: Warm) -> None:
    """kill -9 again and again; the journal ends equal to that of a tournament that nobody disturbed."""
    rng = random.Random(seed)
    options = ["--arena", "tic_tac_toe", "--pairs", "2", "--seed", str(seed), *form]
    assert call(*FIELD, *options, "--name", "calm").exit_code == 0
    path = Path("tournaments/wild") / JOURNAL
    words, lines, kills, status = [*FIELD, *options, "--name", "wild"], 0, 0, -1
    while status:
        process = warm.start(*words, slowly=0.02)
        goal = lines + rng.randint(0, 2)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and lines_of(path) < len(journal_of("calm")):
            if lines_of(path) >= goal and (path.parent / SETTINGS).exists():
                time.sleep(rng.uniform(0.0, 0.03))
                break
            time.sleep(0.001)
        if lines_of(path) < len(journal_of("calm")):
            os.kill(process, signal.SIGKILL)
        status = warm.wait()
        kills += status == -signal.SIGKILL
        assert lines_of(path) >= lines, "nothing that was played is lost"
        lines = lines_of(path)
        words = ["--resume", "wild"]
    assert kills >= 2
    calm, wild = journal_of("calm"), journal_of("wild")
    assert {id: (one.a, one.b, one.seed, one.outcomes) for id, one in wild.items()} == {
        id: (one.a, one.b, one.seed, one.outcomes) for id, one in calm.items()
    }
    assert lines == len(wild), "and each once"
    tables = [
        json.loads(Path(f"tournaments/{name}/standings.json").read_text())["players"] for name in ("calm", "wild")
    ]
    assert tables[0] == tables[1]


def test_interrupted_it_says_how_to_go_on(warm: Warm) -> None:
    options = ["--arena", "tic_tac_toe", "--pairs", "1", "--format", "round-robin", "--name", "cup"]
    process = warm.start(*FIELD, *options, slowly=0.2)
    path = Path("tournaments/cup") / JOURNAL
    while lines_of(path) < 2:
        time.sleep(0.01)
    os.kill(process, signal.SIGINT)
    assert warm.wait() == 130
    number = lines_of(path)
    assert Path("stderr").read_text().strip() == (
        f"interrupted after {number} encounters; `league tournament --resume cup` goes on"
    )
    assert 2 <= number < 10
    assert call("--resume", "cup").exit_code == 0
    assert lines_of(path) == 10


def test_two_at_once_are_refused() -> None:
    play("--format", "round-robin")
    path = Path("tournaments/cup") / JOURNAL
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    with Journal(path):
        result = call("--resume", "cup")
    assert error_of(result, 1) == "tournament 'cup' is being played by another process"
    assert call("--resume", "cup").exit_code == 0


def entrants(arena: Arena, *names: str) -> tuple[list[Entrant], tuple[Member, ...]]:
    found = [Entrant(name, name, Kind.SCRIPTED, None, make(name, arena.spec)) for name in names]
    return found, tournaments.members(found, names)


def a_round_robin(root: Path, arena: Arena, *names: str) -> tuple[Tournament, list[Entrant]]:
    found, members = entrants(arena, *names)
    settings = Settings(name="cup", format=Kinds.ROUND_ROBIN, arena=arena.spec.name, players=members, pairs=1)
    return tournaments.create(root, settings), found


def test_a_fault_of_the_host_is_no_match(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arena = arenas.make("tic_tac_toe")
    tournament, found = a_round_robin(tmp_path, arena, "random", "perfect", "random", "perfect")
    meet, tried = tournaments._meet, Counter[str]()

    def faulty(encounter: Encounter, *rest: object) -> Played:
        tried[encounter.id] += 1
        if encounter.id == "r1.2" and tried[encounter.id] < tournaments.TRIES:
            raise InfraError("no process could be started")
        return meet(encounter, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(tournaments, "_meet", faulty)
    told: list[Progress] = []
    with tournament.journal() as journal:
        tournaments.play(tournament, journal, arena, found, BotsConfig(), told.append)
    assert tried == Counter({each.id: 1 for each in tournament.schedule.plan({}).encounters} | {"r1.2": 3})
    assert told[-1].encounter.id == "r1.2", "the others come first"
    assert (told[-1].number, told[-1].expected) == (6, 6)


def test_what_failed_waits_for_all_that_can_be_played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arena = arenas.make("tic_tac_toe")
    found, members = entrants(arena, *["random"] * 8)
    settings = Settings(name="cup", format=Kinds.KNOCKOUT, arena="tic_tac_toe", players=members, pairs=1)
    tournament, meet, tried = tournaments.create(tmp_path, settings), tournaments._meet, list[str]()

    def faulty(encounter: Encounter, *rest: object) -> Played:
        tried.append(encounter.id)
        if encounter.id == "r1.1" and tried.count("r1.1") < tournaments.TRIES:
            raise InfraError("no process could be started")
        return meet(encounter, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(tournaments, "_meet", faulty)
    with tournament.journal() as journal:
        tournaments.play(tournament, journal, arena, found, BotsConfig(), lambda _: None)
    again = [place for place, name in enumerate(tried) if name == "r1.1"]
    assert tried[again[1] - 1].startswith("r2.2"), "the other half of the bracket is ahead"


def test_a_host_that_always_fails_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arena = arenas.make("tic_tac_toe")
    tournament, found = a_round_robin(tmp_path, arena, "random", "perfect", "random")
    meet = tournaments._meet

    def faulty(encounter: Encounter, *rest: object) -> Played:
        if encounter.id == "r2.1":
            raise InfraError("no process could be started")
        return meet(encounter, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(tournaments, "_meet", faulty)
    with (
        tournament.journal() as journal,
        pytest.raises(BrokenOffError, match=r"round 2, .* broke off 3 times: no process could be started"),
    ):
        tournaments.play(tournament, journal, arena, found, BotsConfig(), lambda _: None)
    assert set(tournament.read()) == {"r1.1", "r3.1"}, "the others have been played"


# Bots and runs.

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
    report = json.loads(Path("tournaments/cup/standings.json").read_text())
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


# Mistakes.


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a", "b"], "--format is missing: round-robin, gauntlet, swiss, knockout"),
        (["random", "--format", "swiss"], "a tournament needs at least 2 players, not 1"),
        (
            ["random", "perfect", "--format", "knockout", "--rounds", "3"],
            "--rounds is of swiss and round-robin, not of knockout",
        ),
        (["random", "perfect", "--format", "swiss", "--double"], "--double is of knockout, not of swiss"),
        (
            ["random", "perfect", "--format", "swiss", "--challengers", "1"],
            "--challengers is of gauntlet, not of swiss",
        ),
        (
            ["random", "perfect", "--format", "swiss", "--rounds", "2"],
            "a swiss tournament of 2 players has 1 to 1 rounds, not 2",
        ),
        (["random", "perfect", "--format", "gauntlet", "--challengers", "2"], "has 1 to 1 challengers, not 2"),
        (["random", "prefect", "--format", "swiss"], "no scripted player 'prefect': did you mean 'perfect'?"),
        (["random", "perfect", "--format", "swiss", "--name", "a/b"], "'a/b' is no name for a tournament"),
        (["random", "perfect", "--format", "swiss", "--run", "x"], "--run brings its own arena"),
    ],
)
def test_mistakes_are_told_in_one_line(words: list[str], message: str) -> None:
    assert message in error_of(call(*words, "--arena", "tic_tac_toe"))
    assert not Path("tournaments").exists(), "and nothing is made"


def test_names_of_tournaments() -> None:
    assert play("--format", "knockout").exit_code == 0
    assert "go on with it by `league tournament --resume cup`" in error_of(play("--format", "knockout"))
    assert error_of(call("--resume", "cip")) == "there is no tournament 'cip'; did you mean 'cup'?"
    assert "players and options stand" in error_of(call("--resume", "cup", "--pairs", "3"))
    assert "players and options stand" in error_of(call("random", "--resume", "cup"))
    assert "or name the game with --arena" in error_of(call("random", "perfect", "--format", "swiss"))


def test_a_journal_of_another_tournament_is_refused() -> None:
    play("--format", "round-robin")
    play("--format", "round-robin", "--seed", "1", name="other")
    Path("tournaments/cup", JOURNAL).write_bytes(Path("tournaments/other", JOURNAL).read_bytes())
    assert "does not belong to this tournament" in error_of(call("--resume", "cup"), 4)
    with pytest.raises(StateMismatchError, match="does not belong"):
        tournaments.load(Path("tournaments/cup")).journal()
    Journal(Path("tournaments/cup", JOURNAL)).close()  # and is free again


def test_another_version_is_refused() -> None:
    play("--format", "round-robin")
    path = Path("tournaments/cup", SETTINGS)
    text = path.read_text()
    path.write_text(text.replace('"schema_version": 2', '"schema_version": 1'))
    assert "has schema 1 and this program reads schema" in error_of(call("--resume", "cup"), 4)
    path.write_text(text.replace('"round-robin"', '"rond-robin"'))
    assert f"{path}: format: Input should be" in error_of(call("--resume", "cup"), 4)


def test_entrants_of_equal_names_are_told_apart() -> None:
    arena = arenas.make("tic_tac_toe")
    _, members = entrants(arena, "random", "perfect", "random")
    assert [member.name for member in members] == ["random#1", "perfect", "random#2"]


def test_nothing_is_made_of_players_that_make_no_tournament(tmp_path: Path) -> None:
    arena = arenas.make("tic_tac_toe")
    _, members = entrants(arena, "random")
    settings = Settings(name="cup", format=Kinds.SWISS, arena="tic_tac_toe", players=members, pairs=1)
    with pytest.raises(InputError, match="at least 2 players"):
        tournaments.create(tmp_path / "made", settings)
    assert not (tmp_path / "made").exists()


def test_unchanged_is_checked_by_version() -> None:
    member = Member(name="x", text="x.py", kind=Kind.BOT, version="a" * 64)
    settings = Settings(name="cup", format=Kinds.SWISS, arena="x", players=(member,), pairs=1)
    same = Entrant("x.py", "x", Kind.BOT, "a" * 64, object())  # type: ignore[arg-type]
    tournaments.check_unchanged(settings, [same])
    with pytest.raises(StateMismatchError, match="its version is bbbbbbbbbbbb, not aaaaaaaaaaaa"):
        tournaments.check_unchanged(settings, [Entrant("x.py", "x", Kind.BOT, "b" * 64, same.actor)])


def test_entrants_close_their_bots() -> None:
    with Entrants(arenas.make("tic_tac_toe")) as some:
        assert some.find("random").bot is None
