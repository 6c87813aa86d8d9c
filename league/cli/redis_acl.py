"""`league redis-acl`: the users of a shared Redis."""

from __future__ import annotations

from pathlib import Path

import click

from league.passwords import passwords
from league.runs import checked_name
from matchmaking.acl import acl_file


@click.command("redis-acl")
@click.argument("name")
@click.option(
    "--passwords",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the passwords are, or are put (default: NAME.passwords.toml).",
)
def redis_acl(name: str, path: Path | None) -> None:
    """Write the users of the run NAME for the ACL file of a Redis that others use as well.

    There are two, league-NAME-worker for everything that runs or changes the league and league-NAME-reader for those
    who look, each with the commands and the keys that it needs. The lines hold hashes; the passwords are in a file that
    only you can read.
    """
    words = passwords(path or Path(f"{checked_name(name)}.passwords.toml"))
    click.echo(acl_file(checked_name(name), words["worker"], words["reader"]), nl=False)
