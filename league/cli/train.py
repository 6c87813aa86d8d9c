"""`league train`: one team, outside of a league."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from agents.teams.registry import ALGORITHMS
from league.access import opened
from league.api import seconds
from league.cli.options import AS_JSON, RUNS_DIR, find_run, print_json, whole
from league.errors import InputError
from league.text import amount, duration

if TYPE_CHECKING:
    from league.runs import RunFolder
    from league.submission import Submission
    from league.trained import Point, Summary
    from league.training_teams import Plan

ROOT = Path("trained")
PLANNED = ("algorithm", "arena", "preset", "environments", "every", "episodes", "threads", "steps")
"""Options that are a field of the plan as they stand."""


@click.command(epilog="Algorithms: " + "; ".join(f"{name}: {each.description}" for name, each in ALGORITHMS.items()))
@click.argument("algorithm", required=False)
@click.argument("arena", required=False)
@click.option("--steps", type=whole(), default=2_000_000, show_default=True, help="Environment steps.")
@click.option("--for", "limit", metavar="TIME", help="Train for so long at most: 90s, 10m, 2h.")
@click.option("--seed", type=whole(0), default=0, show_default=True, help="Of all randomness.")
@click.option("--seeds", type=whole(1, 1000), default=1, show_default=True, help="How many, from --seed on.")
@click.option("--environments", type=whole(1, 65_536), help="Run in lockstep (default: the preset's, or 16).")
@click.option("--preset", help="A published recipe to begin from (default: the algorithm's first).")
@click.option("--set", "assignments", metavar="KEY=VALUE", multiple=True, help="A setting; arena.KEY is the arena's.")
@click.option("--every", type=whole(), default=50_000, show_default=True, help="Steps to an evaluation.")
@click.option("--episodes", type=whole(1, 100_000), default=100, show_default=True, help="Of an evaluation.")
@click.option("--threads", type=whole(1, 1024), default=1, show_default=True, help="Of torch.")
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), help="Folder (default: trained/...).")
@click.option(
    "--resume",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Go on with the training in FOLDER, as it was planned; --steps and --for may be new limits.",
)
@click.option("--submit", "run", metavar="RUN", help="Enter the best checkpoint into this run at the end.")
@click.option("--name", help="Under which it is entered with --submit (default: the algorithm).")
@RUNS_DIR
@AS_JSON
@click.pass_context
def train(
    ctx: click.Context,
    /,
    algorithm: str | None,
    arena: str | None,
    output: Path | None,
    resume: Path | None,
    run: str | None,
    name: str | None,
    runs_dir: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Train one team with ALGORITHM in ARENA, outside of a league.

    Greedy test episodes are played at fixed intervals; a line is printed for each. The folder gets the evaluations, the
    training's figures, a checkpoint an evaluation, and the state from which --resume goes on.
    """
    if name is not None and run is None:
        raise click.UsageError("--name is of the player that --submit enters into a run")
    given = {"algorithm": algorithm, "arena": arena, **options}
    if resume is None:
        planned, folder = _begin(given, output)
    elif output is not None:
        raise click.UsageError("--resume goes on in the folder that it names: leave -o out")
    else:
        chosen = {name for name in given if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT}
        planned, folder = _resume(resume, {name: given[name] for name in chosen if given[name] is not None}), resume
    entered = None if run is None else _run(run, runs_dir, planned)
    from league.interrupts import StopAtOnceError
    from league.training_seeds import train_seeds

    if not as_json:
        click.echo(f"{'seed':>5}{'steps':>9}{'updates':>9}{'time':>8}{'return':>10}{'per agent':>11}{'published':>11}")
    try:
        trainings, summary = train_seeds(planned, folder, (lambda seed, point: None) if as_json else _line)
    except StopAtOnceError as error:
        raise KeyboardInterrupt from error
    name = name or planned.algorithm
    done = None if entered is None else _submit(entered, folder, name)
    if as_json:
        told = {
            "folder": str(folder),
            "summary": summary.model_dump(mode="json"),
            "trainings": [training.model_dump(mode="json") for training in trainings],
        }
        print_json(told if done is None else {**told, "player": done.player.model_dump(mode="json")})
        return
    _tell(summary)
    last = trainings[-1].evaluations[-1]
    click.echo(f"{folder}: evaluations, figures and checkpoints, the last {last.checkpoint[:12]}")
    if done is None or entered is None:
        click.echo(f"its best enters a run by: league submit {folder} --name {name} --run RUN")
    elif done.entered:
        click.echo(f"its best is entered into run {entered.name} as {done.player.name}")
    else:
        click.echo(f"its best is in run {entered.name} already, as {done.player.name}")


