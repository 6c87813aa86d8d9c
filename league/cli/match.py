"""`league match`: a small unrated challenge between two players."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from league.access import opened
from league.cli.options import AS_JSON, ISOLATION, print_json, real, run_option, run_or_arena, tell_log, whole
from league.errors import suggestion
from league.text import percent

if TYPE_CHECKING:
    from agents.bots.core import Isolation
    from arenas.replay import MatchRecord
    from league.challenge import Decision, Result
    from matchmaking.sprt import Sprt

SAVED = ".json"
KEPT = 10_000
"""Matches that --save takes: they are held in memory, and read again as one file."""
SPRT = ("elo0", "elo1", "alpha", "beta")


def parse_sprt(ctx: click.Context, param: click.Parameter, text: str | None) -> Sprt | None:
    """The test in `elo0=0,elo1=20[,alpha=0.05,beta=0.05]`; a mistake is told with what would be right."""
    from matchmaking.sprt import Sprt

    if text is None:
        return None
    numbers: dict[str, float] = {}
    for part in text.split(","):
        key, _, value = (piece.strip() for piece in part.partition("="))
        if key not in SPRT:
            raise click.BadParameter(f"{part!r}: there is no {key!r}; {suggestion(key, SPRT)}")
        if key in numbers:
            raise click.BadParameter(f"{key} is given twice")
        try:
            numbers[key] = float(value)
        except ValueError:
            example = f"{key}={'0.05' if key in SPRT[2:] else '20'}"
            raise click.BadParameter(f"{part!r}: {key} has to be a number, as in {example}") from None
    missing = [key for key in SPRT[:2] if key not in numbers]
    if missing:
        raise click.BadParameter(f"{' and '.join(missing)} missing, as in elo0=0,elo1=20")
    try:
        return Sprt(**numbers)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@click.argument("a")
@click.argument("b")
@click.option(
    "-n",
    "games",
    type=whole(2, 10_000_000),
    default=100,
    show_default=True,
    help="Number of matches, half from each seat.",
)
@click.option("--seed", type=whole(0), default=0, show_default=True, help="The same seed, the same games.")
@click.option("--arena", metavar="NAME", help="The game, without any run: scripted players and paths only.")
@click.option("--temperature", type=real(0), help="Of the policies; by default the run's own.")
@click.option(
    "--sprt",
    metavar="elo0=E,elo1=E[,alpha=P,beta=P]",
    callback=parse_sprt,
    help="Stop as soon as the difference is known to be elo1 (H1) rather than elo0 (H0), or the other way round; "
    "-n is then the most that is played. alpha, beta: how often either is accepted wrongly (default: 0.05).",
)
@click.option(
    "--save",
    metavar="FILE.json",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write every match there, move by move: `league replay FILE.json` lists them, "
    f"FILE.json/INDEX plays one again. Then -n is at most {KEPT:,}.",
)
@ISOLATION
@AS_JSON
@run_option
def match(
    a: str,
    b: str,
    games: int,
    seed: int,
    arena: str | None,
    temperature: float | None,
    sprt: Sprt | None,
    save: Path | None,
    isolation: Isolation | None,
    run: str | None,
    runs_dir: Path | None,
    as_json: bool,
) -> None:
    """Let A and B play some unrated matches, seats swapped.

    A player is an id or a name of the run, a role (its newest frozen player), a scripted player such as alpha_beta:4,
    or a path to a checkpoint or a bot. Bots play in processes of their own, confined.
    """
    if save is not None and save.suffix != SAVED:
        raise click.UsageError(f"--save {save}: a name that ends in {SAVED}, so that `league replay` knows it")
    if save is not None and games > KEPT:
        raise click.UsageError(f"--save keeps at most {KEPT:,} matches, and -n is {games:,}")
    from league.challenge import Keep, challenge, make_arena
    from league.files import check_writable
    from league.replaying import write_records

    folder = run_or_arena(run, runs_dir, arena)
    if save is not None:
        check_writable(save)
    tell_log()
    kept: list[MatchRecord] = []
    options = {} if folder is None else folder.config().arena_options
    with opened(folder) if folder else nullcontext() as matchmaker:
        played = challenge(
            make_arena(folder, arena),
            a,
            b,
            games=games,
            seed=seed,
            temperature=temperature,
            sprt=sprt,
            isolation=isolation,
            run=folder,
            matchmaker=matchmaker,
            keep=None if save is None else Keep(kept.extend, options),
        )
    if as_json:
        print_json(played.model_dump(mode="json"))
    else:
        show(played)
    if save is not None:
        write_records(save, kept)  # the result is told already, should the disk be full
        if not as_json:
            click.echo(f"wrote {save}")


def show(played: Result) -> None:
    """The result for people."""
    click.echo(f"{played.a} against {played.b} in {played.arena}: {played.games} games, seed {played.seed}")
    click.echo(f"  {played.wins} won, {played.draws} drawn, {played.losses} lost")
    click.echo(
        f"  score {percent(played.score)}, 95 % interval {percent(played.score_low)} to {percent(played.score_high)}"
    )
    elo, low, high = (_elo(each, played.score) for each in (played.elo, played.elo_low, played.elo_high))
    click.echo(f"  Elo difference {elo}, 95 % interval {low} to {high}")
    click.echo(f"  likelihood of superiority {percent(played.superiority)}")
    shares = ", ".join(
        f"{points:g}: {number}" for points, number in zip((0, 0.5, 1, 1.5, 2), played.pairs, strict=True)
    )
    click.echo(f"  seat-swapped pairs by points: {shares}")
    for seat, place in enumerate(played.seats):
        won, drawn, lost = played.wins_by_seat[seat], played.draws_by_seat[seat], played.losses_by_seat[seat]
        click.echo(f"  {place}: {won} won, {drawn} drawn, {lost} lost")
    for name, codes in zip((played.a, played.b), played.forfeits, strict=True):
        if codes:
            each = ", ".join(f"{code} {number}" for code, number in codes.items())
            click.echo(f"  forfeits: {sum(codes.values())} of {name} ({each})")
    if played.sprt is not None:
        click.echo(f"  {_verdict(played.sprt, played.games)}")


def _elo(value: float | None, score: float) -> str:
    """`+12`; what is infinite has the sign of the side on which the score lies."""
    return f"{value:+.0f}" if value is not None else "+inf" if score > 0.5 else "-inf"


def _verdict(test: Decision, games: int) -> str:
    said = {
        "H0": f"H0 accepted: Elo {test.elo0:g} rather than {test.elo1:g}",
        "H1": f"H1 accepted: Elo {test.elo1:g} rather than {test.elo0:g}",
        "undecided": f"undecided between Elo {test.elo0:g} (H0) and {test.elo1:g} (H1)",
    }[test.verdict]
    return (
        f"SPRT after {games} games: {said}; log-likelihood ratio {test.llr:.2f} in "
        f"({test.lower:.2f}, {test.upper:.2f}), alpha {test.alpha:g}, beta {test.beta:g}"
    )
