"""A tournament from its players' names to its last encounter: started, or gone on with."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import arenas
from arenas.core import Arena
from league.challenge import make_arena
from league.config import EvaluationConfig, KeptMoves
from league.entrants import Entrant, Entrants
from league.journal import WORKER, JournalBusyError
from league.replaying import one_thread
from league.runs import RunFolder
from league.tournament import (
    FOLDER,
    Settings,
    Tournament,
    check_unchanged,
    create,
    fresh_name,
    members,
)
from league.tournament_play import Progress, play, settle
from matchmaking.records import Kind
from matchmaking.service import Matchmaker
from matchmaking.tournaments.core import Kinds

PAIRS = 4
"""Seat-swapped pairs of an encounter, where nothing else is asked for."""

Tell = Callable[[Progress], None]


def roots(run: RunFolder | None) -> list[Path]:
    """Where tournaments lie: in the run's folder, else in this one."""
    return [Path(FOLDER)] if run is None else [run.path / FOLDER, Path(FOLDER)]


def start(
    players: Sequence[str],
    kind: Kinds,
    *,
    made: Callable[[Tournament], None],
    tell: Tell,
    name: str | None = None,
    arena: str | None = None,
    pairs: int = PAIRS,
    rounds: int | None = None,
    challengers: int = 1,
    double: bool = False,
    seed: int = 0,
    temperature: float | None = None,
    replays: KeptMoves | None = None,
    replays_size: int | None = None,
    run: RunFolder | None = None,
    matchmaker: Matchmaker | None = None,
) -> Tournament:
    """Make a tournament and play it to its end.

    Args:
        players: whatever `league match` takes, the highest seed first.
        kind: who meets whom.
        made: is told of the tournament when it is on the disk.
        tell: is told of every encounter.
        name: of the tournament; None makes one up.
        arena: the game, without any run.
        pairs, rounds, challengers, double, seed: see `league.tournament.Settings`.
        temperature: see there; None takes the run's as it is now, and 1 where there is no run.
        replays, replays_size: see there; None takes the run's settings, and what they are by default where there is
            none.
        run: whose players can be named, and in whose folder the tournament lies.
        matchmaker: of that run.

    Raises:
        InputError: there is no such tournament, or a player cannot play.
        BrokenOffError: the host failed again and again.
        and what `league.entrants.Entrants.find` raises.
    """
    game = make_arena(run, arena)
    config = None if run is None else run.config()
    evaluation = EvaluationConfig() if config is None else config.evaluation
    with Entrants(game, run=run, matchmaker=matchmaker, temperature=temperature) as entrants:
        found = [entrants.find(text) for text in players]
        settings = Settings(
            name=name or fresh_name(kind),
            format=kind,
            arena=arena or (game.spec.name if config is None else config.arena),
            arena_options={} if arena is not None or config is None else config.arena_options,
            players=members(found, [_lasting(one, matchmaker) for one in found]),
            pairs=pairs,
            rounds=rounds,
            challengers=challengers,
            double=double,
            seed=seed,
            temperature=entrants.temperature,
            replays=evaluation.replays if replays is None else replays,
            replays_size=evaluation.replays_size if replays_size is None else replays_size,
            created=time.time(),
        )
        tournament = create(roots(run)[0], settings)
        made(tournament)
        _play(tournament, game, found, entrants, tell)
    return tournament


def resume(
    tournament: Tournament, *, tell: Tell, run: RunFolder | None = None, matchmaker: Matchmaker | None = None
) -> None:
    """Play what is missing of a tournament.

    Raises:
        StateMismatchError: a player is not who it was.
        and what `start` raises.
    """
    settings = tournament.settings
    game = arenas.make(settings.arena, **settings.arena_options)
    with Entrants(game, run=run, matchmaker=matchmaker, temperature=settings.temperature) as entrants:
        found = [entrants.find(member.text) for member in settings.players]
        check_unchanged(settings.players, found)
        _play(tournament, game, found, entrants, tell)


def settle_replays(tournament: Tournament) -> None:
    """Put the last replay of a tournament that is over in its place, where the process was killed before that."""
    if tournament.replays.drafts(WORKER):
        with suppress(JournalBusyError), tournament.journal() as journal:  # whoever has it open does it
            settle(tournament, journal)


def _play(tournament: Tournament, game: Arena, found: Sequence[Entrant], entrants: Entrants, tell: Tell) -> None:
    with tournament.journal() as journal, one_thread():
        play(tournament, journal, game, found, entrants.settings, tell)


def _lasting(entrant: Entrant, matchmaker: Matchmaker | None) -> str:
    """The text by which the same player is found again, from anywhere, and when others have joined the run."""
    text, path = entrant.text, Path(entrant.text)
    if entrant.kind is Kind.SCRIPTED:
        return text
    if matchmaker is not None:
        member = next((each for each in matchmaker.players() if each.name == entrant.name), None)
        if member is not None and entrant.version in (member.checkpoint, member.version):
            return member.id
    return str(path.resolve()) if path.exists() else text
