"""`league train --resume`: it ends in the bits in which one ends that was never interrupted."""

from __future__ import annotations

import itertools
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

from agents.state_store import StateStore
from league.cli import main
from league.files import replace_text
from league.trained import EVALUATIONS, STATE, Point, Training, read_training
from league.training_seeds import SeedTraining
from league.training_teams import Plan, plan

Q_LEARNING = ["batch=4", "network.hidden=[8]", "updates_per_episode=0.5", "buffer=20"]
ACTOR_CRITIC = ["actor_network.hidden=[8]", "critic_network.hidden=[8]"]
ALGORITHMS = {
    "qmix": [*Q_LEARNING, "network.memory=4"],
    "mappo": [*ACTOR_CRITIC, "epochs=2"],
    "coma": ACTOR_CRITIC,
    "maddpg": [*ACTOR_CRITIC, "batch=4", "buffer=20"],
}


def nobody(seed: int, point: Point) -> None:
    """Tell nobody of an evaluation."""


def small(algorithm: str = "qmix", steps: int = 1500) -> Plan:
    return plan(
        algorithm, "spread", steps=steps, every=500, episodes=3, environments=4, assignments=ALGORITHMS[algorithm]
    )


def run(planned: Plan, folder: Path, asked: Callable[[], bool] = lambda: False) -> Training:
    with SeedTraining(planned, folder, 0) as training:
        training.run(nobody, asked)
        return training.record


def after(steps: int) -> Callable[[], bool]:
    """Asks to stop after so many training steps."""
    counter = itertools.count()
    return lambda: next(counter) >= steps


def assert_same(folder: Path, other: Path) -> None:
    """The same evaluations, figures and state, but for the time that they took."""
    first, second = (read_training(each) for each in (folder, other))
    timeless = {"seconds": 0.0}
    assert [p.model_copy(update=timeless) for p in first.evaluations] == [
        p.model_copy(update=timeless) for p in second.evaluations
    ]
    curves = [
        [json.loads(line) for line in (each / "metrics" / "train.jsonl").read_text().splitlines()]
        for each in (folder, other)
    ]
    for line in itertools.chain(*curves):
        assert line.pop("time") > 0
        assert line.pop("test/seconds") >= 0
    assert curves[0] == curves[1]
    states = [StateStore(each / STATE).load() for each in (folder, other)]
    assert states[0] is not None and states[1] is not None
    assert states[0].tensors.keys() == states[1].tensors.keys()
    assert all(torch.equal(tensor, states[1].tensors[name]) for name, tensor in states[0].tensors.items())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_one_that_was_interrupted_ends_in_the_same_bits(algorithm: str, tmp_path: Path) -> None:
    planned = small(algorithm)
    run(planned, tmp_path / "whole")
    for steps in (0, 3, 4, 100):  # at the start, between two evaluations, once more, and to its end
        record = run(planned, tmp_path / "parts", after(steps))
    assert record.evaluations[-1].steps == 1500
    assert_same(tmp_path / "whole", tmp_path / "parts")
    assert len(list((tmp_path / "parts" / STATE).glob("*.safetensors"))) == 1, "one state is kept"


class KilledError(BaseException):
    """Nobody catches it."""


