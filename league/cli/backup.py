"""`league backup` and `league restore`: a whole run as one file."""

from __future__ import annotations

from pathlib import Path

import click

from league.backup import backup as write_backup
from league.cli.options import RUNS_DIR, find_run
from league.restore import restore as restore_run
from league.runs import runs_root
from league.text import size


@click.command()
@click.argument("run")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@RUNS_DIR
def backup(run: str, file: Path, runs_dir: Path | None) -> None:
    """Write RUN, which may be running, into FILE (a tar.gz): everything that it needs on another machine."""
    manifest = write_backup(find_run(run, runs_dir), file)
    files = f"{len(manifest.entries):,} files of {size(manifest.size)}"
    click.echo(f"{file} ({size(file.stat().st_size)}) holds run {run}: {files}")


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@click.option("--name", help="Name of the run (default: the one that it had).")
@click.option("--redis", metavar="URL", help="A Redis to put it into instead of one of its own.")
@RUNS_DIR
def restore(file: Path, name: str | None, redis: str | None, runs_dir: Path | None) -> None:
    """Make a run of FILE, which `league backup` wrote, on whatever machine; `league resume` goes on with it."""
    run = restore_run(file, runs_root(runs_dir), name, redis)
    click.echo(f"run {run.name} is restored in {run.path}: `league resume {run.name}` goes on with it")
