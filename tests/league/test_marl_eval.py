"""Trainings in marl-eval's JSON: the structure that its README documents, and what its own check says of it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from league.cli import main
from league.errors import InputError
from league.marl_eval import ABSOLUTE, document
from league.trained import read_trainings

QUICK = "--steps 400 --every 200 --episodes 4 --environments 4 --set network.hidden=[8] --set batch=4"


def call(words: str) -> Result:
    return CliRunner().invoke(main, words.split())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two algorithms of two seeds in two tasks of an arena, and what does not fit them."""
    root = tmp_path_factory.mktemp("trained")
    for algorithm in ("vdn", "iql"):
        for agents in (2, 3):
            done = call(
                f"train {algorithm} spread {QUICK} --set arena.N={agents} --seeds 2 -o {root}/{algorithm}-{agents}"
            )
            assert done.exit_code == 0, done.output
    assert call(f"train vdn spread {QUICK} --set arena.N=2 -o {root}/alone").exit_code == 0
    assert call(f"train vdn spread {QUICK} --every 400 --set arena.N=2 --seeds 2 -o {root}/seldom").exit_code == 0
    assert call(f"train vdn spread {QUICK} -o {root}/published").exit_code == 0
    more = f"train vdn spread {QUICK} --set learning_rate=0.1 --set arena.N=2 --seeds 2 -o {root}/quick"
    assert call(more).exit_code == 0
    return root


def folders(root: Path, *names: str) -> list[Path]:
    return [root / name for name in names]


ALL = ("vdn-2", "vdn-3", "iql-2", "iql-3")


def test_the_structure_is_the_documented_one(trained: Path) -> None:
    found = document(folders(trained, *ALL))
    assert list(found) == ["spread"]
    assert set(found["spread"]) == {"spread n=2", "spread n=3"}
    for task, algorithms in found["spread"].items():
        assert set(algorithms) == {"vdn", "iql"}
        for name, runs in algorithms.items():
            assert list(runs) == ["run_1", "run_2"]
            source = read_trainings(trained / f"{name}-{task[-1]}")
            for run, training in zip(runs.values(), source.values(), strict=True):
                assert list(run) == ["step_0", "step_1", "step_2", "absolute_metrics"]
                for number, point in enumerate(training.evaluations):
                    step = run[f"step_{number}"]
                    assert step["step_count"] == point.steps
                    assert step["return_sum"] == [point.return_sum]
                    assert step["return_per_agent"] == pytest.approx([point.return_per_agent])
                    assert "return_published" not in step, "two agents are not the paper's task"
                absolute = run["absolute_metrics"]
                assert set(absolute) == set(step) - {"step_count"}
                assert all(len(values) == ABSOLUTE * 4 for values in absolute.values())
                assert len(set(absolute["return_sum"])) == ABSOLUTE * 4, "no episode is played twice"
                of_evaluation = sum(absolute["return_sum"][:4]) / 4
                assert of_evaluation != pytest.approx(training.best.return_sum), "these were in no evaluation"


def test_the_published_scale_is_there_where_all_tasks_have_it(trained: Path) -> None:
    (run,) = document(folders(trained, "published"))["spread"]["spread"]["vdn"].values()
    for step in run.values():
        assert step["return_published"] == pytest.approx([2 * value - 75 for value in step["return_sum"]])


def test_its_own_check_and_its_pipeline_take_it(trained: Path, tmp_path: Path) -> None:
    """Runs where the package is; it is no dependency (PYTHONPATH with `pip install --target` will do)."""
    if importlib.util.find_spec("marl_eval") is None:
        pytest.skip("marl-eval is not installed")
    check = importlib.import_module("marl_eval.utils.diagnose_data_errors")
    tools = importlib.import_module("marl_eval.utils.data_processing_utils")
    path = tmp_path / "out.json"
    words = " ".join(str(trained / name) for name in ALL)
    done = call(f"export trainings {words} --format marl-eval -o {path}")
    assert done.exit_code == 0, done.output
    raw: dict[str, Any] = json.loads(path.read_text())
    assert check.DiagnoseData(raw).check_data()["spread"] == {"valid_algorithms": True, "valid_algorithm_names": True,
                                                             "valid_runs": True, "valid_steps": True,
                                                             "valid_metrics": True}  # fmt: skip
    processed = tools.data_process_pipeline(raw, ["return_sum"])
    metrics, _ = tools.create_matrices_for_rliable(processed, "spread", ["return_sum"])
    assert metrics["mean_norm_return_sum"]["vdn"].shape == (2, 2)


def test_what_marl_eval_cannot_compare_is_told(trained: Path) -> None:
    for names, message in (
        (("vdn-2", "vdn-2"), None),
        (("vdn-2", "alone"), "are both of seed 0: leave one out"),
        (("iql-2", "alone"), "iql in spread n=2 has 2 seeds|vdn in spread n=2 has 1 seeds"),
        (("iql-2", "seldom"), "has 3 evaluations and .* 2: marl-eval compares runs that were evaluated as often"),
        (("vdn-2", "vdn-3", "iql-2"), "iql is in one of the tasks"),
        (("vdn-2", "quick"), "trainings of vdn with preset epymarl and different settings"),
    ):
        if message is None:
            assert document(folders(trained, *names)) == document(folders(trained, names[0]))
            continue
        with pytest.raises(InputError, match=message):
            document(folders(trained, *names))


def test_on_the_command_line(trained: Path) -> None:
    done = call(f"export trainings {trained / 'alone'} --format marl-eval")
    assert done.exit_code == 0, done.output
    assert set(json.loads(done.stdout)["spread"]["spread n=2"]["vdn"]) == {"run_1"}
    assert done.stderr.startswith("spread spread n=2 vdn run_1: ")
    for words in (f"{trained / 'alone'}", "--format marl-eval", f"{trained / 'alone'} --format csv"):
        refused = call(f"export trainings {words}")
        assert refused.exit_code == 2
        assert "league export trainings FOLDER... --format marl-eval" in refused.stderr
    assert call(f"export leaderboard {trained}").exit_code == 2
    assert call(f"export trainings {trained / 'metrics'} --format marl-eval").exit_code == 2
