"""The prisoner's dilemma between independent learners: what is counted, and that one command shows it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from arenas.check import check
from arenas.games.prisoners_dilemma import COOPERATE, DEFECT, PrisonersDilemma
from league.demo_dilemma import CASES, Curve, Witness, chart, deep, half_widths, summarise, tabular
from tests.league.test_cli import call, one_line


@pytest.mark.parametrize("learn", CASES)
def test_a_run_is_its_seeds(learn: Callable[[int, int, int], Curve]) -> None:
    one, again, other = (learn(1, seed, 500) for seed in (3, 3, 4))
    assert np.array_equal(one.rates, again.rates)
    assert not np.array_equal(one.rates, other.rates)
    assert one.steps[-1] == 500
    assert len(one.rates) == 1


def test_several_runs_differ() -> None:
    for learn in (tabular, deep):
        rates = learn(2, 0, 200).rates
        assert len(rates) == 2
        assert not np.array_equal(rates[0], rates[1])


def test_play_begins_evenly_and_defection_is_learned_first() -> None:
    curve = tabular(16, 1, 4000)
    assert curve.rates[:, :4].mean() == pytest.approx(0.5, abs=0.06)
    assert curve.final.mean() < 0.45


def test_the_witness_counts_moves_and_makes_one_team_of_two_players() -> None:
    witness = Witness(PrisonersDilemma(4))
    assert check(witness) == []
    assert witness.spec.teams == ((0, 1),)
    witness.cooperated.clear()
    state = witness.reset(torch.zeros(3, 0))
    step = witness.step(state, torch.tensor([[COOPERATE, COOPERATE], [COOPERATE, DEFECT], [DEFECT, DEFECT]]))
    assert witness.cooperated[0].tolist() == [1.0, 0.5, 0.0]
    assert step.rewards.tolist() == [[3.0, 3.0], [0.0, 5.0], [1.0, 1.0]]


def test_the_table_and_the_chart_of_rates_that_can_be_counted_by_hand() -> None:
    rates = np.array([[0.5, 0.5, 0.5, 0.5, 0.95], [0.5, 0.5, 0.5, 0.5, 0.05], [0.5, 0.5, 0.5, 0.5, 0.5]])
    curve = Curve("tabular_q", [1, 2, 3, 4, 5], rates)
    row = summarise(curve)
    assert (row.runs, row.cooperating, row.defecting) == (3, 1, 1)
    assert row.mean == pytest.approx(0.5)
    assert row.half == pytest.approx(4.3027 * 0.45 / np.sqrt(3), rel=1e-4)  # Student's t with 2 degrees of freedom
    assert half_widths(rates[:1]) is None
    (line,) = chart([curve]).series
    assert line.points[-1] == pytest.approx((5.0, 0.5))
    assert line.runs == tuple(map(tuple, rates.tolist()))


def test_one_command_draws_the_plot_and_prints_the_table(tmp_path: Path) -> None:
    plot = tmp_path / "dilemma.html"
    result = call("demo dilemma --runs 2 --steps 150 -o", str(plot))
    assert result.exit_code == 0, result.output
    assert [line.split()[0] for line in result.stdout.splitlines()[1:3]] == ["tabular_q", "iql"]
    assert result.stdout.splitlines()[-1] == f"wrote {plot}"
    page = plot.read_text(encoding="utf-8")
    assert page.count('class="line run"') == 4
    assert "tabular_q, 2 runs" in page


def test_json_has_the_rates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = json.loads(call("demo dilemma --runs 1 --steps 100 --seed 3 --json").stdout)
    assert told["seed"] == 3
    assert [each["algorithm"] for each in told["curves"]] == ["tabular_q", "iql"]
    assert told["summary"][0]["half"] is None
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_cannot_be_drawn_is_refused_before_the_training(tmp_path: Path) -> None:
    assert "ends in .png or .html" in one_line(call("demo dilemma -o", str(tmp_path / "plot.jpg")), 2)
