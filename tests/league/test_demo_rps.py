"""Rock-paper-scissors as the issue asks: naive self-play cycles, what a pool stands for settles near the middle."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from league.demo_rps import (
    CASES,
    PAYOFF,
    Case,
    Track,
    cycles,
    distance,
    nash_of_pool,
    sheet,
    summaries,
    swing,
    train,
    uniform_weights,
)
from matchmaking.pfsp import Floats
from tests.league.test_cli import call, one_line

SEEDS = (0, 1)
NAIVE, FICTITIOUS, LEAGUE = CASES


@cache
def trained(case: Case, seed: int) -> Track:
    return train(case, seed=seed)


def second_half(path: Floats) -> Floats:
    return path[len(path) // 2 :]


@pytest.mark.parametrize("seed", SEEDS)
def test_naive_self_play_keeps_cycling(seed: int) -> None:
    track = trained(NAIVE, seed)
    late = second_half(track.policy)
    assert (late.max(axis=0) > 0.8).all()  # each hand in its turn
    assert (late.min(axis=0) < 0.1).all()
    assert cycles(late) >= 3
    assert distance(late).min() > 0.2  # and never near the middle
    assert swing(track.policy) > 0.7


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("case", [FICTITIOUS, LEAGUE], ids=lambda case: case.rule)
def test_what_the_pool_stands_for_settles_near_the_middle(case: Case, seed: int) -> None:
    track = trained(case, seed)
    assert track.mixture is not None
    assert track.mixture.sum(axis=1) == pytest.approx(np.ones(len(track.iterations)))
    assert distance(track.mixture[0]) > 0.4  # it began as a player of rock
    assert distance(track.mixture[-1]) < 0.08
    assert distance(second_half(track.mixture)).max() < 0.1
    assert swing(track.mixture) < 0.15
    # Here even the present policy, which need not settle, stays near: see `league.demo_rps` on what that says.
    assert swing(track.policy) < 0.3
    assert cycles(second_half(track.policy)) == 0


def test_the_same_seed_gives_the_same_path() -> None:
    first, second = (train(LEAGUE, 40, seed=5) for _ in range(2))
    assert np.array_equal(first.policy, second.policy)
    assert first.mixture is not None
    assert second.mixture is not None
    assert np.array_equal(first.mixture, second.mixture)
    assert not np.array_equal(first.policy, train(LEAGUE, 40, seed=6).policy)


def test_distance_swing_and_cycles_of_paths_that_can_be_counted_by_hand() -> None:
    corners = np.eye(3)
    assert distance(np.full(3, 1 / 3)) == pytest.approx(0)
    assert distance(corners[0]) == pytest.approx(2 / 3)
    assert distance(np.array([0.5, 0.25, 0.25])) == pytest.approx(1 / 6)
    assert swing(np.stack((corners[0], corners[1], [0.5, 0.3, 0.2], [0.4, 0.3, 0.3]))) == pytest.approx(0.1)
    around = corners[[0, 0, 1, 2, 2, 0, 1, 2, 0]]
    assert cycles(around) == 2
    assert cycles(around[::-1]) == 0  # rock does not give way to scissors
    assert cycles(corners[[0, 1, 0, 1, 0, 1, 0, 1]]) == 0
    assert cycles(np.full((50, 3), 1 / 3)) == 0


@pytest.mark.parametrize("weights_of", [uniform_weights, nash_of_pool])
def test_mixtures_of_pure_hands(weights_of: Callable[[Floats], Floats]) -> None:
    assert weights_of(np.eye(3)) == pytest.approx(np.full(3, 1 / 3), abs=1e-6)


def test_the_nash_mixture_of_a_pool_cannot_be_beaten_by_it() -> None:
    pool = np.random.default_rng(0).dirichlet(np.ones(3), size=12)
    mixture = nash_of_pool(pool) @ pool
    assert (pool @ PAYOFF @ mixture).max() < 1e-6
    rock_and_paper = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    assert nash_of_pool(rock_and_paper) == pytest.approx([0, 1], abs=1e-6)  # without scissors, paper


def test_the_table_and_the_sheet_name_what_they_show() -> None:
    tracks = [train(case, 20) for case in CASES]
    assert [(row.rule, row.quantity) for row in summaries(tracks)] == [
        ("naive self-play", "present policy"),
        ("fictitious self-play", "present policy"),
        ("fictitious self-play", "mean of the pool"),
        ("league (AlphaStar)", "present policy"),
        ("league (AlphaStar)", "Nash mix of the pool"),
    ]
    for track, (triangle, (policy, distances)) in zip(tracks, sheet(tracks).cases, strict=True):
        assert triangle.traces[-1].points[-1] == pytest.approx(track.shown[-1])
        assert [line.points[-1] for line in policy.series[:3]] == [(20, share) for share in track.policy[-1]]
        assert [line.name for line in distances.series] == [trace.name for trace in triangle.traces]
        assert distances.series[-1].points[-1][1] == pytest.approx(float(distance(track.shown[-1])))


def test_one_command_draws_the_plot_and_prints_the_table(tmp_path: Path) -> None:
    plot = tmp_path / "rps.html"
    result = call("demo rps --iterations 20 -o", str(plot))
    assert result.exit_code == 0, result.output
    assert "fictitious self-play  mean of the pool" in result.stdout
    assert result.stdout.splitlines()[-1] == f"wrote {plot}"
    assert plot.read_text(encoding="utf-8").count("<svg") == 3 * len(CASES)


def test_json_has_the_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    printed = json.loads(call("demo rps --iterations 20 --seed 3 --json").stdout)
    assert printed["seed"] == 3
    assert [path["rule"] for path in printed["paths"]] == [case.name for case in CASES]
    assert all(sum(point) == pytest.approx(1) for path in printed["paths"] for point in path["policy"])
    assert printed["paths"][0]["mixture"] is None
    assert list(tmp_path.iterdir()) == []  # no plot was asked for


def test_a_name_that_cannot_be_drawn_is_refused_before_the_training(tmp_path: Path) -> None:
    assert "ends in .png or .html" in one_line(call("demo rps -o", str(tmp_path / "plot.jpg")), 2)
    assert "did you mean 'rps'" in one_line(call("demo rsp"), 2)
