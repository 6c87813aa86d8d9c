"""`league train`: what it writes, that it is reproducible, and what it says to bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from agents.checkpoint import CheckpointStore
from agents.teams.evaluation import evaluate
from agents.teams.policy import load_team
from arenas.registry import make
from league.cli import main
from league.trained import Training, summarise
from league.training_seeds import train_seeds
from league.training_teams import plan

QUICK = (
    "--steps 1500 --every 700 --episodes 5 --environments 4 --set batch=4 --set updates_per_episode=0.25 "
    "--set network.hidden=[8]"
)


def call(words: str) -> Result:
    return CliRunner().invoke(main, words.split())


def test_a_training_writes_what_it_measured(tmp_path: Path) -> None:
    result = call(f"train vdn spread {QUICK} -o {tmp_path / 'out'}")
    assert result.exit_code == 0, result.output
    head, *lines, best, where, following = result.output.splitlines()
    assert head.split()[:3] == ["seed", "steps", "updates"]
    assert [line.split()[1] for line in lines] == ["0", "700", "1400", "1500"]
    assert "Papoudakis" in best
    assert str(tmp_path / "out") in where
    assert following == f"its best enters a run by: league submit {tmp_path / 'out'} --name vdn --run RUN"
    training = Training.model_validate_json((tmp_path / "out" / "evaluations.json").read_text())
    assert (training.algorithm, training.preset, training.arena, training.seed) == ("vdn", "epymarl", "spread", 0)
    assert training.settings["network"]["hidden"] == [8]
    assert training.settings["bootstrap_truncated"] is False  # of the preset
    for point in training.evaluations:
        assert point.return_per_agent == pytest.approx(point.return_sum / 3)
        assert point.return_published == pytest.approx(2 * point.return_sum - 75)
    metrics = [json.loads(line) for line in (tmp_path / "out" / "metrics" / "train.jsonl").read_text().splitlines()]
    assert [line["step"] for line in metrics] == [0, 700, 1400, 1500]
    assert "train/loss" in metrics[-1]
    assert metrics[-1]["test/return_sum"] == training.evaluations[-1].return_sum
    point = training.evaluations[-1]  # the checkpoint is what was evaluated
    path = CheckpointStore(tmp_path / "out" / "checkpoints").path(point.checkpoint)
    policy = load_team(path, make("spread"))
    assert evaluate(policy.setup, policy, 5, 0).return_sum == pytest.approx(point.return_sum)


def test_the_same_seed_gives_the_same_training(tmp_path: Path) -> None:
    planned = plan(
        "qmix", "spread", steps=600, every=300, episodes=3, environments=4, seeds=(5, 6),
        assignments=["batch=4", "network.hidden=[8]", "updates_per_episode=0.25"],
    )  # fmt: skip
    (first, other), summary = train_seeds(planned, tmp_path / "both", lambda seed, point: None)
    alone = planned.model_copy(update={"seeds": (5,)})
    (again,), _ = train_seeds(alone, tmp_path / "one", lambda seed, point: None)
    assert [p.checkpoint for p in first.evaluations] == [p.checkpoint for p in again.evaluations]
    assert first.evaluations[-1].checkpoint != other.evaluations[-1].checkpoint
    assert summary == summarise([first, other])
    best = summary.best_return_sum
    assert best.low is not None
    assert best.high is not None
    assert best.low < best.mean < best.high
    assert best.mean == pytest.approx((first.best.return_sum + other.best.return_sum) / 2)


def test_json_and_several_seeds(tmp_path: Path) -> None:
    result = call(f"train iql foraging {QUICK} --seeds 2 --set arena.size=6 --json -o {tmp_path / 'out'}")
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    assert [each["seed"] for each in told["trainings"]] == [0, 1]
    assert told["trainings"][0]["arena_options"] == {"size": 6}
    assert told["summary"] == json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (tmp_path / "out" / "seed-1" / "evaluations.json").is_file()


def test_it_ends_after_the_time_that_it_is_given(tmp_path: Path) -> None:
    result = call(f"train vdn spread {QUICK} --steps 100000000 --for 0.2s -o {tmp_path / 'out'}")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("qmxi spread", "no algorithm 'qmxi'; did you mean 'qmix'?"),
        ("qmix sprad", "did you mean spread?"),
        ("qmix connect_four", "its agents move in turns, and `league train` takes arenas of one team"),
        ("vdn soccer", "it has 2 teams, and `league train` takes arenas of one team whose agents move together: forag"),
        ("qmix spread --set reward=agent", "set reward = 'team', the sum over the agents, or train iql"),
        ("qmix spread --set lerning_rate=1", "unknown key 'lerning_rate'; did you mean 'learning_rate'?"),
        ("qmix spread --set network.memry=1", "unknown key 'network.memry'; did you mean 'memory'?"),
        ("qmix spread --set learning_rate=fast", "learning_rate = 'fast' is not valid"),
        ("qmix spread --set arena.M=3", "arena 'spread' has no option 'M'"),
        ("qmix spread --set arena=3", "as arena.N=3"),
        ("vdn spread --preset pymarl2", "vdn has no preset 'pymarl2'; did you mean 'epymarl'?"),
        ("qmix spread --for soon", "expected a duration"),
        ("vdn spread -o .", ". is not an empty folder"),
    ],
)
def test_bad_input_is_one_line_that_says_what_would_fit(words: str, message: str, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    result = call(f"train {words}" + ("" if "-o" in words else f" -o {tmp_path / 'out'}"))
    assert result.exit_code == 2, result.output
    (line,) = (line for line in result.stderr.splitlines() if line and not line.startswith(("Usage:", "Try '")))
    assert line.startswith("Error: ")
    assert message in line
    assert not (tmp_path / "out").exists()
    torch.set_num_threads(before)