@pytest.mark.parametrize(("place", "written"), [("replace_text", 2), ("StateStore.save", 3)])
def test_what_was_written_after_the_last_saved_state_is_taken_back(
    place: str, written: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the third evaluation, before anything of it or all but the state was written."""
    planned = small()
    run(planned, tmp_path / "whole")
    original: Callable[..., Any] = replace_text if place == "replace_text" else StateStore.save
    calls = itertools.count(1)

    def killed(*words: Any) -> Any:
        if next(calls) == 3:
            raise KilledError
        return original(*words)

    with monkeypatch.context() as patched:
        patched.setattr(f"league.training_seeds.{place}", killed)
        with pytest.raises(KilledError):
            run(planned, tmp_path / "parts")
    assert len(read_training(tmp_path / "parts").evaluations) == written
    run(planned, tmp_path / "parts")
    assert_same(tmp_path / "whole", tmp_path / "parts")


def test_one_that_never_saved_a_state_begins_anew(tmp_path: Path) -> None:
    run(small(), tmp_path / "whole")
    (tmp_path / "parts" / "metrics").mkdir(parents=True)
    (tmp_path / "parts" / "metrics" / "train.jsonl").write_text('{"left": "over"}\n')
    run(small(), tmp_path / "parts")
    assert_same(tmp_path / "whole", tmp_path / "parts")


def call(words: str) -> Result:
    return CliRunner().invoke(main, words.split())


QUICK = "train vdn spread --steps 800 --every 400 --episodes 3 --environments 4 --set network.hidden=[8] --set batch=4"


def test_ctrl_c_and_resume_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert call(f"{QUICK} --seeds 2 -o {whole}").exit_code == 0

    def interrupt(seed: int, point: Point) -> None:
        if seed == 1:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr("league.cli.train._line", interrupt)
        result = call(f"{QUICK} --seeds 2 -o {parts}")
    assert result.exit_code == 130
    (line,) = result.stderr.splitlines()
    assert f"interrupted at 0 steps of seed 1; everything is saved, `league train --resume {parts}` goes on" in line
    result = call(f"train --resume {parts}")
    assert result.exit_code == 0, result.output
    assert [line.split()[:2] for line in result.output.splitlines()[1:3]] == [["1", "400"], ["1", "800"]]
    for seed in ("seed-0", "seed-1"):
        assert_same(whole / seed, parts / seed)
    assert (whole / "summary.json").read_text() == (parts / "summary.json").read_text()


def test_new_limits_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    assert call(f"{QUICK} -o {folder}").exit_code == 0
    assert call(f"train --resume {folder} --steps 1200").exit_code == 0
    assert call(f"{QUICK} --steps 1200 -o {tmp_path / 'whole'}").exit_code == 0
    assert_same(tmp_path / "whole", folder)
    again = call(f"{QUICK} --steps 1200 --resume {folder}")  # the same words, and nothing left to do
    assert again.exit_code == 0, again.output
    for words, message in {
        "qmix": "was planned with algorithm vdn, not qmix: a training goes on as it began",
        "vdn foraging": "was planned with arena spread, not foraging",
        "--seed 4": "was planned with seeds 0, not 4",
        "--seeds 2": "was planned with seeds 0, not 0, 1",
        "--environments 8": "was planned with environments 4, not 8",
        "--set learning_rate=0.01": "was planned with --set learning_rate 0.0005, not 0.01",
        "--set arena.N=4": "was planned with --set arena.N none, not 4",
        "--set lerning_rate=1": "unknown key 'lerning_rate'; did you mean 'learning_rate'?",
        "-o elsewhere": "--resume goes on in the folder that it names: leave -o out",
    }.items():
        result = call(f"train {words} --resume {folder}")
        assert (result.exit_code, message in result.stderr) == (2, True), result.output
    assert f"`league train --resume {folder}` goes on with it" in call(f"{QUICK} -o {folder}").stderr


def test_folders_that_cannot_be_gone_on_with(tmp_path: Path) -> None:
    assert call(f"train --resume {tmp_path}").exit_code == 2
    folder = tmp_path / "out"
    assert call(f"{QUICK} -o {folder}").exit_code == 0
    (state,) = (folder / STATE).glob("*.safetensors")
    state.write_bytes(state.read_bytes()[:-1] + b"?")
    result = call(f"train --resume {folder} --steps 1200")
    assert (result.exit_code, len(result.stderr.splitlines())) == (4, 1)
    (folder / "plan.json").write_text("{}")
    result = call(f"train --resume {folder}")
    assert (result.exit_code, len(result.stderr.splitlines())) == (4, 1)
    assert "plan.json: algorithm: Field required" in result.stderr


def test_evaluations_that_are_older_than_the_state_are_told_of(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    assert call(f"{QUICK} -o {folder}").exit_code == 0
    record = read_training(folder)
    (folder / EVALUATIONS).write_text(
        record.model_copy(update={"evaluations": record.evaluations[:1]}).model_dump_json()
    )
    result = call(f"train --resume {folder} --steps 1200")
    assert (result.exit_code, len(result.stderr.splitlines())) == (4, 1)
