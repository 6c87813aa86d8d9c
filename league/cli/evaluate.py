"""`league evaluate`: greedy test episodes of trained teams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from pydantic import BaseModel

from league.cli.options import AS_JSON, print_json, whole
from league.errors import ConfigError

if TYPE_CHECKING:
    from agents.teams.evaluation import Interval
    from league.evaluating import Environment, Estimate, Measured, Overall

ONLY = "team 0"


@click.command()
@click.argument("player")
@click.option("--episodes", type=whole(1, 100_000), default=400, show_default=True, help="Test episodes.")
@click.option("--seed", type=whole(0), default=0, show_default=True, help="Of the episodes.")
@click.option(
    "--environment",
    "environments",
    type=click.Choice(["native", "mpe2"]),
    multiple=True,
    default=("native",),
    show_default=True,
    help="Our arena, or mpe2's own environment (the extra parity); may be repeated.",
)
@click.option("--arena", metavar="NAME", help="The arena of a scripted player; a checkpoint knows its own.")
@click.option("--set", "assignments", metavar="arena.KEY=VALUE", multiple=True, help="An option of the arena.")
@click.option("--against", metavar="PLAYER", help="Who plays the other teams (default: the player itself).")
@AS_JSON
def evaluate(
    player: str,
    episodes: int,
    seed: int,
    environments: tuple[str, ...],
    arena: str | None,
    assignments: tuple[str, ...],
    against: str | None,
    as_json: bool,
) -> None:
    """Play greedy test episodes with PLAYER: a folder of `league train`, a checkpoint, or a scripted player.

    Of a folder the best checkpoint of each seed is played. Every return is told as the sum over the team, per agent and
    on the published scale where there is one, with its 95 % interval over episodes.
    """
    from league.evaluating import evaluate as measure
    from league.evaluating import over_trainings, subjects
    from league.settings import set_layer
    from league.training_options import separate

    given = separate([set_layer(assignment) for assignment in assignments])
    if any(layer.table for layer in (*given.settings, *given.credit, *given.curriculum)):
        raise ConfigError("--set takes options of the arena here, such as --set arena.N=4")
    found = subjects(player, arena, given.arena)
    if not as_json:
        click.echo(f"{player}: {episodes} greedy test episodes, seed {seed}; means with 95 % intervals")
    measured = []
    for environment in dict.fromkeys(environments):
        for subject in found:
            where: Environment = "mpe2" if environment == "mpe2" else "native"
            rows = measure(subject, where, episodes=episodes, seed=seed, against=against)
            measured += rows
            if not as_json:
                for row in rows:
                    _tell(row, len(found) > 1)
    together = over_trainings(measured)
    if as_json:
        lists: dict[str, Sequence[BaseModel]] = {"measured": measured, "over_seeds": together}
        print_json({key: [row.model_dump(mode="json") for row in rows] for key, rows in lists.items()})
        return
    for overall in together:
        _tell_overall(overall, measured[0].published_scale)


def _tell(row: Measured, several: bool) -> None:
    seed = f"seed {row.training_seed}, " if several else ""
    team = "" if row.team == ONLY and row.against is None else f", {row.team} against {row.against}"
    click.echo(f"{seed}{row.environment}{team}")
    click.echo(f"  return of the team {_shown(row.return_sum)}, per agent {_shown(row.return_per_agent)}")
    if row.return_published is not None:
        click.echo(f"  {_shown(row.return_published)} on the scale of {row.published_scale}")


def _tell_overall(overall: Overall, scale: str | None) -> None:
    team = "" if overall.team == ONLY else f", {overall.team}"
    published = ""
    if overall.return_published is not None:
        published = f"; {_shown(overall.return_published)} on the scale of {scale}"
    click.echo(
        f"over {overall.return_sum.seeds} seeds, {overall.environment}{team}: return of the team "
        f"{_shown(overall.return_sum)}{published}"
    )


def _shown(estimate: Estimate | Interval) -> str:
    if estimate.low is None or estimate.high is None:
        return f"{estimate.mean:.2f}"
    return f"{estimate.mean:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"
