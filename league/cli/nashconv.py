"""`league nashconv`: exact distance from equilibrium in the small card games."""

from __future__ import annotations

from pathlib import Path

import click

from league.access import opened
from league.cli.options import AS_JSON, find_run, print_json, run_option
from league.text import amount, duration


@click.command()
@click.argument("players", metavar="[PLAYER]...", nargs=-1)
@AS_JSON
@run_option
def nashconv(players: tuple[str, ...], run: str | None, runs_dir: Path | None, as_json: bool) -> None:
    """Measure how much frozen players could be exploited, exactly: Kuhn and Leduc poker.

    Without PLAYER all frozen main agents, in the order of freezing. NashConv is what both seats could gain together by
    their best responses, in chips a hand: 0 in an equilibrium and only there.
    """
    folder = find_run(run, runs_dir)
    from league.nashconv import check_arena, distances  # late: brings torch and OpenSpiel

    config = folder.config()
    check_arena(config)
    with opened(folder, config) as matchmaker:
        measured = distances(folder, matchmaker, players)
        if as_json:
            rows = [row.model_dump(mode="json") for row in measured]
            print_json({"run": folder.name, "arena": config.arena, "players": rows})
            return
        click.echo(f"{'player':<28}{'time':>8}{'steps':>9}{'NashConv':>10}{'seat 0':>9}{'seat 1':>9}{'value':>9}")
        for row in measured:
            first, second = row.improvements
            click.echo(
                f"{row.name:<28}{duration(row.seconds):>8}{amount(row.steps):>9}"
                f"{row.nash_conv:>10.4f}{first:>9.4f}{second:>9.4f}{row.value:>9.4f}"
            )