def _run(name: str, runs_dir: Path | None, planned: Plan) -> RunFolder:
    """The run that is to be entered, where what is trained can play."""
    import arenas
    from league.submission import run_arena

    run = find_run(name, runs_dir)
    with closing(run_arena(run)) as theirs, closing(arenas.make(planned.arena, **planned.arena_options)) as ours:
        facts = [(spec.name, spec.teams, spec.observation_shape, spec.num_actions) for spec in (theirs.spec, ours.spec)]
    if facts[0] != facts[1]:
        there, here = (
            f"{arena} with teams of {', '.join(str(len(team)) for team in teams)}" for arena, teams, *_ in facts
        )
        raise InputError(f"--submit {name}: that run plays {there}, and what is trained {here}")
    return run


def _submit(run: RunFolder, folder: Path, name: str) -> Submission:
    """Enter the best checkpoint of a training into a run."""
    from league.submission import submit

    with opened(run) as matchmaker:
        return submit(run, matchmaker, folder, name)


def _begin(given: dict[str, Any], output: Path | None) -> tuple[Plan, Path]:
    """The plan of a new training, and its folder."""
    algorithm, arena, first = given["algorithm"], given["arena"], given["seed"]
    if arena is None:
        raise click.UsageError(f"Missing argument '{'ALGORITHM' if algorithm is None else 'ARENA'}'.")
    longest = None if given["limit"] is None else seconds(given["limit"])
    from league.training_teams import check_folder, plan  # late: a command line that is wrong is told at once

    planned = plan(
        algorithm, arena, assignments=given["assignments"], preset=given["preset"], steps=given["steps"],
        duration=longest, environments=given["environments"], every=given["every"], episodes=given["episodes"],
        seeds=range(first, first + given["seeds"]), threads=given["threads"],
    )  # fmt: skip
    folder = output or ROOT / f"{algorithm}-{arena.replace('/', '-').replace(':', '-')}-{first}"
    check_folder(folder)
    return planned, folder


def _resume(folder: Path, given: dict[str, Any]) -> Plan:
    """The plan with which the training in a folder goes on."""
    asked = {name: given[name] for name in PLANNED if name in given}
    if "limit" in given:
        asked["duration"] = seconds(given["limit"])
    from league.training_teams import read_plan, resumed_plan

    if "seed" in given or "seeds" in given:
        seeds = read_plan(folder).seeds
        first = given.get("seed", seeds[0])
        asked["seeds"] = tuple(range(first, first + given.get("seeds", len(seeds))))
    return resumed_plan(folder, asked, given.get("assignments", ()))


def _line(seed: int, point: Point) -> None:
    published = "" if point.return_published is None else f"{point.return_published:.2f}"
    click.echo(
        f"{seed:>5}{amount(point.steps):>9}{amount(point.updates):>9}{duration(point.seconds):>8}"
        f"{point.return_sum:>10.2f}{point.return_per_agent:>11.2f}{published:>11}"
    )


def _tell(summary: Summary) -> None:
    best = summary.best_return_sum
    interval = "" if best.low is None else f" (95 %: {best.low:.2f} to {best.high:.2f}, {best.seeds} seeds)"
    scale = ""
    if summary.best_return_published is not None:
        scale = f"; {summary.best_return_published.mean:.2f} on the scale of {summary.published_scale}"
    click.echo(f"best return of the team, summed over its agents: {best.mean:.2f}{interval}{scale}")
