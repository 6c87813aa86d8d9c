"""An unrated challenge between two players: it is played here and now, and nothing of it gets into a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

import arenas
from agents.bots.core import FailureRecord, Isolation
from arenas.core import Arena, ArenaSpec, Turns
from arenas.match import Play, play_pairs
from arenas.replay import MatchRecord
from league.bot_host import match_number
from league.config import Table
from league.entrants import Entrant, Entrants, batch_of, codes, told_apart
from league.rated import records
from league.runs import RunFolder
from matchmaking.records import Player
from matchmaking.service import Matchmaker
from matchmaking.sprt import PairCounts, Sprt, Verdict, estimate

SAVED = "match"
"""What the pairing of all its matches is called where they are kept: they are match/0, match/1, ..."""

LOOK = 16
"""Pairs between two looks at a sequential test."""


@dataclass(frozen=True, slots=True)
class Keep:
    """Who is given every match of a challenge, move by move.

    Attributes:
        write: takes them, when all are played and the result is made.
        options: that the arena was made with beside its name: without them it is another game that is played again.
    """

    write: Callable[[list[MatchRecord]], None]
    options: Table


class Decision(BaseModel):
    """What a sequential test says (`matchmaking.sprt`).

    Attributes:
        llr: log-likelihood ratio of H1 against H0.
        lower, upper: at or below the one H0 is accepted, at or above the other H1.
    """

    model_config = ConfigDict(frozen=True)

    elo0: float
    elo1: float
    alpha: float
    beta: float
    llr: float
    lower: float
    upper: float
    verdict: Verdict


class Result(BaseModel):
    """The outcome of a challenge, from a's view.

    Attributes:
        pairs: seat-swapped pairs in which a scored 0, 1/2, 1, 3/2 and 2 points.
        score: points a game, 0 to 1, with its 95 % interval from the pairs (`matchmaking.sprt.estimate`).
        elo: the difference of that score, with its 95 % interval; None where it is infinite.
        superiority: likelihood that a is the better player, 0 to 1.
        wins_by_seat, draws_by_seat, losses_by_seat: with a in seat 0, then in seat 1.
        seats: how a sat in them, for people; empty where there is one team, and no seats.
        forfeits: of a and of b: how many matches ended by each code of failure.
        sprt: the sequential test, where one was asked for.
    """

    model_config = ConfigDict(frozen=True)

    arena: str
    a: str
    b: str
    seed: int
    games: int
    wins: int
    draws: int
    losses: int
    pairs: tuple[int, int, int, int, int]
    score: float
    score_low: float
    score_high: float
    elo: float | None
    elo_low: float | None
    elo_high: float | None
    superiority: float
    wins_by_seat: tuple[int, int]
    draws_by_seat: tuple[int, int]
    losses_by_seat: tuple[int, int]
    seats: tuple[str, ...] = ("moving first", "moving second")
    forfeits: tuple[dict[str, int], dict[str, int]] = ({}, {})
    sprt: Decision | None = None


def challenge(
    arena: Arena,
    a: str,
    b: str,
    *,
    games: int = 100,
    seed: int = 0,
    temperature: float | None = None,
    sprt: Sprt | None = None,
    isolation: Isolation | None = None,
    run: RunFolder | None = None,
    matchmaker: Matchmaker | None = None,
    keep: Keep | None = None,
) -> Result:
    """Play seat-swapped pairs of matches.

    Args:
        arena: the game.
        a: a path to a checkpoint or a bot, a scripted player such as `alpha_beta:4`, or a player of the run by id, name
            or role.
        b: the same.
        games: how many; an odd number is made even.
        seed: what all randomness follows from; the n-th pair is the same, however many are played.
        temperature: of the policies' softmax; 0 plays the most likely action; None takes what the run's rated matches
            are played with, and 1 where there is no run.
        sprt: a sequential test that ends the challenge when it is decided; `games` are the most that are played.
        isolation: how bots are confined; None takes the run's setting, or `auto`.
        run: whose players can be named.
        matchmaker: of that run.
        keep: is given every match.

    Raises:
        InputError: a player of the run that cannot play.
        UnknownPlayerError, ScriptedPlayerError: a player that cannot be found.
        CheckpointError: a checkpoint that is damaged or of another arena.
        BotRejectedError: a path to what is no bot.
        InfraError: this machine cannot run bots as it should.
    """
    with Entrants(arena, run=run, matchmaker=matchmaker, temperature=temperature, isolation=isolation) as entrants:
        first, second = entrants.find(a), entrants.find(b)
        batch = batch_of((first, second), entrants.settings)
        for bot in (first.bot, second.bot):
            if bot is not None:
                bot.pairing = SAVED
        pairs, outcomes, plays = (games + 1) // 2, "", list[Play]()
        while (start := len(outcomes) // 2) < pairs:
            count = pairs - start if sprt is None else min(LOOK, pairs - start)
            some = play_pairs(
                arena, first.actor, second.actor, count, seed, start=start, batch=batch, record=keep is not None
            )
            outcomes += some.outcomes
            plays += some.plays
            if sprt is not None and sprt.verdict(PairCounts.of(outcomes)) is not Verdict.UNDECIDED:
                break
        failures = first.take_failures(), second.take_failures()
    played = summarise(arena.spec.name, a, b, seed, outcomes, (codes(failures[0]), codes(failures[1])), sprt)
    if keep is not None:
        keep.write(_written(arena, (first, second), plays, failures, keep.options))
    return played.model_copy(update={"seats": _seats(arena.spec)})


def _written(
    arena: Arena,
    entrants: tuple[Entrant, Entrant],
    plays: Sequence[Play],
    failures: tuple[list[FailureRecord], list[FailureRecord]],
    options: Table,
) -> list[MatchRecord]:
    """The matches as they are stored."""
    names = told_apart([entrant.name for entrant in entrants])
    a, b = (Player(id=name, name=name, kind=each.kind) for name, each in zip(names, entrants, strict=True))
    reasons = {
        player.id: [(match_number(each), each) for each in failed]
        for player, failed in zip((a, b), failures, strict=True)
    }
    return records(SAVED, plays, reasons, (a, b), arena, options)


def _seats(spec: ArenaSpec) -> tuple[str, ...]:
    if len(spec.teams) == 1:
        return ()
    if spec.roles:
        return tuple(f"as {role}" for role in spec.roles)
    return ("moving first", "moving second") if spec.turns is Turns.SEQUENTIAL else ("in seat 0", "in seat 1")


def summarise(
    arena: str,
    a: str,
    b: str,
    seed: int,
    outcomes: str,
    forfeits: tuple[dict[str, int], dict[str, int]] = ({}, {}),
    sprt: Sprt | None = None,
) -> Result:
    """Count the outcomes of seat-swapped pairs (see `MatchResult.outcomes`)."""

    def by_seat(letter: str) -> tuple[int, int]:
        return outcomes[0::2].count(letter), outcomes[1::2].count(letter)

    counts = PairCounts.of(outcomes)
    found = estimate(counts)
    elo, elo_low, elo_high = (value if math.isfinite(value) else None for value in found[3:6])
    return Result(
        arena=arena,
        a=a,
        b=b,
        seed=seed,
        games=len(outcomes),
        wins=outcomes.count("w"),
        draws=outcomes.count("d"),
        losses=outcomes.count("l"),
        pairs=counts.as_tuple(),
        score=found.score,
        score_low=found.score_low,
        score_high=found.score_high,
        elo=elo,
        elo_low=elo_low,
        elo_high=elo_high,
        superiority=found.superiority,
        wins_by_seat=by_seat("w"),
        draws_by_seat=by_seat("d"),
        losses_by_seat=by_seat("l"),
        forfeits=forfeits,
        sprt=None if sprt is None else _decision(sprt, counts),
    )


def _decision(sprt: Sprt, counts: PairCounts) -> Decision:
    lower, upper = sprt.bounds()
    return Decision(
        elo0=sprt.elo0,
        elo1=sprt.elo1,
        alpha=sprt.alpha,
        beta=sprt.beta,
        llr=sprt.llr(counts),
        lower=lower,
        upper=upper,
        verdict=sprt.verdict(counts),
    )


def make_arena(run: RunFolder | None, name: str | None) -> Arena:
    """The arena of that name, or the run's own."""
    if name is not None or run is None:
        return arenas.make(name or "connect_four")
    config = run.config()
    return arenas.make(config.arena, **config.arena_options)
