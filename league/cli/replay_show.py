"""How `league replay` shows matches in the terminal, and prints them for programs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from league.cli.options import console, print_json
from league.text import MISSING
from matchmaking.records import MatchResult, Player

if TYPE_CHECKING:
    from arenas.core import Arena
    from arenas.replay import Frame, MatchRecord
    from league.replaying import Matches

STONES = {"X": "bold red", "O": "bold yellow"}


def list_pairings(played: Matches, results: Sequence[MatchResult], as_json: bool) -> None:
    """The pairings that were found, the newest first."""
    stored, members = played.store.stored(), played.players()
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
        run = played.run and played.run.name
        print_json({"run": run, "tournament": played.tournament, "pairings": rows})
        return
    if not results:
        click.echo(f"no {played.what} yet")
        return
    table = Table(played.heading, "a", "b", box=None, pad_edge=False)
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
            "stored" if result.id in stored else _moves(members[result.a], members[result.b]),
            time.strftime("%H:%M:%S", time.localtime(result.finished)),
        )
    out = console()
    out.print(table)
    command = f"{played.command} {played.heading.upper()}"
    out.print(Text(f"`{command}` lists the matches of one, `{command}/0` shows its first", "dim"))


def _moves(*players: Player) -> str:
    """Where the moves of a pairing that is not stored come from."""
    from league.replaying import not_again

    return "from the seed" if not_again(players) is None else "not stored"


def list_matches(pairing: str, written: Sequence[MatchRecord], as_json: bool) -> None:
    """The matches of one pairing, or of a file."""
    if as_json:
        print_json({"pairing": pairing, "matches": [record.model_dump(mode="json") for record in written]})
        return
    table = Table("match", "players in their seats", box=None, pad_edge=False)
    table.add_column("moves", justify="right")
    table.add_column("end")
    for record in written:
        table.add_row(Text(plain(record.id)), Text(seated(record)), str(record.length), Text(ending(record)))
    console().print(table)


def print_records(arena: Arena, chosen: Sequence[MatchRecord]) -> None:
    from arenas.replay import replay as played

    frames = [[asdict(frame) for frame in played(arena, record)] for record in chosen]
    print_json({"matches": [record.model_dump(mode="json") for record in chosen], "frames": frames})


def play(arena: Arena, record: MatchRecord, out: Console, speed: float, stepping: bool) -> bool:
    """A match in the terminal; into a pipe, all positions one below the other. False where a person has ended it."""
    from arenas.replay import replay as played

    live = out.is_terminal and not out.is_dumb_terminal
    for frame in played(arena, record):
        if live:
            out.clear()
        out.print(Text.assemble((plain(record.id), "bold cyan"), f"  {record.arena}  ", (seated(record), "bold")))
        out.print()
        if frame.picture:
            out.print(_coloured(frame.picture))
            out.print()
        out.print(_moved(arena, record, frame))
        if frame.last:
            out.print(Text(ending(record), "bold"))
        elif live and stepping:
            out.print(Text("any key: the next move   q: the end", "dim"))
            if click.getchar() in ("q", "\x1b"):
                return False
        elif live:
            time.sleep(1 / speed)
        else:
            out.print()
    return True


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
        f"{agent} ({plain(holders[agent])}) {'forfeits' if action == FORFEIT else f'plays {action}'}"
        for agent, action in frame.moved
    ]
    return Text(f"step {frame.step}: {', '.join(parts)}")


def seated(record: MatchRecord) -> str:
    return " against ".join(plain(name) for name in record.players)


def ending(record: MatchRecord) -> str:
    """How a match ended, in words."""
    if record.forfeits:
        each = [
            f"{plain(record.players[note.team])} forfeits"
            + (f" ({plain(note.code)}: {plain(note.message)})" if note.code else "")
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
    return f"{plain(winners[0])} wins{limit}" if len(winners) == 1 else f"a draw{limit}"


def plain(text: str) -> str:
    """A stranger's text without what a terminal would take for commands."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
