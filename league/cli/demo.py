"""`league demo`: what a league is for, shown in seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import click
from rich.table import Table

from league.cli.group import LeagueGroup
from league.cli.options import AS_JSON, Command, console, print_json, whole
from league.plots import check, save

PLOT = Path("rock_paper_scissors.html")
DILEMMA_PLOT = Path("prisoners_dilemma.html")


def drawn_to(default: Path) -> Callable[[Command], Command]:
    """-o of a demo, which draws into a file here unless it names another."""
    return click.option(
        "-o",
        "--output",
        type=click.Path(dir_okay=False, path_type=Path),
        help=f"A name in .png or .html (default: {default}).",
    )


@click.group(cls=LeagueGroup)
def demo() -> None:
    """Show in seconds, without a run, what a league is for."""


@demo.command()
@drawn_to(PLOT)
@click.option("--iterations", type=whole(2), help="Of training (default: 600).")
@click.option("--seed", type=whole(0), default=0, show_default=True)
@AS_JSON
def rps(output: Path | None, iterations: int | None, seed: int, as_json: bool) -> None:
    """Train rock-paper-scissors by naive self-play, by fictitious self-play and in a league, and draw all three.

    Naive self-play cycles; what a pool of frozen players stands for settles near (1/3, 1/3, 1/3). With --json a plot is
    drawn only where -o names one.
    """
    path = output or (None if as_json else PLOT)
    if path is not None:
        check(path)
    import torch

    from league.demo_rps import CASES, ITERATIONS, sheet, summaries, train

    torch.set_num_threads(1)  # the tensors are tiny
    tracks = [train(case, iterations or ITERATIONS, seed) for case in CASES]
    rows = summaries(tracks)
    if path is not None:
        save(sheet(tracks), path)
    if as_json:
        paths = [
            {
                "rule": track.case.name,
                "frozen": track.frozen,
                "iterations": track.iterations,
                "policy": track.policy.tolist(),
                "mixture": None if track.mixture is None else track.mixture.tolist(),
                "mixture_is": track.case.mixture,
            }
            for track in tracks
        ]
        print_json({"seed": seed, "summary": [asdict(row) for row in rows], "paths": paths})
        return
    table = Table("rule", "quantity", box=None, pad_edge=False)
    for heading in ("distance at the end", "largest swing", "cycles"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(row.rule, row.quantity, f"{row.distance:.3f}", f"{row.swing:.3f}", str(row.cycles))
    console().print(table)
    click.echo("the pool is all players frozen so far: the main agent's past, and in the league its exploiters'")
    click.echo("distance: total variation from (1/3, 1/3, 1/3); swing: the widest range of a hand's probability in the")
    click.echo("second half; cycles: times that rock, paper and scissors each had more than 1/2, one after the other")
    click.echo(f"wrote {path}")


@demo.command()
@drawn_to(DILEMMA_PLOT)
@click.option("--runs", type=whole(1, 10_000), help="Of each way to learn, with a seed each (default: 10).")
@click.option("--steps", type=whole(), help="Rounds that a run learns for (default: 12000).")
@click.option("--seed", type=whole(0), default=0, show_default=True)
@AS_JSON
def dilemma(output: Path | None, runs: int | None, steps: int | None, seed: int, as_json: bool) -> None:
    """Let independent learners play the iterated prisoner's dilemma, and draw how much they cooperate over time.

    Two players learn with a table each (tabular_q), and with a network each (iql), in several runs. With --json a plot
    is drawn only where -o names one.
    """
    path = output or (None if as_json else DILEMMA_PLOT)
    if path is not None:
        check(path)
    import torch

    from league.demo_dilemma import CASES, RUNS, STEPS, chart, summarise

    torch.set_num_threads(1)  # the tensors are tiny
    curves = [learn(runs or RUNS, seed, steps or STEPS) for learn in CASES]
    rows = [summarise(curve) for curve in curves]
    if path is not None:
        save(chart(curves), path)
    if as_json:
        told = [{"algorithm": each.algorithm, "steps": each.steps, "rates": each.rates.tolist()} for each in curves]
        print_json({"seed": seed, "summary": [asdict(row) for row in rows], "curves": told})
        return
    table = Table("algorithm", box=None, pad_edge=False)
    for heading in ("runs", "cooperation at the end", "95 %", "above 0.9", "below 0.1"):
        table.add_column(heading, justify="right")
    for row in rows:
        half = "-" if row.half is None else f"± {row.half:.3f}"
        table.add_row(row.algorithm, str(row.runs), f"{row.mean:.3f}", half, str(row.cooperating), str(row.defecting))
    console().print(table)
    click.echo(
        "cooperation at the end: share of both players' moves in the last fifth of the runs, exploration included"
    )
    click.echo(f"wrote {path}")
