"""`league export` and `league plot`: tables and figures of a run as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import click

from league.access import opened
from league.cli.options import find_run, run_option
from league.export import FORMATS, Format, render
from league.figures import Figure
from league.files import replace_text
from league.plots import save
from league.reports import TABLES, charts, documents
from matchmaking.pfsp import Weighting
from matchmaking.records import Role
from matchmaking.service import Matchmaker

FIGURES = ("elo", "payoff", "pfsp")
OF_TOURNAMENTS = tuple(table for table in documents.OF_TOURNAMENTS if table not in TABLES)

TRAININGS, MARL_EVAL = "trainings", "marl-eval"


@click.command()
@click.argument("table", type=click.Choice([*TABLES, *OF_TOURNAMENTS, TRAININGS]))
@click.argument("folders", nargs=-1, type=click.Path(file_okay=False, path_type=Path))
@click.option("--format", "form", type=click.Choice([*FORMATS, MARL_EVAL]), default="csv", show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The file, or - for stdout.")
@click.option("--schema", is_flag=True, help="Write the JSON Schema of the table's JSON; no run is needed.")
@run_option
def export(
    table: str,
    folders: tuple[Path, ...],
    form: str,
    output: Path | None,
    schema: bool,
    run: str | None,
    runs_dir: Path | None,
) -> None:
    """Write TABLE of a run as csv (pandas), json (programs), md or html (one self-contained page).

    Without -o it goes into the run folder's exports/; a schema goes to stdout; of standings and encounters, which
    are tables of tournaments, it writes the schema only. `trainings FOLDER...` are folders of `league train`, written
    to stdout or -o with --format marl-eval, in that package's JSON.
    """
    if table == TRAININGS or form == MARL_EVAL or folders:
        _export_trainings(table, folders, form, schema, output)
        return
    if schema:
        _write(documents.schema_text(table), output)
        return
    if table in OF_TOURNAMENTS:
        raise click.UsageError(
            f"{table} are of a tournament: `league tournament --resume NAME -o FOLDER` writes them, and here is only "
            "their --schema"
        )
    folder = find_run(run, runs_dir)
    with opened(folder) as matchmaker:
        text = render(TABLES[table](matchmaker, folder), cast(Format, form))
    _write(text, folder.exports / f"{table}.{form}" if output is None else output)


def _export_trainings(table: str, folders: tuple[Path, ...], form: str, schema: bool, output: Path | None) -> None:
    if table != TRAININGS or form != MARL_EVAL or schema or not folders:
        raise click.UsageError(
            f"trainings are exported by `league export {TRAININGS} FOLDER... --format {MARL_EVAL}`; the other tables "
            f"take no folders, and are {', '.join(FORMATS)}"
        )
    from league.marl_eval import document

    found = document(folders, lambda line: click.echo(line, err=True))
    _write(json.dumps(found, indent=2, allow_nan=False) + "\n", output)


def _write(text: str, path: Path | None) -> None:
    if path is None or path == Path("-"):
        click.echo(text, nl=False)
        return
    replace_text(path, text)
    click.echo(f"wrote {path}")


@click.command()
@click.argument("figure", type=click.Choice(FIGURES))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The file, in .png or .html.")
@click.option("--player", help="pfsp: whose opponents (default: the first main agent).")
@click.option(
    "--weighting",
    type=click.Choice([each.value for each in Weighting]),
    default="squared",
    show_default=True,
    help="pfsp: how a win rate becomes a weight.",
)
@run_option
def plot(
    figure: str, output: Path | None, player: str | None, weighting: str, run: str | None, runs_dir: Path | None
) -> None:
    """Draw FIGURE of a run: elo over training, win rates in training, or the probabilities of PFSP.

    Without -o it goes into the run folder's exports/ as HTML.
    """
    folder = find_run(run, runs_dir)
    with opened(folder) as matchmaker:
        drawn = _figure(matchmaker, figure, player, Weighting(weighting))
    path = folder.exports / f"{figure}.html" if output is None else output
    save(drawn, path)
    click.echo(f"wrote {path}")


def _figure(matchmaker: Matchmaker, figure: str, player: str | None, weighting: Weighting) -> Figure:
    if figure == "elo":
        return charts.strength_curves(matchmaker)
    if figure == "payoff":
        return charts.payoff_map(matchmaker)
    if player is not None:
        return charts.pfsp_bars(matchmaker, matchmaker.find(player), weighting)
    return charts.pfsp_bars(matchmaker, charts.first_learner(matchmaker.players(), Role.MAIN_AGENT), weighting)
