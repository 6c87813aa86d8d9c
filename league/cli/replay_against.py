"""`league replay --against`: a bot asked again what was asked in a match."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from league.cli.options import print_json
from league.cli.replay_show import ending, plain, seated
from matchmaking.records import Kind, Player

if TYPE_CHECKING:
    from agents.bots.core import Isolation
    from arenas.core import Arena
    from arenas.replay import MatchRecord
    from league.reproduce import Reproduction
    from league.runs import RunFolder


def ask_again(
    arena: Arena,
    chosen: Sequence[MatchRecord],
    members: Mapping[str, Player],
    seat: str | None,
    run: RunFolder | None,
    isolation: Isolation | None,
    path: Path,
    as_json: bool,
) -> None:
    """Ask the bot at a path what was asked in matches, and show it; the exit code is 1 where it answers otherwise."""
    from league.entrants import Entrants
    from league.reproduce import reproduce

    teams = [_team(record, members, seat) for record in chosen]
    done: list[tuple[MatchRecord, Reproduction]] = []
    with Entrants(arena, run=run, isolation=isolation) as entrants:
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
    click.echo(f"{record.id}  {seated(record)}: {answers}")
    for each in found.differences:
        then, now = (_answer(action) for action in (each.then, each.now))
        click.echo(f"  step {each.step}, {each.agent}: {then} then, {now} now")
    if found.failed_then:
        click.echo(f"  then: {ending(record)}")
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
            raise click.UsageError(f"--as {seat}: {record.id} was played by {' and '.join(map(plain, names))}")
        return names.index(seat)
    bots = [team for team, name in enumerate(names) if name in members and members[name].kind is Kind.BOT]
    failed = [note.team for note in record.forfeits]
    for likely in (bots, failed):
        if len(likely) == 1:
            return likely[0]
    raise click.UsageError(f"in whose place? --as {plain(names[0])} or another of {', '.join(map(plain, names))}")
