"""A small unrated challenge between two players: it is played here and now, and nothing is written."""

from __future__ import annotations

import os
from pathlib import Path
from statistics import NormalDist

from pydantic import BaseModel, ConfigDict

import arenas
from agents.checkpoint import CheckpointStore
from agents.core import Agent
from agents.policy import load_agent
from agents.scripted import is_scripted, make
from arenas.core import Arena
from arenas.match import play_pairs
from league.errors import InputError
from league.roster import Roster, UnplayableError
from league.runs import RunFolder
from matchmaking.records import Player
from matchmaking.service import Matchmaker

CHECKPOINT = ".safetensors"
Z95 = NormalDist().inv_cdf(0.975)


class Result(BaseModel):
    """The outcome of a challenge, from a's view.

    Attributes:
        score: points a game, 0 to 1, with its 95 % interval (Wilson).
        wins_by_seat, draws_by_seat, losses_by_seat: with a in seat 0, then in seat 1.
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
        a: a path to a checkpoint, a scripted player such as `alpha_beta:4`, or a player of the run by id, name or role.
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
    """
    if temperature is None:
        temperature = run.config().evaluation.temperature if run is not None else 1.0
    agents = [_agent(text, arena, temperature, run, matchmaker) for text in (a, b)]
    outcomes = play_pairs(arena, agents[0], agents[1], (games + 1) // 2, seed).outcomes
    return summarise(arena.spec.name, a, b, seed, outcomes)


def summarise(arena: str, a: str, b: str, seed: int, outcomes: str) -> Result:
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
    )


def wilson(share: float, count: int) -> tuple[float, float]:
    """95 % interval of a share of `count` trials (Wilson 1927); with draws as halves it is a little too wide."""
    z2 = Z95 * Z95 / count
    middle = (share + z2 / 2) / (1 + z2)
    half = Z95 / (1 + z2) * (share * (1 - share) / count + z2 / (4 * count)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def _agent(text: str, arena: Arena, temperature: float, run: RunFolder | None, matchmaker: Matchmaker | None) -> Agent:
    path = Path(text)
    if text.endswith(CHECKPOINT) or (os.sep in text and path.exists()):
        return load_agent(path, arena, temperature=temperature)
    if run is None or matchmaker is None or is_scripted(text):
        return make(text, arena.spec)
    return _member(matchmaker.find(text), arena, temperature, run)


def _member(player: Player, arena: Arena, temperature: float, run: RunFolder) -> Agent:
    roster = Roster(arena, CheckpointStore(run.checkpoints), temperature, lambda _: player)
    try:
        return roster.agent(player.id)
    except UnplayableError as error:
        raise InputError(str(error)) from error


def make_arena(run: RunFolder | None, name: str | None) -> Arena:
    """The arena of that name, or the run's own."""
    if name is not None or run is None:
        return arenas.make(name or "connect_four")
    config = run.config()
    return arenas.make(config.arena, **config.arena_options)
