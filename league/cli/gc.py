"""`league gc`: removes what nothing refers to."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import click

from league.access import opened
from league.cli.options import AS_JSON, find_run, print_json, run_argument
from league.gc import collect, remove
from league.text import size

SHOWN = 10  # paths of each kind


@click.command()
@click.option("--yes", is_flag=True, help="Remove it; without, it is only shown.")
@AS_JSON
@run_argument
def gc(run: str | None, runs_dir: Path | None, yes: bool, as_json: bool) -> None:
    """Show what lies in RUN (default: the newest) and nothing refers to, with its sizes; --yes removes it.

    The run may be running. What was written within the last hour is left alone.
    """
    folder = find_run(run, runs_dir)
    with opened(folder) as matchmaker:
        found = collect(folder, matchmaker)
        removed = remove(folder, matchmaker, found) if yes else []
    if as_json:
        rows = [
            {"path": str(each.path.relative_to(folder.path)), "what": each.what, "size": each.size} for each in found
        ]
        print_json({"run": folder.name, "garbage": rows, "removed": len(removed)})
        return
    for what, group in groupby(found, key=lambda each: each.what):
        members = list(group)
        click.echo(f"{what}: {len(members)}, {size(sum(each.size for each in members))}")
        for each in members[:SHOWN]:
            click.echo(f"  {size(each.size):>10}  {each.path.relative_to(folder.path)}")
        if len(members) > SHOWN:
            click.echo(f"  and {len(members) - SHOWN} more")
    total = size(sum(each.size for each in removed or found))
    if not found:
        click.echo(f"there is nothing in run {folder.name} that nothing refers to")
    elif yes:
        click.echo(f"removed {len(removed)} of them, {total}")
    else:
        click.echo(f"nothing was removed: `league gc {folder.name} --yes` removes these {len(found)}, {total}")
