"""`league replay`: a rated match again, move by move."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from league.access import opened
from league.cli.options import AS_JSON, ISOLATION, console, find_run, print_json, run_option, tell_log
from league.text import MISSING
from matchmaking.records import Kind, MatchResult, Player

if TYPE_CHECKING:
    from agents.bots.core import Isolation
    from arenas.core import Arena
    from arenas.replay import Frame, MatchRecord
    from league.entrants import Entrants
    from league.reproduce import Reproduction
    from league.runs import RunFolder

FILE = ".json"
STONES = {"X": "bold red", "O": "bold yellow"}


@click.command()
@click.argument("match", required=False, metavar="[MATCH_ID]")
@click.option("--last", is_flag=True, help="The newest rated match, of --player where one is given.")
@click.option("--player", metavar="NAME", help="List, or take the last match of, this player only.")
@click.option("-n", "count", type=click.IntRange(min=1), default=20, show_default=True, help="How many are listed.")
@click.option("--speed", type=click.FloatRange(min=0.01), default=2.0, show_default=True, help="Moves a second.")
@click.option("--step", "stepping", is_flag=True, help="Wait for a key before each move; q ends it.")
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="BOT",
    help="Ask the bot at this path what was asked in the match, and show where it answers otherwise or fails.",
)
@click.option("--as", "seat", metavar="NAME", help="With --against: in whose place (default: the bot's).")
@ISOLATION
@AS_JSON
@run_option
def replay(
    match: str | None,
    last: bool,
    player: str | None,
    count: int,
    speed: float,
    stepping: bool,
    against: Path | None,
    seat: str | None,
    isolation: Isolation | None,
    run: str | None,
    runs_dir: Path | None,
    as_json: bool,
) -> None:
    """Play a rated match again in the terminal, to the same end.

    MATCH_ID is PAIRING/INDEX, or PAIRING for a list of its matches, or a file that --json wrote; without one the newest
    pairings are listed. Stored are the matches where bots took part (setting evaluation.replays); those of our own
    players are played again from their seed.
    """
    if match is not None and last:
        raise click.UsageError("--last names a match already: give either a MATCH_ID or --last")
    if seat is not None and against is None:
        raise click.UsageError("--as goes with --against BOT")
    import arenas

    def show(arena: Arena, chosen: Sequence[MatchRecord], members: Mapping[str, Player], run: RunFolder | None) -> None:
        if against is not None:
            from league.entrants import Entrants

            tell_log()
            teams = [_team(record, members, seat) for record in chosen]
            with Entrants(arena, run=run, isolation=isolation) as entrants:
                _reproduce(arena, chosen, teams, entrants, against, as_json)
        elif as_json:
            _print_records(arena, chosen)
        else:
            for record in chosen:
                _play(arena, record, console(), speed, stepping)

    if match is not None and match.endswith(FILE):
        from league.replaying import read_records

        chosen = read_records(Path(match))
        with closing(arenas.make(chosen[0].arena, **chosen[0].options)) as arena:
            show(arena, chosen, {}, None)
        return
    folder = find_run(run, runs_dir)
    with opened(folder) as matchmaker:
        from league.replaying import find_result, load_records, newest

        members = {each.id: each for each in matchmaker.players()}
        index: int | None = None
        if match is not None:
            result, index = find_result(matchmaker, match)
        else:
            found = newest(matchmaker, 1 if last else count, player and matchmaker.find(player).id)
            if not last or not found:
                _list(folder, found, members, as_json)
                return
            result, index = found[0], len(found[0].outcomes) - 1
        config = folder.config()
        with closing(arenas.make(config.arena, **config.arena_options)) as arena:
            written = load_records(folder, matchmaker, arena, result)
            if index is None and against is None:
                _list_matches(result, written, as_json)
            else:
                wanted = [each for each in written if index is None or each.id == f"{result.id}/{index}"]
                show(arena, wanted, {each.name: each for each in members.values()}, folder)


def _list(run: RunFolder, results: Sequence[MatchResult], members: Mapping[str, Player], as_json: bool) -> None:
    """The pairings that were found, the newest first."""
    from league.replays import ReplayStore

    stored = ReplayStore(run.replays).stored()
    if as_json:
        rows = [
            {
                "id": result.id,
                "a": members[result.a].name,
                "b": members[result.b].name,
                "outcomes": result.outcomes,
                "forfeits": len(result.forfeits),
                "stored": result.id in stored,
                "finished": result.finished,
            }
            for result in results
        ]
        print_json({"run": run.name, "pairings": rows})
        return
    if not results:
        click.echo("no rated match yet")
        return
    table = Table("pairing", "a", "b", box=None, pad_edge=False)
    for heading in ("won", "drawn", "lost", "forfeits"):
        table.add_column(heading, justify="right")
    table.add_column("moves")
    table.add_column("ended")
    for result in results:
        table.add_row(
            Text(result.id),
            Text(members[result.a].name),
            Text(members[result.b].name),
            *(str(result.count(letter)) for letter in "wdl"),
            str(len(result.forfeits)) if result.forfeits else MISSING,
            "stored" if result.id in stored else "from the seed",
            time.strftime("%H:%M:%S", time.localtime(result.finished)),
        )
    out = console()
    out.print(table)
    out.print(
        Text("`league replay PAIRING` lists the matches of one, `league replay PAIRING/0` shows its first", "dim")
    )


def _list_matches(result: MatchResult, written: Sequence[MatchRecord], as_json: bool) -> None:
    """The matches of one pairing."""
    if as_json:
        print_json({"pairing": result.id, "matches": [record.model_dump(mode="json") for record in written]})
        return
    table = Table("match", "players in their seats", box=None, pad_edge=False)
    table.add_column("moves", justify="right")
    table.add_column("end")
    for record in written:
        table.add_row(Text(record.id), Text(_seated(record)), str(record.length), Text(_ending(record)))
    console().print(table)


def _print_records(arena: Arena, chosen: Sequence[MatchRecord]) -> None:
    from arenas.replay import replay as play

    frames = [[asdict(frame) for frame in play(arena, record)] for record in chosen]
    print_json({"matches": [record.model_dump(mode="json") for record in chosen], "frames": frames})


def _play(arena: Arena, record: MatchRecord, out: Console, speed: float, stepping: bool) -> None:
    """A match in the terminal; into a pipe, all positions one below the other."""
    from arenas.replay import replay as play

    live = out.is_terminal and not out.is_dumb_terminal
    for frame in play(arena, record):
        if live:
            out.clear()
        out.print(Text.assemble((record.id, "bold cyan"), f"  {record.arena}  ", (_seated(record), "bold")))
        out.print()
        if frame.picture:
            out.print(_coloured(frame.picture))
            out.print()
        out.print(_moved(arena, record, frame))
        if frame.last:
            out.print(Text(_ending(record), "bold"))
        elif live and stepping:
            out.print(Text("any key: the next move   q: the end", "dim"))
            if click.getchar() in ("q", "\x1b"):
                return
        elif live:
            time.sleep(1 / speed)
        else:
            out.print()


def _coloured(picture: str) -> Text:
    text = Text(picture)
    for stone, style in STONES.items():
        text.highlight_regex(rf"\b{stone}\b", style)
    return text


def _moved(arena: Arena, record: MatchRecord, frame: Frame) -> Text:
    from arenas.match import FORFEIT

    spec = arena.spec
    holders = {
        spec.agents[agent]: name for team, name in zip(spec.teams, record.players, strict=True) for agent in team
    }
    if not frame.moved:
        return Text("before the first move", "dim")
    parts = [
        f"{agent} ({_plain(holders[agent])}) {'forfeits' if action == FORFEIT else f'plays {action}'}"
        for agent, action in frame.moved
    ]
    return Text(f"step {frame.step}: {', '.join(parts)}")


def _seated(record: MatchRecord) -> str:
    return " against ".join(_plain(name) for name in record.players)


def _ending(record: MatchRecord) -> str:
    """How a match ended, in words."""
    if record.forfeits:
        each = [
            f"{_plain(record.players[note.team])} forfeits"
            + (f" ({_plain(note.code)}: {_plain(note.message)})" if note.code else "")
            for note in record.forfeits
        ]
        return "; ".join(each)
    limit = ", by a limit" if record.truncated else ""
    if len(record.players) == 1:
        return f"score {sum(record.returns):g}{limit}"
    best = max(record.returns)
    if len(record.returns) != len(record.players):  # teams of several
        return f"returns {', '.join(f'{value:g}' for value in record.returns)}{limit}"
    winners = [name for name, value in zip(record.players, record.returns, strict=True) if value == best]
    return f"{_plain(winners[0])} wins{limit}" if len(winners) == 1 else f"a draw{limit}"


def _plain(text: str) -> str:
    """A stranger's text without what a terminal would take for commands."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _reproduce(
    arena: Arena,
    chosen: Sequence[MatchRecord],
    teams: Sequence[int],
    entrants: Entrants,
    path: Path,
    as_json: bool,
) -> None:
    from league.reproduce import reproduce

    done: list[tuple[MatchRecord, Reproduction]] = []
    for record, team in zip(chosen, teams, strict=True):
        bot = entrants.bot(path)
        done.append((record, reproduce(arena, record, team, bot)))
        bot.close()
    if as_json:
        print_json(
            {
                "matches": [
                    {
                        "id": record.id,
                        "same": found.same,
                        "asked": found.asked,
                        "differences": [asdict(each) for each in found.differences],
                        "failure": found.failure and found.failure.model_dump(mode="json"),
                        "failed_then": found.failed_then,
                    }
                    for record, found in done
                ]
            }
        )
    else:
        for record, found in done:
            _show_reproduction(record, found)
    if not all(found.same for _, found in done):
        click.get_current_context().exit(1)


