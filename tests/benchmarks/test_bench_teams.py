"""The benchmark of opposing teams in lanes: that it runs, and that 32 teams cost no more than 15 % over one."""

from __future__ import annotations

import pytest

from league import bench_teams
from league.cli.bench import bench


def test_every_case_is_measured_beside_one_team(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ENVIRONMENTS": 16, "MAX_STEPS": 3, "WARM_UP": 0, "ROUNDS": 1}.items():
        monkeypatch.setattr(bench_teams, name, value)
    monkeypatch.setattr(bench_teams, "CASES", {"one_team": (1, 1), "eight_teams_of_3_shapes": (8, 3)})
    rows = bench_teams.bench_teams()
    one, eight = (rows[name] for name in ("one_team", "eight_teams_of_3_shapes"))
    assert (one["step_ratio"], one["episodes_ratio"]) == (1.0, 1.0)
    assert float(eight["step_ms"]) > float(eight["episodes_ms"]) > 0
    assert float(eight["step_ratio"]) == pytest.approx(float(eight["step_ms"]) / float(one["step_ms"]))


@pytest.mark.slow
def test_32_frozen_teams_cost_no_more_than_15_percent_over_one() -> None:
    assert float(bench_teams.bench_teams()["32_teams"]["step_ratio"]) <= 1.15


def test_it_has_a_name() -> None:
    assert "teams: training a team against 32 frozen teams" in str(bench.epilog)
