"""`league bots` and `league submit`: write a bot, try it, enter it, see why it fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table
from rich.text import Text

from league.access import opened
from league.cli.group import LeagueGroup
from league.cli.options import AS_JSON, console, find_run, print_json, run_option, whole
from league.text import MISSING, amount, number

if TYPE_CHECKING:
    from agents.bots.check import Report
    from agents.bots.core import FailureRecord
    from arenas.core import Arena
    from league.runs import RunFolder

REJECTED = 5  # exit code
DEFAULT_ARENA = "connect_four"
INDENT = "    "
MOST_LINES, MOST_COLUMNS = 25, 300  # that are shown of a bot's traceback or output; --json has all that is kept


@click.group(cls=LeagueGroup)
def bots() -> None:
    """Write a bot, try it, and look after those that were entered."""


@bots.command()
@click.argument("name")
@click.option("--arena", metavar="NAME", help=f"The game that it plays (default: --run's, else {DEFAULT_ARENA}).")
@click.option(
    "--language",
    type=click.Choice(["python", "function", "kaggle", "javascript", "c"]),
    default="python",
    show_default=True,
    help="python: a class; function: a Python function; kaggle: as on kaggle.com; javascript: for node.",
)
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), help="The folder (default: ./NAME).")
@run_option
def new(
    name: str, arena: str | None, language: str, output: Path | None, run: str | None, runs_dir: Path | None
) -> None:
    """Write the starter bot NAME: it plays at once, and says where your idea goes."""
    from agents.bots.new import Language, write_bot

    with closing(_game(arena, find_run(run, runs_dir) if run is not None else None)) as game:
        written = write_bot(name, Language(language), game, output or Path(name))
        arena = game.spec.name
    folder = written[0].parent
    for path in written:
        click.echo(f"wrote {path}")
    click.echo(f"\nYour idea goes into {written[0]}. Then:")
    if language == "c":
        click.echo(f"  make -C {folder}")
    click.echo(f"  league bots check {folder} --arena {arena}")
    click.echo(f"  league submit {folder} --name {name}")


@bots.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--arena", metavar="NAME", help="The game (default: --run's, else the first that its bot.toml names).")
@click.option(
    "--isolation",
    type=click.Choice(["auto", "strict", "docker", "none"]),
    help="How it is confined; none is for your own bots only. By default as in --run, else auto.",
)
@AS_JSON
@run_option
def check(
    path: Path, arena: str | None, isolation: str | None, run: str | None, runs_dir: Path | None, as_json: bool
) -> None:
    """Play the bot at PATH on every seat, against itself and random play, as a league would.

    No run is needed; with --run the game, the clocks and the limits are those of the run. Exit code 5 where it fails.
    """
    folder = find_run(run, runs_dir) if run is not None else None
    with _rejections(as_json):
        _check(path, arena, isolation, folder, as_json)


def _check(path: Path, arena: str | None, isolation: str | None, folder: RunFolder | None, as_json: bool) -> None:
    from agents.bots.check import CHECKPOINT, check_checkpoint
    from agents.bots.core import Isolation
    from agents.bots.source import load_source
    from agents.bots.staging import Bounds
    from agents.durable import sha256
    from league.config import BotsConfig
    from league.submission import check_source, checkpoint_bytes
    from league.trained import as_checkpoint

    path = as_checkpoint(path)
    settings = folder.config().bots if folder else BotsConfig()
    if isolation is not None:
        settings = settings.model_copy(update={"isolation": Isolation(isolation)})
    source = None
    if not path.name.endswith(CHECKPOINT):
        source = load_source(path, Bounds(size=settings.max_size))
    with closing(_game(arena, folder, source.arenas[:1] if source else ())) as game:
        if source is None:
            version = sha256(checkpoint_bytes(path, settings.max_size))
            report = check_checkpoint(path, game, path.stem, version)
        else:
            report = check_source(source, game, settings)
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        _show_report(report)
    if not report.ok:
        click.get_current_context().exit(REJECTED)


def _game(arena: str | None, folder: RunFolder | None, otherwise: Sequence[str] = ()) -> Arena:
    """The arena of this name, the run's, or the first of the others."""
    import arenas
    from league.submission import run_arena

    if arena is None and folder is not None:
        return run_arena(folder)
    return arenas.make(arena or next(iter(otherwise), DEFAULT_ARENA))


