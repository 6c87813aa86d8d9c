"""Options that several commands share."""

from __future__ import annotations

import json
import logging
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from agents.bots.core import Isolation
from league.errors import RunError
from league.runs import RunFolder, find, runs_root

Command = TypeVar("Command", bound=Callable[..., Any])

PIPE_WIDTH = 160
LARGEST = 2**53 - 1
"""What every reader of JSON takes as it is; torch, TOML and Redis hold more, but not much more."""

RUNS_DIR = click.option(
    "--runs-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder of all runs (default: LEAGUE_RUNS, else ./runs).",
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")

ISOLATION = click.option(
    "--isolation",
    type=click.Choice([each.value for each in Isolation]),
    callback=lambda ctx, param, value: None if value is None else Isolation(value),
    help="How bots are confined; none is for your own bots only (default: the run's setting, else auto).",
)


class _Whole(click.IntRange):
    """The help shows the least only: the most is what nobody comes near to by intention."""

    def __init__(self, least: int, most: int) -> None:
        super().__init__(min=least)
        self._most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if number > self._most:
            self.fail(f"{number} is too large: at most {self._most:,}.", param, ctx)
        return number


def whole(least: int = 1, most: int = LARGEST) -> click.IntRange:
    """An option's whole number. Where memory is taken in proportion to it, `most` is what no machine has use for."""
    return _Whole(least, most)


class _Real(click.FloatRange):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{number} is no finite number.", param, ctx)
        return number


def real(least: float) -> click.FloatRange:
    """An option's finite number."""
    return _Real(min=least)


def run_argument(command: Command) -> Command:
    """`[RUN]` and --runs-dir, given to the command as `run` and `runs_dir`."""
    return click.argument("run", required=False)(RUNS_DIR(command))


def run_option(command: Command) -> Command:
    """`--run RUN` and --runs-dir, given to the command as `run` and `runs_dir`."""
    return click.option("--run", metavar="RUN", help="The run (default: the newest).")(RUNS_DIR(command))


def find_run(run: str | None, runs_dir: Path | None) -> RunFolder:
    """The run that the shared options name."""
    return find(runs_root(runs_dir), run)


def run_or_arena(run: str | None, runs_dir: Path | None, arena: str | None) -> RunFolder | None:
    """The run in which is played, or None where --arena names the game without any.

    Raises:
        click.UsageError: both are given, or neither is and there is no run.
    """
    if arena is not None:
        if run is not None:
            raise click.UsageError("--run brings its own arena: give either --run or --arena")
        return None
    try:
        return find_run(run, runs_dir)
    except RunError as error:
        raise click.UsageError(f"{error}; or name the game with --arena") from error


def print_json(value: object) -> None:
    """`value` as indented JSON on stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def tell_log() -> None:
    """Show people what the league's own code has to say beside the result, such as the sandbox's layers, on stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("league")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)


def console() -> Console:
    """Where tables and the live view go; into a pipe or a file tables are not cut to a terminal's width."""
    out = Console(highlight=False)
    return out if out.is_terminal or "COLUMNS" in os.environ else Console(highlight=False, width=PIPE_WIDTH)
