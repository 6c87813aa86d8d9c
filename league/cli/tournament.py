"""`league tournament`: a round robin, a gauntlet, a swiss tournament or a knockout."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from league.access import opened
from league.cli.options import AS_JSON, console, find_run, print_json, real, run_option, run_or_arena, tell_log, whole
from league.config import KeptMoves
from league.errors import INTERRUPTED, RunError
from league.runs import RunFolder
from matchmaking.tournaments.core import Kinds

if TYPE_CHECKING:
    from league.tournament import Tournament
    from league.tournament_play import Progress

FORMATS = tuple(kind.value for kind in Kinds)
OF_ONE = {"rounds": ("swiss", "round-robin"), "challengers": ("gauntlet",), "double": ("knockout",)}
"""Options that only some formats have."""


@click.command()
@click.argument("players", metavar="[PLAYER]...", nargs=-1)
@click.option("--format", "kind", type=click.Choice(FORMATS), help="Who meets whom.")
@click.option("--resume", metavar="NAME", help="Go on with a tournament that broke off, or show one that is over.")
@click.option("--name", help="Name of the tournament (default: made up from format and time).")
@click.option("--arena", metavar="NAME", help="The game, without any run: scripted players and paths only.")
@click.option("--pairs", type=whole(1, 1_000_000), help="Seat-swapped pairs of matches an encounter (default: 4).")
@click.option(
    "--rounds",
    type=whole(1, 10_000),
    help="swiss: how many (default: as many as a knockout has); round-robin: how often all meet (default: once).",
)
@click.option("--challengers", type=whole(), help="gauntlet: so many of the first players (default: 1).")
@click.option("--double", is_flag=True, help="knockout: out at the second loss only.")
@click.option("--seed", type=whole(0), help="The same seed, the same matches (default: 0).")
@click.option("--temperature", type=real(0), help="Of the policies; by default the run's own.")
@click.option(
    "--replays",
    type=click.Choice(get_args(KeptMoves)),
    help="Of which matches every move is kept: where bots play, all, or none (default: the run's setting, else bots).",
)
@click.option(
    "--replays-size",
    metavar="BYTES",
    type=whole(0),
    help="What they may take before the oldest go; 0 keeps all (default: the run's setting, else 1 GiB).",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the tables go (default: the tournament's folder).",
)
@AS_JSON
@run_option
@click.pass_context
def tournament(
    ctx: click.Context,
    /,
    players: tuple[str, ...],
    resume: str | None,
    arena: str | None,
    output: Path | None,
    run: str | None,
    runs_dir: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Let PLAYERS play a tournament; nothing of it is rated.

    A player is whatever `league match` takes; the first one is the highest seed. A tournament lies in the run's folder
    tournaments/NAME, or in ./tournaments/NAME with --arena. Wherever it broke off, --resume NAME plays what is missing.
    """
    given = {name: value for name, value in options.items() if value is not None and value is not False}
    tell_log()
    show = _Show(as_json)
    try:
        if resume is None:
            _start(show, players, arena, run, runs_dir, given)
        else:
            if players or given or arena is not None:
                raise click.UsageError("--resume goes on with a tournament as it was made: players and options stand")
            _resume(show, resume, run, runs_dir)
    except KeyboardInterrupt:
        if show.tournament is None:
            raise
        number, name = len(show.tournament.read()), show.tournament.name
        click.echo(f"interrupted after {number} encounters; `league tournament --resume {name}` goes on", err=True)
        ctx.exit(INTERRUPTED)
    show.end(output)


