"""The short form of the chaos suite: every kind of process is killed once and frozen once, and nothing is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.faults import Action, faults
from tests.chaos.mutations import MUTATIONS, copy_of_the_tree, outcome, turns_red
from tests.chaos.processes import Kind
from tests.league.supervised import ROOT

ONE_OF_EACH = 2 * len(Kind)


@pytest.mark.chaos
@pytest.mark.timeout(400)
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_one_fault_of_every_kind() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--kills", str(ONE_OF_EACH), "--seed", "1", "--pace", "0.7"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"seed 1: {ONE_OF_EACH} kills and freezes" in done.stdout
    assert "RED" not in done.stdout


def test_a_seed_says_what_happens() -> None:
    first, again, other = (faults(seed, 1.0) for seed in (1, 1, 2))
    drawn = [next(first) for _ in range(100)]
    assert drawn == [next(again) for _ in range(100)]
    assert drawn != [next(other) for _ in range(100)]
    assert {(fault.kind, fault.action) for fault in drawn[:ONE_OF_EACH]} == {
        (kind, action) for kind in Kind for action in (Action.KILL, Action.FREEZE)
    }
    assert all((fault.seconds > 0) == (fault.action is Action.FREEZE) for fault in drawn)
    assert {fault.kind for fault in drawn if fault.aimed is not None} == {Kind.LEARNER, Kind.RATER}
    few = faults(1, 1.0, only=[Kind.REDIS])
    assert {next(few).kind for _ in range(20)} == {Kind.REDIS}


@pytest.mark.parametrize("name", MUTATIONS)
def test_every_mutation_still_finds_what_it_takes_out(tmp_path: Path, name: str) -> None:
    copy_of_the_tree(tmp_path, MUTATIONS[name].edits)


@pytest.mark.slow
@pytest.mark.chaos
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["requeue", "position apart"])
def test_the_suite_turns_red_without_a_safeguard(name: str) -> None:
    mutation = MUTATIONS[name]
    code, lines = outcome(mutation, mutation.only, mutation.kills, seed=1)
    assert code == 1
    assert turns_red(mutation, lines), lines
