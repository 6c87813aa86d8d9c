"""`league tournament`: killed or interrupted, and gone on with."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from league.journal import Journal
from league.tournament import JOURNAL, SETTINGS
from tests.league.cups import FIELD, call, error_of, journal_of, play, replays_of

pytestmark = pytest.mark.usefixtures("at_home")
ROOT = Path(__file__).parent.parent.parent


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
import arenas, league.cli.tournament, league.tournament_host, league.tournament_tables
import league.tournament_play as tournament
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
    options = ["--arena", "tic_tac_toe", "--pairs", "2", "--seed", str(seed), "--replays", "all", *form]
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
    assert set(replays_of("calm")) == {f"{id}.jsonl.gz" for id in calm}
    assert replays_of("calm") == replays_of("wild"), "each is stored once, as if nobody had disturbed it"


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
