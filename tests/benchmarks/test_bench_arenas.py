"""The benchmark of the native arenas: that it runs, that its peers play, and how much faster ours are."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

import arenas
from league.bench_arenas import BATCHES, CONTESTS, Advance, Contest, bench_arenas, measure, play_parallel
from league.cli.bench import bench


@pytest.mark.parametrize("contest", CONTESTS, ids=lambda each: each.name)
def test_every_contest_is_measured(contest: Contest) -> None:
    row = measure(contest, batches=(1, 16), rounds=1, seconds=0.05, compiler="off")
    assert row["peer"] == contest.peer
    speeds = [row[name] for name in ("peer_steps_per_s", "eager_1_steps_per_s", "eager_16_steps_per_s")]
    assert all(isinstance(speed, float) and speed > 0 for speed in speeds), row
    assert (row["compiled_1_steps_per_s"], row["compiled_16_steps_per_s"]) == ("-", "-")
    fastest = max(speed for speed in speeds[1:] if isinstance(speed, float))
    assert row["times_peer"] == pytest.approx(fastest / float(speeds[0]))


def test_contests_are_arenas_of_ours() -> None:
    names = [contest.name for contest in CONTESTS]
    assert len(set(names)) == len(names)
    assert {contest.arena for contest in CONTESTS} <= set(arenas.names())


def test_a_peer_that_is_not_installed() -> None:
    row = measure(Contest("spread", "nobody", no_such_peer), batches=(4,), rounds=1, seconds=0.02, compiler="off")
    assert (row["peer_steps_per_s"], row["times_peer"]) == ("not installed", "-")
    assert float(row["eager_4_steps_per_s"]) > 0


def no_such_peer() -> Advance:
    return play_parallel("no_such_module")


def test_the_table_and_the_json(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {"spread": {"peer": "mpe2", "peer_steps_per_s": 4000.4}, "tag": {"peer": "mpe2", "peer_steps_per_s": "-"}}
    monkeypatch.setattr("league.bench_arenas.bench_arenas", lambda: rows)
    table = CliRunner().invoke(bench, ["arenas"]).output.splitlines()
    assert [line.split() for line in table[:3]] == [
        ["arenas", "spread", "tag"],
        ["peer", "mpe2", "mpe2"],
        ["peer_steps_per_s", "4,000", "-"],
    ]
    assert json.loads(CliRunner().invoke(bench, ["arenas", "--json"]).output)["arenas"] == rows


@pytest.mark.slow
def test_ours_are_a_hundred_times_faster() -> None:
    """One batch against one environment, each on one core. OpenSpiel's rules are C++, behind a loop in Python."""
    for arena, row in bench_arenas().items():
        assert float(row["times_peer"]) > (5 if row["peer"] == "open_spiel" else 100), arena
        assert float(row[f"eager_{BATCHES[-1]}_steps_per_s"]) > float(row["peer_steps_per_s"])
