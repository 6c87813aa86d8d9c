"""`league train`: a team trained outside of a league, evaluated at fixed intervals, and written down as it goes."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.checkpoint import CheckpointStore
from agents.teams import registry
from agents.teams.core import TeamLearner
from agents.teams.evaluation import Evaluation, Interval, evaluate, over_seeds
from agents.teams.policy import save_team
from arenas.core import Arena, Turns
from arenas.registry import NATIVE
from arenas.registry import make as make_arena
from league.config import Table
from league.errors import ConfigError, InputError, RunError, suggestion
from league.files import replace_text
from league.metrics import MetricsWriter
from league.settings import Layer, explain, merge, set_layer

EVALUATIONS, METRICS, CHECKPOINTS, SUMMARY = "evaluations.json", "metrics", "checkpoints", "summary.json"
ARENA_KEY = "arena"
"""`--set arena.KEY=VALUE` is an option of the arena; every other key is one of the algorithm's."""
ENVIRONMENTS = 16
"""Run in lockstep where neither the caller nor the algorithm's settings name a number."""

Report = Callable[[int, "Point"], None]
"""Is told the seed and each evaluation as soon as it is made."""


class Point(Evaluation):
    """An evaluation, and the checkpoint of what was evaluated."""

    checkpoint: str


class Training(BaseModel):
    """One seed of one algorithm in one arena: what `evaluations.json` holds.

    Attributes:
        schema_version: `schema` in JSON.
        algorithm: its name.
        preset: the recipe whose settings it began from.
        arena: the arena's name.
        arena_options: its options.
        settings: of the algorithm, all of them.
        seed: of all randomness.
        environments: run in lockstep.
        hardware: what it ran on, and with how many threads.
        evaluations: in the order of their steps; the last is of the policy as it ended.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)

    schema_version: Literal[1] = Field(default=1, alias="schema")
    algorithm: str
    preset: str
    arena: str
    arena_options: dict[str, Any]
    settings: dict[str, Any]
    seed: int
    environments: int
    hardware: str
    evaluations: tuple[Point, ...] = ()

    @property
    def best(self) -> Point:
        """The evaluation of the highest return: what EPyMARL's tables report of a seed."""
        return max(self.evaluations, key=lambda point: point.return_sum)


class Summary(BaseModel):
    """All seeds together: what `summary.json` holds; each figure is the mean over seeds with its 95 % interval.

    Attributes:
        schema_version: `schema` in JSON.
        algorithm: its name.
        arena: the arena's name.
        seeds: which.
        best_return_sum: the maximum over a seed's evaluations; the sum over the team's agents.
        final_return_sum: the last evaluation.
        best_return_published: as `best_return_sum`, on the published scale.
        published_scale: whose that is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)

    schema_version: Literal[1] = Field(default=1, alias="schema")
    algorithm: str
    arena: str
    seeds: tuple[int, ...]
    best_return_sum: Interval
    final_return_sum: Interval
    best_return_published: Interval | None
    published_scale: str | None


class Plan(BaseModel):
    """What is to be trained, checked.

    Attributes:
        algorithm: its name.
        preset: the recipe that its settings begin from.
        arena: the arena's name.
        arena_options: its options.
        config: the algorithm's settings.
        steps: environment steps after which a seed ends.
        duration: seconds of training after which a seed ends; None for no limit.
        environments: run in lockstep.
        every: environment steps between evaluations.
        episodes: of one evaluation.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    algorithm: str
    preset: str
    arena: str
    arena_options: dict[str, Any]
    config: BaseModel
    steps: int
    duration: float | None
    environments: int
    every: int
    episodes: int


def plan(
    algorithm: str,
    arena: str,
    *,
    assignments: Sequence[str] = (),
    preset: str | None = None,
    steps: int = 2_000_000,
    duration: float | None = None,
    environments: int | None = None,
    every: int = 50_000,
    episodes: int = 100,
) -> Plan:
    """Check what was asked for, all of it before anything is written.

    Args:
        algorithm: one of `agents.teams.registry.names()`.
        arena: an arena of one team.
        assignments: `KEY=VALUE` as `--set` takes them.
        preset: of the algorithm; the first unless given.
        steps: see `Plan`.
        duration: see `Plan`.
        environments: see `Plan`; as many as the settings name, or 16, unless given.
        every: see `Plan`.
        episodes: see `Plan`.

    Raises:
        InputError: a name, a key or a value is wrong; the message says what would be right.
    """
    if algorithm not in registry.names():
        raise InputError(f"no algorithm {algorithm!r}; {suggestion(algorithm, registry.names())}")
    found = registry.find(algorithm)
    chosen = next(iter(found.presets), "default") if preset is None else preset
    if preset is not None and preset not in found.presets:
        raise InputError(f"{algorithm} has no preset {preset!r}; {suggestion(preset, found.presets)}")
    layers = [Layer(f"preset {chosen}", dict(found.presets.get(chosen, {})))]
    layers += [set_layer(assignment) for assignment in assignments]
    merged: Table = {}
    for layer in layers:
        merged = merge(merged, layer.table)
    options = merged.pop(ARENA_KEY, {})
    if not isinstance(options, dict):
        raise ConfigError(f"--set {ARENA_KEY}={options}: options of the arena are set one by one, as {ARENA_KEY}.N=3")
    try:
        config = found.settings().model_validate(merged)
    except ValidationError as error:
        raise ConfigError(explain(error.errors()[0], layers, found.settings())) from error
    if environments is None:  # a recipe may be made for a number of them, as MAPPO's are
        environments = dict(config).get("environments", ENVIRONMENTS)
    checked = Plan(
        algorithm=algorithm, preset=chosen, arena=arena, arena_options=options, config=config, steps=steps,
        duration=duration, environments=environments, every=every, episodes=episodes,
    )  # fmt: skip
    _make(checked, make_arena(arena, **options), 0)
    return checked


