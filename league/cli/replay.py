"""`league replay`: a match of a run or of a tournament again, move by move."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from league.access import opened
from league.cli.options import AS_JSON, ISOLATION, console, find_run, real, run_option, tell_log, whole
from league.cli.replay_against import ask_again
from league.cli.replay_show import list_matches, list_pairings, plain, play, print_records
from league.errors import InputError
from matchmaking.records import Player

if TYPE_CHECKING:
    from agents.bots.core import Isolation
    from arenas.core import Arena
    from arenas.replay import MatchRecord
    from league.replaying import Matches
    from league.runs import RunFolder

FILE = re.compile(r"(.+\.json)(?:/(.*))?", re.DOTALL)
"""A file of matches, or one of them by its INDEX."""

SHOWN = 4  # ids that an error names


@click.command()
@click.argument("match", required=False, metavar="[MATCH_ID]")
@click.option("--tournament", metavar="NAME", help="Of this tournament, in the run's folder or in ./tournaments.")
@click.option("--last", is_flag=True, help="The newest match, of --player where one is given.")
@click.option("--player", metavar="NAME", help="List, or take the last match of, this player only.")
@click.option("-n", "count", type=whole(), default=20, show_default=True, help="How many are listed.")
@click.option("--speed", type=real(0.01), default=2.0, show_default=True, help="Moves a second.")
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
    tournament: str | None,
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
    """Play a rated match, or one of a tournament, again in the terminal, to the same end.

    MATCH_ID is PAIRING/INDEX, or PAIRING for a list of its matches, or FILE.json or FILE.json/INDEX of what --json or
    `league match --save` wrote; without one the newest pairings are listed. A pairing of a tournament is an encounter.
    Stored are the matches where bots took part (setting evaluation.replays, or --replays of a tournament); those of our
    own players are played again from their seed.
    """
    if match is not None and last:
        raise click.UsageError("--last names a match already: give either a MATCH_ID or --last")
    file = None if match is None else FILE.fullmatch(match)
    if file is not None and tournament is not None:
        raise click.UsageError(f"{match} is a file, and of no tournament: give either the file or --tournament")
    if seat is not None and against is None:
        raise click.UsageError("--as goes with --against BOT")
    import arenas

    def show(arena: Arena, chosen: Sequence[MatchRecord], members: Mapping[str, Player], run: RunFolder | None) -> None:
        if against is not None:
            tell_log()
            ask_again(arena, chosen, members, seat, run, isolation, against, as_json)
        elif as_json:
            print_records(arena, chosen)
        else:
            for record in chosen:
                if not play(arena, record, console(), speed, stepping):
                    break

    if file is not None:
        chosen = _of_file(Path(file[1]), file[2])
        if len({record.id for record in chosen}) > 1 and against is None and not as_json:
            list_matches(file[1], chosen, as_json)
            return
        with closing(arenas.make(chosen[0].arena, **chosen[0].options)) as arena:
            show(arena, chosen, {}, None)
        return
    with _matches(tournament, run, runs_dir) as played:
        index: int | None = None
        if match is not None:
            result, index = played.find(match)
        else:
            found = played.newest(1 if last else count, player and played.id_of(player))
            if not last or not found:
                list_pairings(played, found, as_json)
                return
            result, index = found[0], len(found[0].outcomes) - 1
        with closing(played.arena()) as arena:
            written = played.records(arena, result)
            if index is None and against is None:
                list_matches(result.id, written, as_json)
            else:
                wanted = [each for each in written if index is None or each.id == f"{result.id}/{index}"]
                show(arena, wanted, {each.name: each for each in played.players().values()}, played.run)


def _of_file(path: Path, index: str | None) -> list[MatchRecord]:
    """The matches in a file, or the one whose id ends in /INDEX: both halves of a score duel.

    Raises:
        InputError: there is none.
    """
    from league.replaying import read_records

    found = read_records(path)
    if index is None:
        return found
    if not re.fullmatch("[0-9]+", index):
        raise InputError(f"{path}/{index} is no match: expected FILE.json or FILE.json/INDEX, such as {path}/3")
    chosen = [record for record in found if record.id.rpartition("/")[2] == index]
    if not chosen:
        ids = list(dict.fromkeys(plain(record.id) for record in found))
        held = ", ".join(ids) if len(ids) <= SHOWN else f"{ids[0]} to {ids[-1]}"
        raise InputError(f"{path} holds {held}, and no match {index}")
    return chosen


@contextmanager
def _matches(tournament: str | None, run: str | None, runs_dir: Path | None) -> Iterator[Matches]:
    """Where the matches are: in a tournament, or in a run."""
    if tournament is not None:
        from league.cli.tournament import locate
        from league.tournament_replays import MatchesOfTournament

        yield MatchesOfTournament(*locate(tournament, run, runs_dir))
        return
    folder = find_run(run, runs_dir)
    with opened(folder) as matchmaker:
        from league.replaying import MatchesOfRun

        yield MatchesOfRun(folder, matchmaker)