def _show_reproduction(record: MatchRecord, found: Reproduction) -> None:
    from league.cli.bots import show_failure

    answers = f"{found.asked - len(found.differences)} of {found.asked} answers are the same"
    click.echo(f"{record.id}  {_seated(record)}: {answers}")
    for each in found.differences:
        then, now = (_answer(action) for action in (each.then, each.now))
        click.echo(f"  step {each.step}, {each.agent}: {then} then, {now} now")
    if found.failed_then:
        click.echo(f"  then: {_ending(record)}")
    if found.failure is not None:
        show_failure(found.failure)
    elif found.failed_then:
        click.echo("  now: it does not fail")


def _answer(action: int) -> str:
    from arenas.match import FORFEIT

    return "it failed" if action == FORFEIT else str(action)


def _team(record: MatchRecord, members: Mapping[str, Player], seat: str | None) -> int:
    """In whose place the bot is asked."""
    names = list(record.players)
    if seat is not None:
        if seat not in names:
            raise click.UsageError(f"--as {seat}: {record.id} was played by {' and '.join(map(_plain, names))}")
        return names.index(seat)
    bots = [team for team, name in enumerate(names) if name in members and members[name].kind is Kind.BOT]
    failed = [note.team for note in record.forfeits]
    for likely in (bots, failed):
        if len(likely) == 1:
            return likely[0]
    raise click.UsageError(f"in whose place? --as {_plain(names[0])} or another of {', '.join(map(_plain, names))}")
