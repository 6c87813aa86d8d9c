"""A small unrated challenge between two players: it is played here and now, and nothing is written."""

from __future__ import annotations

from statistics import NormalDist

from pydantic import BaseModel, ConfigDict

import arenas
from arenas.core import Arena
from arenas.match import play_pairs
from league.entrants import Entrants, batch_of, codes
from league.runs import RunFolder
from matchmaking.service import Matchmaker

Z95 = NormalDist().inv_cdf(0.975)


class Result(BaseModel):
    """The outcome of a challenge, from a's view.

    Attributes:
        score: points a game, 0 to 1, with its 95 % interval (Wilson).
        wins_by_seat, draws_by_seat, losses_by_seat: with a in seat 0, then in seat 1.
        forfeits: of a and of b: how many matches ended by each code of failure.
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
    score: float
    score_low: float
    score_high: float
    wins_by_seat: tuple[int, int]
    draws_by_seat: tuple[int, int]
    losses_by_seat: tuple[int, int]
    forfeits: tuple[dict[str, int], dict[str, int]] = ({}, {})


def challenge(
    arena: Arena,
    a: str,
    b: str,
    *,
    games: int = 100,
    seed: int = 0,
    temperature: float | None = None,
    run: RunFolder | None = None,
    matchmaker: Matchmaker | None = None,
) -> Result:
    """Play seat-swapped pairs of matches.

    Args:
        arena: the game.
        a: a path to a checkpoint or a bot, a scripted player such as `alpha_beta:4`, or a player of the run by id, name
            or role.
        b: the same.
        games: how many; an odd number is made even.
        seed: what all randomness follows from.
        temperature: of the policies' softmax; 0 plays the most likely action; None takes what the run's rated matches
            are played with, and 1 where there is no run.
        run: whose players can be named.
        matchmaker: of that run.

    Raises:
        InputError: a player of the run that cannot play.
        UnknownPlayerError, ScriptedPlayerError: a player that cannot be found.
        CheckpointError: a checkpoint that is damaged or of another arena.
        BotRejectedError: a path to what is no bot.
        InfraError: this machine cannot run bots as it should.
    """
    with Entrants(arena, run=run, matchmaker=matchmaker, temperature=temperature) as entrants:
        first, second = entrants.find(a), entrants.find(b)
        batch = batch_of((first, second), entrants.settings)
        played = play_pairs(arena, first.actor, second.actor, (games + 1) // 2, seed, batch=batch)
        failures = codes(first.take_failures()), codes(second.take_failures())
    return summarise(arena.spec.name, a, b, seed, played.outcomes, failures)


def summarise(
    arena: str,
    a: str,
    b: str,
    seed: int,
    outcomes: str,
    forfeits: tuple[dict[str, int], dict[str, int]] = ({}, {}),
) -> Result:
    """Count the outcomes of seat-swapped pairs (see `MatchResult.outcomes`)."""

    def by_seat(letter: str) -> tuple[int, int]:
        return outcomes[0::2].count(letter), outcomes[1::2].count(letter)

    games = len(outcomes)
    score = (outcomes.count("w") + 0.5 * outcomes.count("d")) / games
    low, high = wilson(score, games)
    return Result(
        arena=arena,
        a=a,
        b=b,
        seed=seed,
        games=games,
        wins=outcomes.count("w"),
        draws=outcomes.count("d"),
        losses=outcomes.count("l"),
        score=score,
        score_low=low,
        score_high=high,
        wins_by_seat=by_seat("w"),
        draws_by_seat=by_seat("d"),
        losses_by_seat=by_seat("l"),
        forfeits=forfeits,
    )


def wilson(share: float, count: int) -> tuple[float, float]:
    """95 % interval of a share of `count` trials (Wilson 1927); with draws as halves it is a little too wide."""
    z2 = Z95 * Z95 / count
    middle = (share + z2 / 2) / (1 + z2)
    half = Z95 / (1 + z2) * (share * (1 - share) / count + z2 / (4 * count)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def make_arena(run: RunFolder | None, name: str | None) -> Arena:
    """The arena of that name, or the run's own."""
    if name is not None or run is None:
        return arenas.make(name or "connect_four")
    config = run.config()
    return arenas.make(config.arena, **config.arena_options)