def _start(
    show: _Show,
    players: tuple[str, ...],
    arena: str | None,
    run: str | None,
    runs_dir: Path | None,
    given: dict[str, Any],
) -> None:
    kind = given.pop("kind", None)
    if kind is None:
        raise click.UsageError(f"--format is missing: {', '.join(FORMATS)}")
    for option, kinds in OF_ONE.items():
        if option in given and kind not in kinds:
            raise click.UsageError(f"--{option} is of {' and '.join(kinds)}, not of {kind}")
    if len(players) < 2:
        raise click.UsageError(f"a tournament needs at least 2 players, not {len(players)}")
    folder = run_or_arena(run, runs_dir, arena)
    from league.tournament_host import start

    with opened(folder) if folder else nullcontext() as matchmaker:
        start(
            players,
            Kinds(kind),
            made=show.begin,
            tell=show.tell,
            arena=arena,
            run=folder,
            matchmaker=matchmaker,
            **given,
        )


def _resume(show: _Show, name: str, run: str | None, runs_dir: Path | None) -> None:
    from league.tournament_host import resume, settle_replays

    tournament, within = locate(name, run, runs_dir)
    show.begin(tournament)
    if show.over():
        settle_replays(tournament)
        return
    with opened(within) if within else nullcontext() as matchmaker:
        resume(tournament, tell=show.tell, run=within, matchmaker=matchmaker)


def locate(name: str, run: str | None, runs_dir: Path | None) -> tuple[Tournament, RunFolder | None]:
    """The tournament of this name, in the run's folder or in this one, and the run in whose folder it lies."""
    from league.tournament import find
    from league.tournament_host import roots

    folder: RunFolder | None = None
    try:
        folder = find_run(run, runs_dir)
    except RunError:
        if run is not None:
            raise
    tournament = find(roots(folder), name)
    return tournament, folder if folder is not None and folder.path in tournament.path.parents else None


class _Show:
    """What is printed while a tournament is played, and at its end."""

    def __init__(self, as_json: bool) -> None:
        self.tournament: Tournament | None = None
        self._as_json = as_json

    def begin(self, tournament: Tournament) -> None:
        """The tournament is on the disk."""
        self.tournament = tournament
        number = len(tournament.read())
        settings = tournament.settings
        if not self._as_json:
            pair = "pair" if settings.pairs == 1 else "pairs"
            done = f", {number} of {tournament.schedule.expected} encounters played" if number else ""
            click.echo(
                f"{settings.format.value} of {len(settings.players)} players in {settings.arena}, "
                f"{settings.pairs} {pair} an encounter, seed {settings.seed}: {tournament.name}{done}"
            )

    def tell(self, progress: Progress) -> None:
        """An encounter has been played."""
        if self._as_json:
            return
        each, outcomes = progress.encounter, progress.played.outcomes
        won, drawn, lost = (outcomes.count(letter) for letter in "wdl")
        width = len(str(progress.expected))
        failed = [f"{forfeit.player} {forfeit.code}" for forfeit in progress.played.forfeits]
        why = (
            f"  forfeits: {', '.join(f'{one} x{failed.count(one)}' for one in dict.fromkeys(failed))}" if failed else ""
        )
        click.echo(
            f"[{progress.number:{width}}/{progress.expected}] {each.label}: {each.a} {won + drawn / 2:g} - "
            f"{lost + drawn / 2:g} {each.b}  ({won} won, {drawn} drawn, {lost} lost){why}"
        )

    def over(self) -> bool:
        """Whether nothing is left to be played."""
        from league.tournament_tables import Report

        assert self.tournament is not None
        return Report(self.tournament, self.tournament.read()).finished

    def end(self, output: Path | None) -> None:
        """The tables, on the terminal and as files."""
        from league.export import document
        from league.tournament_tables import Report

        tournament = self.tournament
        assert tournament is not None
        report = Report(tournament, tournament.read())
        folder = tournament.path if output is None else output
        report.write(folder)
        if self._as_json:
            print_json(document(report.standings()))
            return
        out = console()
        click.echo()
        out.print(report.standings_table(out.width))
        cross = report.crosstable_table(out.width)
        if cross is not None:
            click.echo()
            out.print(cross)
        for note in report.plan.notes:
            click.echo(f"note: {note}")
        click.echo(f"\nwrote standings, crosstable and encounters as csv, json, md and html to {folder}")