@click.command()
@click.argument("bot", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="Under which it plays. The same name again is a new version.")
@click.option("--author", help="Who submits it (default: your login name).")
@AS_JSON
@run_option
def submit(bot: Path, name: str, author: str | None, run: str | None, runs_dir: Path | None, as_json: bool) -> None:
    """Enter BOT into a run: a .py file, a folder with bot.toml, a .zip or .tar.gz of one, a checkpoint, or a folder of
    `league train`, whose best checkpoint it is.

    It is checked first, as by `league bots check`. Exit code 5 where it is rejected.
    """
    from league.submission import submit as enter

    folder = find_run(run, runs_dir)
    with _rejections(as_json), opened(folder) as matchmaker:
        done = enter(folder, matchmaker, bot, name, author)
    if as_json:
        facts = {"run": folder.name, "entered": done.entered, "superseded": done.superseded}
        facts |= {"player": done.player.model_dump(mode="json"), "bot": done.bot.model_dump(mode="json")}
        print_json(facts | {"report": done.report.model_dump(mode="json") if done.report else None})
        return
    if done.report is not None:
        _show_report(done.report)
    if not done.entered:
        click.echo(f"nothing changed: {done.player.name} in run {folder.name} is this very bot")
        return
    instead = f" in place of {done.superseded}" if done.superseded else ""
    click.echo(f"{done.player.name} plays in run {folder.name}{instead}; see `league leaderboard`")


@bots.command("list")
@AS_JSON
@run_option
def list_bots(run: str | None, runs_dir: Path | None, as_json: bool) -> None:
    """List the bots of a run, those that are matched first."""
    with opened(find_run(run, runs_dir)) as matchmaker:
        players = {player.id: player for player in matchmaker.players()}
        entered, ratings = matchmaker.store.bots.all(), matchmaker.ratings()
        info = matchmaker.store.info
    rows = []
    for bot in sorted(entered.values(), key=lambda bot: bot.state != "active"):
        rating = ratings.get(bot.player)
        facts = bot.model_dump(mode="json") | {"name": players[bot.player].name, "version": players[bot.player].version}
        rows.append(facts | {"games": rating.games if rating else 0, "elo": rating.elo if rating else None})
    if as_json:
        print_json({"run": info.name, "arena": info.arena, "bots": rows})
        return
    table = Table("name", "author", "language", "state", "why", "version", box=None, pad_edge=False)
    for heading in ("games", "Elo"):
        table.add_column(heading, justify="right")
    for row in rows:
        cells = [
            row["name"],
            row["author"],
            row["language"],
            row["state"],
            row["reason"] or MISSING,
            row["version"][:12],
        ]
        table.add_row(*(Text(cell) for cell in cells), amount(row["games"]), number(row["elo"], 0))
    console().print(table)


@bots.command()
@click.argument("name")
@AS_JSON
@run_option
def show(name: str, run: str | None, runs_dir: Path | None, as_json: bool) -> None:
    """Show the bot NAME: its newest active version, or one such as NAME.v2."""
    from league.submission import find_bot

    with opened(find_run(run, runs_dir)) as matchmaker:
        player, bot = find_bot(matchmaker, name)
        registry = matchmaker.store.bots
        rating = matchmaker.ratings().get(player.id)
        names = {each.id: each.name for each in matchmaker.players()}
        versions = [names[each.player] for each in registry.all().values() if each.lineage == bot.lineage]
        failures, streak = len(registry.failures(player.id)), registry.streak(player.id)
    facts = bot.model_dump(mode="json") | {"name": player.name, "version": player.version, "versions": versions}
    facts |= {"parent": names.get(player.parent or ""), "failures_kept": failures, "failing_in_a_row": streak}
    facts |= {key: None if rating is None else getattr(rating, key) for key in ("games", "wins", "draws", "losses")}
    facts |= {key: None if rating is None else getattr(rating, key) for key in ("mu", "sigma", "elo")}
    if as_json:
        print_json(facts)
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    for key, value in facts.items():
        shown = ", ".join(value) if isinstance(value, list) else MISSING if value in (None, "") else str(value)
        table.add_row(key, Text(shown))
    console().print(table)


@bots.command()
@click.argument("name")
@click.option("-n", "count", type=whole(), default=5, show_default=True, help="The newest so many.")
@AS_JSON
@run_option
def errors(name: str, count: int, run: str | None, runs_dir: Path | None, as_json: bool) -> None:
    """Show why the bot NAME failed: its failure records, the newest last."""
    from agents.bots.core import FailureRecord
    from league.submission import find_bot

    with opened(find_run(run, runs_dir)) as matchmaker:
        player, bot = find_bot(matchmaker, name)
        records = [FailureRecord.model_validate_json(text) for text in matchmaker.store.bots.failures(player.id)]
    if as_json:
        shown = [record.model_dump(mode="json") for record in records]
        print_json({"bot": player.name, "state": bot.state.value, "reason": bot.reason, "failures": shown})
        return
    if not records:
        click.echo(f"{player.name} has not failed")
    for record in records[-count:]:
        show_failure(record)
    if len(records) > count:
        click.echo(f"{len(records) - count} older ones: -n {len(records)} shows them")
    if bot.reason:
        click.echo(f"{player.name} is {bot.state}: {bot.reason}")


