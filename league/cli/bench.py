"""`league bench`: the speed of this machine."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from league.bench import BENCHMARKS, Figures, Rows, run
from league.cli.options import AS_JSON, console, print_json


@click.command(epilog="Benchmarks: " + "; ".join(f"{name}: {bench.description}" for name, bench in BENCHMARKS.items()))
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option(
    "--yardstick",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A script that does the learner's work and prints `NNNk learner samples/cpu-s`: run beside it.",
)
@AS_JSON
def bench(names: tuple[str, ...], yardstick: Path | None, as_json: bool) -> None:
    """Measure the speed of this machine: all benchmarks, or those that are named."""
    results = {}
    for name in names or tuple(BENCHMARKS):
        figures = run(name, yardstick)
        results[name] = figures
        if not as_json:
            console().print(_table(name, figures))
            click.echo()
    if as_json:
        print_json(results)


def _table(name: str, figures: Figures | Rows) -> Table:
    """One line a figure, with a column for each thing where several have been measured."""
    table = Table(name, title=None, box=None, pad_edge=False)
    things = {thing: row for thing, row in figures.items() if isinstance(row, dict)}
    for thing in things or ("",):
        table.add_column(thing, justify="right")
    if things:
        for figure in next(iter(things.values())):
            table.add_row(figure, *(_shown(row[figure]) for row in things.values()))
    for figure, value in figures.items():
        if not isinstance(value, dict):
            table.add_row(figure, _shown(value))
    return table


def _shown(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
