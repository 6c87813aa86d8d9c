"""Folders of `league train`: what lies in them, and how it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.checkpoint import CheckpointStore
from agents.teams.credit_settings import CreditConfig
from agents.teams.curriculum import Stage
from agents.teams.evaluation import Evaluation, Interval, over_seeds
from league.errors import InputError, StateMismatchError

PLAN, EVALUATIONS, SUMMARY = "plan.json", "evaluations.json", "summary.json"
METRICS, CHECKPOINTS, STATE = "metrics", "checkpoints", "state"
SEED = "seed-"  # begins the name of a seed's folder where there are several


class Point(Evaluation):
    """An evaluation, and the checkpoint of what was evaluated.

    Attributes:
        checkpoint: its name.
        stage_return_sum: as `return_sum`, in the arena of the curriculum's stage where its end waits for a return.
    """

    checkpoint: str
    stage_return_sum: float | None = None


class Written(BaseModel):
    """What every file of a training says.

    Attributes:
        schema_version: `schema` in JSON.
        algorithm: its name.
        arena: the arena's name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)

    schema_version: Literal[1] = Field(default=1, alias="schema")
    algorithm: str
    arena: str


class Setup(Written):
    """What is trained in what, planned or done.

    Attributes:
        preset: the recipe that the algorithm's settings begin from.
        arena_options: the arena's options.
        environments: run in lockstep.
        credit: what is rewarded.
    """

    preset: str
    arena_options: dict[str, Any]
    environments: int
    credit: CreditConfig = CreditConfig()


class Training(Setup):
    """One seed of one algorithm in one arena: what `evaluations.json` holds.

    Attributes:
        settings: of the algorithm, all of them.
        seed: of all randomness.
        stages: of the curriculum that were begun; empty without one.
        hardware: what it ran on, and with how many threads.
        evaluations: in the order of their steps; the last is of the policy as it ended.
    """

    settings: dict[str, Any]
    seed: int
    hardware: str
    stages: tuple[Stage, ...] = ()
    evaluations: tuple[Point, ...] = ()

    @property
    def best(self) -> Point:
        """The evaluation of the highest return: what EPyMARL's tables report of a seed."""
        return max(self.evaluations, key=lambda point: point.return_sum)


class Summary(Written):
    """All seeds together: what `summary.json` holds; each figure is the mean over seeds with its 95 % interval.

    Attributes:
        seeds: which.
        best_return_sum: the maximum over a seed's evaluations; the sum over the team's agents.
        final_return_sum: the last evaluation.
        best_return_published: as `best_return_sum`, on the published scale.
        published_scale: whose that is.
    """

    seeds: tuple[int, ...]
    best_return_sum: Interval
    final_return_sum: Interval
    best_return_published: Interval | None
    published_scale: str | None


def summarise(trainings: list[Training]) -> Summary:
    """The intervals over seeds."""
    best = [training.best for training in trainings]
    published = [point.return_published for point in best if point.return_published is not None]
    return Summary(
        algorithm=trainings[0].algorithm,
        arena=trainings[0].arena,
        seeds=tuple(training.seed for training in trainings),
        best_return_sum=over_seeds([point.return_sum for point in best]),
        final_return_sum=over_seeds([training.evaluations[-1].return_sum for training in trainings]),
        best_return_published=over_seeds(published) if published else None,
        published_scale=best[0].published_scale,
    )


def is_trained(path: Path) -> bool:
    """Whether a path is the folder of a training, of one seed or of several."""
    return bool(_seeds(path))


def read_trainings(folder: Path) -> dict[Path, Training]:
    """The trainings in a folder, one a seed, by the folder of each.

    Raises:
        InputError: there is none, or one has not been evaluated yet.
        StateMismatchError: a file is damaged or of another version.
    """
    found = {path: read_training(path) for path in _seeds(folder)}
    if not found:
        raise InputError(f"{folder} is no folder of `league train`: there is no {EVALUATIONS} in it")
    for path, training in found.items():
        if not training.evaluations:
            raise InputError(f"{path} has not been evaluated yet")
    return found


def read_training(folder: Path) -> Training:
    """The training of one seed.

    Raises:
        StateMismatchError: its file is damaged or of another version.
    """
    path = folder / EVALUATIONS
    try:
        return Training.model_validate_json(path.read_text(encoding="utf-8"))
    except ValueError as error:  # of its JSON, its text or its fields
        raise StateMismatchError(f"{path}: {first_problem(error)}") from error


def first_problem(error: ValueError) -> str:
    """What is wrong with a file, in one line."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]


def best_checkpoint(folder: Path) -> Path:
    """The checkpoint of the highest return among all evaluations of all seeds.

    Raises:
        InputError, StateMismatchError: see `read_trainings`.
    """
    points = [(training.best, path) for path, training in read_trainings(folder).items()]
    best, path = max(points, key=lambda found: found[0].return_sum)
    return CheckpointStore(path / CHECKPOINTS).path(best.checkpoint)


def as_checkpoint(path: Path) -> Path:
    """What stands for a path as a player: the best checkpoint of a training's folder, else the path itself."""
    return best_checkpoint(path) if is_trained(path) else path


def _seeds(folder: Path) -> list[Path]:
    if (folder / EVALUATIONS).is_file():
        return [folder]
    seeds = [path.parent for path in folder.glob(f"{SEED}*/{EVALUATIONS}")]
    return sorted(seeds, key=lambda path: (len(path.name), path.name))
