"""`league match`: a small unrated challenge between two players."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import click

from league.access import opened
from league.cli.options import AS_JSON, find_run, print_json, run_option
from league.errors import RunError
from league.text import percent


@click.command()
@click.argument("a")
@click.argument("b")
@click.option(
    "-n",
    "games",
    type=click.IntRange(min=2),
    default=100,
    show_default=True,
    help="Number of matches, half from each seat.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The same seed, the same games.")
@click.option("--arena", metavar="NAME", help="The game, without any run: scripted players and paths only.")
@click.option("--temperature", type=click.FloatRange(min=0), help="Of the policies; by default the run's own.")
@AS_JSON
@run_option
def match(
    a: str,
    b: str,
    games: int,
    seed: int,
    arena: str | None,
    temperature: float | None,
    run: str | None,
    runs_dir: Path | None,
    as_json: bool,
) -> None:
    """Let A and B play some unrated matches, seats swapped.

    A player is an id or a name of the run, a role (its newest frozen player), a scripted player such as alpha_beta:4,
    or a path to a checkpoint or a bot. Bots play in processes of their own, confined.
    """
    from league.challenge import challenge, make_arena

    if arena is not None and run is not None:
        raise click.UsageError("--run brings its own arena: give either --run or --arena")
    folder = None
    if arena is None:
        try:
            folder = find_run(run, runs_dir)
        except RunError as error:
            raise click.UsageError(f"{error}; or name the game with --arena") from error
    with opened(folder) if folder else nullcontext() as matchmaker:
        played = challenge(
            make_arena(folder, arena),
            a,
            b,
            games=games,
            seed=seed,
            temperature=temperature,
            run=folder,
            matchmaker=matchmaker,
        )
    if as_json:
        print_json(played.model_dump(mode="json"))
        return
    click.echo(f"{a} against {b} in {played.arena}: {played.games} games, seed {seed}")
    click.echo(f"  {played.wins} won, {played.draws} drawn, {played.losses} lost")
    click.echo(
        f"  score {percent(played.score)}, 95 % interval {percent(played.score_low)} to {percent(played.score_high)}"
    )
    for seat, place in enumerate(("first", "second")):
        won, drawn, lost = played.wins_by_seat[seat], played.draws_by_seat[seat], played.losses_by_seat[seat]
        click.echo(f"  moving {place}: {won} won, {drawn} drawn, {lost} lost")
    for name, codes in zip((a, b), played.forfeits, strict=True):
        if codes:
            each = ", ".join(f"{code} {number}" for code, number in codes.items())
            click.echo(f"  forfeits: {sum(codes.values())} of {name} ({each})")
