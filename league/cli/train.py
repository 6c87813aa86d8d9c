"""`league train`: one team, outside of a league."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agents.teams.registry import ALGORITHMS
from league.api import seconds
from league.cli.options import AS_JSON, print_json
from league.text import amount, duration

if TYPE_CHECKING:
    from league.training_teams import Point, Summary

ROOT = Path("trained")


@click.command(epilog="Algorithms: " + "; ".join(f"{name}: {each.description}" for name, each in ALGORITHMS.items()))
@click.argument("algorithm")
@click.argument("arena")
@click.option("--steps", type=click.IntRange(min=1), default=2_000_000, show_default=True, help="Environment steps.")
@click.option("--for", "limit", metavar="TIME", help="Train for so long at most: 90s, 10m, 2h.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all randomness.")
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="How many, from --seed on.")
@click.option("--environments", type=click.IntRange(min=1), help="Run in lockstep (default: the preset's, or 16).")
@click.option("--preset", help="A published recipe to begin from (default: the algorithm's first).")
@click.option("--set", "assignments", metavar="KEY=VALUE", multiple=True, help="A setting; arena.KEY is the arena's.")
@click.option("--every", type=click.IntRange(min=1), default=50_000, show_default=True, help="Steps to an evaluation.")
@click.option("--episodes", type=click.IntRange(min=1), default=100, show_default=True, help="Of an evaluation.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Of torch.")
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), help="Folder (default: trained/...).")
@AS_JSON
def train(
    algorithm: str,
    arena: str,
    steps: int,
    limit: str | None,
    seed: int,
    seeds: int,
    environments: int | None,
    preset: str | None,
    assignments: tuple[str, ...],
    every: int,
    episodes: int,
    threads: int,
    output: Path | None,
    as_json: bool,
) -> None:
    """Train one team with ALGORITHM in ARENA, outside of a league.

    Greedy test episodes are played at fixed intervals; a line is printed for each. The folder gets the evaluations, the
    training's figures and a checkpoint an evaluation.
    """
    longest = None if limit is None else seconds(limit)
    import torch  # late: a command line that is wrong is told at once

    from league.training_teams import check_folder, plan, train_seeds

    torch.set_num_threads(threads)
    planned = plan(
        algorithm, arena, assignments=assignments, preset=preset, steps=steps, duration=longest,
        environments=environments, every=every, episodes=episodes,
    )  # fmt: skip
    folder = output or ROOT / f"{algorithm}-{arena.replace('/', '-').replace(':', '-')}-{seed}"
    check_folder(folder)
    if not as_json:
        click.echo(f"{'seed':>5}{'steps':>9}{'updates':>9}{'time':>8}{'return':>10}{'per agent':>11}{'published':>11}")
    trainings, summary = train_seeds(
        planned, folder, range(seed, seed + seeds), (lambda seed, point: None) if as_json else _line
    )
    if as_json:
        print_json(
            {
                "folder": str(folder),
                "summary": summary.model_dump(mode="json"),
                "trainings": [training.model_dump(mode="json") for training in trainings],
            }
        )
        return
    _tell(summary)
    last = trainings[-1].evaluations[-1]
    click.echo(f"{folder}: evaluations, figures and checkpoints, the last {last.checkpoint[:12]}")


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
