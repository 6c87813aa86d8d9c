"""`league start` with three algorithms, killed and resumed: its processes, its rated matches and its tables."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from league.toml import dumps
from tests.league.test_team_league import TEAMS

PATIENCE = 600.0  # seconds, on a machine that others use


@pytest.mark.slow
@pytest.mark.chaos
def test_a_league_of_teams_that_was_killed_goes_on_and_ends_with_its_tables(tmp_path: Path) -> None:
    file, runs = tmp_path / "teams.toml", tmp_path / "runs"
    file.write_text(dumps(TEAMS | {"run": {"tensorboard": False}}), encoding="utf-8")
    words = [sys.executable, "-m", "league"]
    place = ["--runs-dir", str(runs)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    first = subprocess.Popen(
        [*words, "start", "--config", str(file), "--name", "cup", "--for", "1h", *place],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        before = _frozen_of_three(runs / "cup", first)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    second = subprocess.run(
        [*words, "resume", "cup", "--for", "15s", *place], env=environment, capture_output=True, text=True, check=False,
        timeout=PATIENCE,
    )  # fmt: skip
    assert second.returncode == 0, second.stdout + second.stderr
    exports = runs / "cup" / "exports"
    board = json.loads((exports / "leaderboard.json").read_text(encoding="utf-8"))["players"]
    rated = {player["name"] for player in board if player["games"] > 0}
    assert rated >= {"heuristic", "qmix.v0"}
    assert before <= {player["name"] for player in board}, "nobody is lost"
    assert {name.partition(".")[0] for name in rated} >= {"qmix", "mappo", "ippo"}
    payoff = (exports / "payoff.csv").read_text(encoding="utf-8").splitlines()[1:]
    pairs = {tuple(name.partition(".")[0] for name in line.split(",")[:2]) for line in payoff}
    assert ("mappo", "qmix") in pairs, "the main exploiter has met the main agent"
    assert ("ippo", "mappo") in pairs, "and the league exploiter a team of the third algorithm"


def _frozen_of_three(run: Path, process: subprocess.Popen[bytes]) -> set[str]:
    """Names of the frozen teams, as soon as each of the three algorithms has one."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        assert process.poll() is None, "it ended by itself"
        told = [log.read_text(encoding="utf-8", errors="replace") for log in run.glob("logs/learner-*.log")]
        names = {
            line.split(" froze ")[1].split()[0] for text in told for line in text.splitlines() if " froze " in line
        }
        if {name.partition(".")[0] for name in names} == {"qmix", "mappo", "ippo"}:
            return names
        time.sleep(0.2)
    raise AssertionError("no team of each algorithm was frozen")