def _make(plan: Plan, arena: Arena, seed: int) -> TeamLearner:
    """The learner, or what would fit the arena, or which arena the algorithm."""
    spec = arena.spec
    if spec.turns is not Turns.SIMULTANEOUS or len(spec.teams) != 1:
        why = "its agents move in turns" if spec.turns is not Turns.SIMULTANEOUS else f"it has {len(spec.teams)} teams"
        raise InputError(
            f"{plan.algorithm} cannot train in {spec.name}: {why}, and `league train` takes arenas of one team whose "
            f"agents move together: {', '.join(team_arenas())}; `league start {plan.arena}` trains a league in it"
        )
    return registry.make(plan.algorithm, arena, plan.config, environments=plan.environments, seed=seed)


def team_arenas() -> list[str]:
    """The native arenas of one team whose agents move together."""
    specs = {name: make_arena(name).spec for name in NATIVE}
    return [name for name, spec in specs.items() if spec.turns is Turns.SIMULTANEOUS and len(spec.teams) == 1]


def check_folder(folder: Path) -> None:
    """Make sure that no other training is overwritten.

    Raises:
        RunError: the folder holds something.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder} is not an empty folder: name another one with -o, or delete it first")


def train_seeds(plan: Plan, folder: Path, seeds: Sequence[int], report: Report) -> tuple[list[Training], Summary]:
    """Train one seed after the other; with several, each has a folder `seed-S` of its own.

    Args:
        plan: what to train.
        folder: where everything is written (see `check_folder`).
        seeds: which.
        report: is told each evaluation.
    """
    several = len(seeds) > 1
    trainings = [train_seed(plan, folder / f"seed-{seed}" if several else folder, seed, report) for seed in seeds]
    summary = summarise(trainings)
    replace_text(folder / SUMMARY, summary.model_dump_json(indent=2) + "\n")
    return trainings, summary


def train_seed(plan: Plan, folder: Path, seed: int, report: Report) -> Training:
    """Train one seed to its end, evaluating at the start, at every interval and at the end."""
    arena = make_arena(plan.arena, **plan.arena_options)
    learner = _make(plan, arena, seed)
    store = CheckpointStore(folder / CHECKPOINTS)
    training = Training(
        algorithm=plan.algorithm, preset=plan.preset, arena=plan.arena, arena_options=plan.arena_options,
        settings=plan.config.model_dump(mode="json"), seed=seed, environments=plan.environments, hardware=hardware(),
    )  # fmt: skip
    seconds, next_evaluation = 0.0, 0
    recent: list[Mapping[str, float]] = []
    try:
        with MetricsWriter(folder / METRICS, "train", tensorboard=False) as metrics:
            while True:
                over = learner.environment_steps >= plan.steps or (
                    plan.duration is not None and seconds >= plan.duration
                )
                if over or learner.environment_steps >= next_evaluation:
                    point = _evaluated(plan, learner, store, seed, seconds)
                    training = training.model_copy(update={"evaluations": (*training.evaluations, point)})
                    replace_text(folder / EVALUATIONS, training.model_dump_json(indent=2) + "\n")
                    metrics.write(plan.algorithm, learner.environment_steps, _means(recent) | _figures(point))
                    recent.clear()
                    report(seed, point)
                    next_evaluation += plan.every * (1 + (learner.environment_steps - next_evaluation) // plan.every)
                if over:
                    return training
                begun = time.perf_counter()
                recent.append(learner.train_step())
                seconds += time.perf_counter() - begun
    finally:
        arena.close()


def _evaluated(plan: Plan, learner: TeamLearner, store: CheckpointStore, seed: int, seconds: float) -> Point:
    policy, steps = learner.policy(), learner.environment_steps
    found = evaluate(learner.setup, policy, plan.episodes, seed, steps=steps, updates=learner.updates, seconds=seconds)
    sha = save_team(store, policy, steps, created_by=f"league-selfplay {version('league-selfplay')}")
    return Point(**found.model_dump(), checkpoint=sha)


def _means(recent: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Each figure's mean over the training steps that gave it."""
    names = dict.fromkeys(name for figures in recent for name in figures)
    given = {name: [figures[name] for figures in recent if name in figures] for name in names}
    return {f"train/{name}": sum(values) / len(values) for name, values in given.items()}


def _figures(point: Point) -> dict[str, float]:
    names = ("return_sum", "return_per_agent", "return_published", "return_deviation", "length", "seconds", "updates")
    values = {name: getattr(point, name) for name in names}
    return {f"test/{name}": float(value) for name, value in values.items() if value is not None}


def summarise(trainings: Sequence[Training]) -> Summary:
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


def hardware() -> str:
    """The processor and how many threads of it torch uses."""
    return f"{platform.machine()}, {torch.get_num_threads()} thread{'s' if torch.get_num_threads() > 1 else ''}"
