"""What `league train` is to train: checked before anything is written, and written down so that it can be resumed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SerializeAsAny, model_validator

from agents.teams import registry
from agents.teams.core import TeamLearner
from agents.teams.credit import credited
from agents.teams.curriculum import CurriculumConfig, stages
from arenas.core import Arena, ArenaSpec, Turns
from arenas.registry import NATIVE
from arenas.registry import make as make_arena
from league.errors import InputError, RunError, StateMismatchError
from league.files import replace_text
from league.settings import Layer, algorithm_settings, set_layer
from league.trained import PLAN, Setup, first_problem
from league.training_options import (
    ARENA,
    CURRICULUM,
    separate,
    valid_credit,
    valid_curriculum,
)

ENVIRONMENTS = 16
"""Run in lockstep where neither the caller nor the algorithm's settings name a number."""


class Plan(Setup):
    """What is to be trained, checked: what `plan.json` holds.

    Attributes:
        config: the algorithm's settings.
        curriculum: which team sizes come first.
        seeds: which, one after the other.
        steps: environment steps after which a seed ends.
        duration: seconds of training after which a seed ends; None for no limit.
        every: environment steps between evaluations.
        episodes: of one evaluation.
        threads: of torch; another number of them gives other roundings.
    """

    config: SerializeAsAny[BaseModel]
    seeds: tuple[int, ...]
    steps: int
    duration: float | None
    every: int
    episodes: int
    threads: int
    curriculum: CurriculumConfig = CurriculumConfig()

    @model_validator(mode="before")
    @classmethod
    def _own_settings(cls, given: Any) -> Any:
        """Settings that were read are those of the algorithm."""
        if isinstance(given, dict) and isinstance(given.get("config"), dict):
            config = registry.find(str(given.get("algorithm"))).settings().model_validate(given["config"])
            return {**given, "config": config}
        return given


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
    seeds: Sequence[int] = (0,),
    threads: int = 1,
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
        seeds: see `Plan`.
        threads: see `Plan`.

    Raises:
        InputError: a name, a key or a value is wrong; the message says what would be right.
    """
    given = separate([set_layer(assignment) for assignment in assignments])
    credit, curriculum = valid_credit(given.credit), valid_curriculum(given.curriculum)
    chosen, config = algorithm_settings(algorithm, preset, given.settings, credit=credit)
    if environments is None:  # a recipe may be made for a number of them, as MAPPO's are
        environments = dict(config).get("environments", ENVIRONMENTS)
    checked = Plan(
        algorithm=algorithm, preset=chosen, arena=arena, arena_options=given.arena, config=config, steps=steps,
        duration=duration, environments=environments, every=every, episodes=episodes, seeds=tuple(seeds),
        threads=threads, credit=credit, curriculum=curriculum,
    )  # fmt: skip
    with closing(make_arena(arena, **given.arena)) as made:
        make_learner(checked, made, 0)
    return checked


def make_learner(plan: Plan, arena: Arena, seed: int, stage: int = 0) -> TeamLearner:
    """The learner of one seed in a stage of the curriculum; without one the first stage is all there is.

    Raises:
        InputError: the arena is no arena of one team whose agents move together.
        TeamMisfitError: the algorithm, the rewards or the curriculum do not fit the arena.
    """
    spec = arena.spec
    if spec.turns is not Turns.SIMULTANEOUS or len(spec.teams) != 1:
        raise InputError(f"{plan.algorithm} cannot train in {spec.name}: {_why_not(spec)}")
    chosen = stages(arena, plan.curriculum, plan.config)[stage]
    rewarded = credited(chosen, plan.credit, plan.config)
    return registry.make(plan.algorithm, rewarded, plan.config, environments=plan.environments, seed=seed)


def _why_not(spec: ArenaSpec) -> str:
    """What keeps a team from training in an arena, and what would fit."""
    wanted = f"`league train` takes arenas of one team whose agents move together: {', '.join(team_arenas())}"
    instead = f"`league start {spec.name}` trains a league in it"
    if spec.turns is not Turns.SIMULTANEOUS:
        return f"its agents move in turns, and {wanted}; {instead}"
    if not spec.pure:
        together = [list(range(spec.num_agents))]
        return f"it has {len(spec.teams)} teams, and {wanted}; with arena.teams={together} its agents are one team"
    return f"it has {len(spec.teams)} teams, and {wanted}; {instead}"


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
        resumes = f"; `league train --resume {folder}` goes on with it" if (folder / PLAN).is_file() else ""
        raise RunError(f"{folder} is not an empty folder: name another one with -o, or delete it first{resumes}")


def write_plan(plan: Plan, folder: Path) -> None:
    """Write down what is trained in a folder."""
    replace_text(folder / PLAN, plan.model_dump_json(indent=2) + "\n")


def read_plan(folder: Path) -> Plan:
    """What is trained in a folder.

    Raises:
        RunError: nothing is.
        StateMismatchError: its plan is damaged or of another version.
    """
    path = folder / PLAN
    try:
        return Plan.model_validate_json(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RunError(f"{folder} is no folder of `league train`: there is no {PLAN} in it") from error
    except ValueError as error:
        raise StateMismatchError(f"{path}: {first_problem(error)}") from error


FREE = ("steps", "duration")
"""What may change when a training is resumed."""


def resumed_plan(folder: Path, given: Mapping[str, Any], assignments: Sequence[str] = ()) -> Plan:
    """The plan with which the training in a folder goes on.

    Args:
        folder: of the training.
        given: fields of the plan that were asked for anew; only those in `FREE` may differ from what they were.
        assignments: `KEY=VALUE` as `--set` takes them.

    Raises:
        RunError: the folder holds no training, or another one than was asked for; the message says what differs.
        StateMismatchError: its plan is damaged.
    """
    stored = read_plan(folder)
    options = separate([set_layer(assignment) for assignment in assignments])
    held, credit, curriculum = (
        Layer(str(folder / PLAN), each.model_dump(mode="json"))
        for each in (stored.config, stored.credit, stored.curriculum)
    )
    _, config = algorithm_settings(stored.algorithm, stored.preset, [held, *options.settings])
    update = {
        "config": config,
        "arena_options": {**stored.arena_options, **options.arena},
        "credit": valid_credit([credit, *options.credit]),
        "curriculum": valid_curriculum([curriculum, *options.curriculum]),
    }
    asked = {**given, **_settings(stored.model_copy(update=update))}
    was = {**dict(stored), **_settings(stored)}
    for name, value in asked.items():
        if name not in FREE and was.get(name) != value:
            raise RunError(
                f"{folder} was planned with {name} {_shown(was.get(name))}, not {_shown(value)}: a training goes on as "
                "it began, only --steps and --for may be new; leave the others out, or begin another one with -o"
            )
    return stored.model_copy(update={name: given[name] for name in FREE if name in given})


def _settings(plan: Plan) -> dict[str, Any]:
    """Settings of the algorithm and everything else that `--set` sets, each as it has it."""

    def walk(prefix: str, table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        for key, value in table.items():
            if isinstance(value, dict):
                yield from walk(f"{prefix}{key}.", value)
            else:
                yield prefix + key, value

    beside = {ARENA: plan.arena_options, CURRICULUM: plan.curriculum.model_dump(mode="json")}
    settings, credit = plan.config.model_dump(mode="json"), plan.credit.model_dump(mode="json")
    return dict(walk("--set ", {**settings, **credit, **beside}))


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else "none" if value is None else str(value)