@bots.command()
@click.argument("name")
@run_option
def withdraw(name: str, run: str | None, runs_dir: Path | None) -> None:
    """Give the bot NAME no more matches. Its results stay; submitting it again brings it back."""
    from league.submission import login
    from league.submission import withdraw as take_out

    with opened(find_run(run, runs_dir)) as matchmaker:
        player, changed = take_out(matchmaker, name, f"by {login()}")
    click.echo(f"{player.name} gets no more matches" if changed else f"{player.name} got no more matches already")


@contextmanager
def _rejections(as_json: bool) -> Iterator[None]:
    """Show why a bot is rejected, before the error itself says so in one line."""
    from agents.bots.manifest import BotRejectedError
    from league.submission import SubmissionRejectedError

    try:
        yield
    except SubmissionRejectedError as error:
        if as_json:
            print_json(error.report.model_dump(mode="json"))
        else:
            _show_report(error.report)
        raise
    except BotRejectedError as error:
        if as_json:
            print_json({"ok": False, "failures": [error.record.model_dump(mode="json")]})
        elif error.record.traceback:
            show_failure(error.record)
        raise


def _show_report(report: Report) -> None:
    click.echo(f"{report.name} ({report.language}, version {report.version[:12]}) in {report.arena}")
    if report.language != "checkpoint":
        click.echo("  sandbox:" if report.layers else "  sandbox: NONE, it can read and send whatever you can")
        for layer in report.layers:
            click.echo(f"{INDENT}{layer}")
    for count, record in _alike(report.failures):
        show_failure(record)
        if count > 1:
            click.echo(f"{INDENT}and {count - 1} more of this kind")
    for tried in report.tried:
        against = "against itself" if tried.agent is None else f"as {tried.agent} against {tried.opponent}"
        results = [f"{tried.failed} FAILED"] if tried.failed else []
        if tried.agent is not None:
            results.append(f"{tried.won} won, {tried.drawn} drawn, {tried.lost} lost")
        click.echo(f"  {tried.matches} matches {against}: {'; '.join(results) or 'played to the end'}")
    if report.start_milliseconds is not None:
        click.echo(f"  start: {report.start_milliseconds:.0f} ms")
    if report.move_milliseconds is not None and report.slowest_milliseconds is not None:
        click.echo(
            f"  time a move: {report.move_milliseconds:.2f} ms (median), {report.slowest_milliseconds:.2f} ms (longest)"
        )
    if not report.complete:
        click.echo("  the other matches were not played: it failed, or took too long, before them")
    click.echo("  ok" if report.ok else "  NOT ok: a league would not take it")


def _alike(records: Sequence[FailureRecord]) -> list[tuple[int, FailureRecord]]:
    """The first record of each kind, and how many there are of it."""
    kinds: dict[tuple[str, ...], list[FailureRecord]] = {}
    for record in records:
        kinds.setdefault((record.code, record.phase, record.message), []).append(record)
    return [(len(kind), kind[0]) for kind in kinds.values()]


def show_failure(record: FailureRecord) -> None:
    """A failure record for people. Its texts were made harmless when it was made."""
    place = [f"match {record.match}"] if record.match else []
    place += [f"as {record.agent}"] if record.agent else []
    place += [f"step {record.step}"] if record.step is not None else []
    click.secho(f"{record.code} in phase {record.phase}{': ' if place else ''}{', '.join(place)}", fg="red")
    click.echo(f"{INDENT}{record.message}")
    facts = []
    if record.action is not None:
        facts.append(f"answered {record.action}")
    if record.legal_actions is not None and "legal were" not in record.message:
        facts.append(f"legal were {', '.join(map(str, record.legal_actions))}")
    if record.milliseconds is not None:
        facts.append(f"{record.milliseconds:.0f} ms used")
    if record.bank_milliseconds is not None:
        facts.append(f"{record.bank_milliseconds:.0f} ms left in the bank")
    if facts:
        click.echo(INDENT + "; ".join(facts))
    for title, text in (("traceback", record.traceback), ("its output", record.stderr)):
        if text.strip():
            click.echo(f"{INDENT}{title}:")
            for line in text.rstrip().splitlines()[-MOST_LINES:]:
                click.echo(f"{INDENT}  {line if len(line) <= MOST_COLUMNS else line[:MOST_COLUMNS] + ' ...'}")
