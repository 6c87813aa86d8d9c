"""Trainings as marl-eval's JSON (Gorsane et al. 2022, "Towards a Standardised Performance Evaluation Protocol for
Cooperative MARL"; the structure is that of the README of github.com/instadeepai/marl-eval, version 0.0.4):

    environment -> task -> algorithm -> run -> {"step_0": {"step_count": int, METRIC: [number]}, ...,
                                                "absolute_metrics": {METRIC: [numbers]}}

A step's metric is the mean over its test episodes, in a list of one. The absolute metrics are of the policy of the best
evaluation, over ten times as many episodes that no evaluation has played: they are played here. Returns on a published
scale are told where all tasks of an environment have one, as marl-eval wants the same metrics everywhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import arenas
from agents.durable import SUFFIX
from agents.teams.evaluation import Published, episode_seeds, published_scale
from agents.teams.policy import load_team
from league.errors import InputError
from league.evaluating import play
from league.trained import CHECKPOINTS, Training, read_trainings

ABSOLUTE = 10  # times as many episodes as an evaluation has

Document = dict[str, dict[str, dict[str, dict[str, dict[str, dict[str, Any]]]]]]


def document(folders: Sequence[Path], tell: Callable[[str], None] = lambda line: None) -> Document:
    """The trainings in some folders, every name in lower case, as marl-eval reads them.

    Args:
        folders: of `league train`, each with one seed or several.
        tell: is told of each training whose absolute metrics are about to be played.

    Raises:
        InputError: there is no training, the same one twice, or they cannot be compared: marl-eval wants the same
            algorithms with as many runs in every task of an environment, and as many evaluations in every run.
    """
    found = {path: training for folder in folders for path, training in read_trainings(folder).items()}
    named = _algorithms(list(found.values()))
    groups: dict[tuple[str, str], dict[str, dict[int, Path]]] = defaultdict(lambda: defaultdict(dict))
    for path, training in found.items():
        seeds = groups[training.arena, _task(training)][named[_recipe(training)]]
        if training.seed in seeds:
            raise InputError(f"{seeds[training.seed]} and {path} are both of seed {training.seed}: leave one out")
        seeds[training.seed] = path
    _check_comparable(groups, found)
    unpublished = {each.arena for each in found.values() if each.best.published_scale is None}
    written: Document = {}
    for (environment, task), algorithms in groups.items():
        for algorithm, seeds in algorithms.items():
            runs = written.setdefault(environment, {}).setdefault(task, {}).setdefault(algorithm, {})
            for number, (_, path) in enumerate(sorted(seeds.items()), start=1):
                tell(f"{environment} {task} {algorithm} run_{number}: {path}")
                runs[f"run_{number}"] = _run(path, found[path], environment not in unpublished)
    return written


def _run(folder: Path, training: Training, published: bool) -> dict[str, dict[str, Any]]:
    arena = arenas.make(training.arena, **training.arena_options)
    scale, best = published_scale(arena) if published else None, training.best
    steps: dict[str, dict[str, Any]] = {
        f"step_{number}": {"step_count": point.steps, **_metrics([point.return_sum], arena.spec.num_agents, scale)}
        for number, point in enumerate(training.evaluations)
    }
    policy = load_team(folder / CHECKPOINTS / f"{best.checkpoint}{SUFFIX}", arena)
    seeds = episode_seeds(training.seed, (1 + ABSOLUTE) * best.episodes)[best.episodes :]
    returns, _ = play(arena, [policy], policy.setup.agents, seeds)
    return {**steps, "absolute_metrics": _metrics(returns, arena.spec.num_agents, scale)}


def _metrics(returns: Sequence[float], agents: int, scale: Published | None) -> dict[str, list[float]]:
    """Returns of the team on every scale that there is, under the names of `league train`."""
    metrics = {"return_sum": list(returns), "return_per_agent": [value / agents for value in returns]}
    return metrics if scale is None else {**metrics, "return_published": [scale.convert(value) for value in returns]}


def _task(training: Training) -> str:
    """The arena, and what is not usual of it."""
    options = [f"{key}={value}" for key, value in sorted(training.arena_options.items())]
    return " ".join((training.arena, *options)).lower()


Recipe = tuple[str, str, str]


def _recipe(training: Training) -> Recipe:
    """Algorithm, preset and settings."""
    return training.algorithm, training.preset, repr((sorted(training.settings.items()), training.environments))


def _algorithms(trainings: Sequence[Training]) -> dict[Recipe, str]:
    """A name for each recipe: the algorithm's, with the preset where that alone does not tell recipes apart.

    Raises:
        InputError: the preset does not tell them apart either.
    """
    recipes = dict.fromkeys(_recipe(training) for training in trainings)
    names = {}
    for recipe in recipes:
        algorithm, preset, _ = recipe
        alike = [other for other in recipes if other[0] == algorithm]
        if sum(other[1] == preset for other in alike) > 1:
            raise InputError(
                f"there are trainings of {algorithm} with preset {preset} and different settings: marl-eval takes one "
                "algorithm of a name, so export them apart"
            )
        names[recipe] = (algorithm if len(alike) == 1 else f"{algorithm} {preset}").lower()
    return names


def _check_comparable(
    groups: Mapping[tuple[str, str], Mapping[str, Mapping[int, Path]]], found: Mapping[Path, Training]
) -> None:
    first_path, first = next(iter(found.items()))
    for path, training in found.items():
        if len(training.evaluations) != len(first.evaluations):
            raise InputError(
                f"{first_path} has {len(first.evaluations)} evaluations and {path} {len(training.evaluations)}: "
                "marl-eval compares runs that were evaluated as often"
            )
    for (arena, task), algorithms in groups.items():
        for (other_arena, other_task), others in groups.items():
            if arena == other_arena and set(algorithms) != set(others):
                lacks = ", ".join(sorted(set(algorithms) ^ set(others)))
                raise InputError(
                    f"{lacks} is in one of the tasks {task} and {other_task} only: marl-eval compares the same "
                    "algorithms in all tasks of an environment"
                )
    sizes = {
        f"{algorithm} in {task}": len(seeds) for (_, task), each in groups.items() for algorithm, seeds in each.items()
    }
    fewest, most = min(sizes, key=lambda name: sizes[name]), max(sizes, key=lambda name: sizes[name])
    if sizes[fewest] != sizes[most]:
        raise InputError(
            f"{fewest} has {sizes[fewest]} seeds and {most} {sizes[most]}: marl-eval compares as many runs of each"
        )
