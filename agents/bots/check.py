"""Trying a bot out before it is entered: on every seat, against itself and against random play, in the real sandbox."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from agents import scripted
from agents.bots.actor import BotActor
from agents.bots.core import BotFailedError, Clocks, FailureRecord
from agents.bots.harness_kaggle import GAMES
from agents.bots.manifest import BotRejectedError, printable
from agents.bots.nursery import Nursery
from agents.bots.source import BotSource
from agents.checkpoint import CheckpointError, read_checkpoint
from agents.teams.all_roles import load_player
from arenas.core import Arena, Observation
from arenas.match import Actor, ActorError, SeatedActor, play_matches
from arenas.random import derive_seeds
from arenas.spelling import nearest

CHECKPOINT = ".safetensors"
MATCHES = 2  # on each seat against random play, and against itself
PATIENCE = 40.0  # seconds after which no more matches are begun: an author is told within a minute


class Tried(BaseModel):
    """Matches of one kind.

    Attributes:
        opponent: `itself` or `random`.
        agent: the first agent of the bot's team; None against itself, where it plays all.
        won, drawn, lost: against random play.
        failed: how many of them ended by a failure of the bot.
    """

    model_config = ConfigDict(frozen=True)

    opponent: str
    agent: str | None
    matches: int
    won: int
    drawn: int
    lost: int
    failed: int


class Report(BaseModel):
    """What came of a check.

    Attributes:
        name, version, language, size: of the bot.
        arena: what it played.
        layers: of the sandbox that it was under; empty for a checkpoint, which is no program.
        ok: whether it played everything without a failure.
        complete: whether all matches were played; not where a failing bot took too long.
        tried: the matches.
        failures: why it failed.
        start_milliseconds: for a process of its own to be ready, with the interpreter warm.
        moves: how many it made.
        move_milliseconds: for a move, with the way there and back: the median.
        slowest_milliseconds: the longest.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    version: str
    language: str
    size: int
    arena: str
    layers: tuple[str, ...] = ()
    ok: bool
    complete: bool = True
    tried: tuple[Tried, ...] = ()
    failures: tuple[FailureRecord, ...] = ()
    start_milliseconds: float | None = None
    moves: int = 0
    move_milliseconds: float | None = None
    slowest_milliseconds: float | None = None


def fits(source: BotSource, arena: str) -> None:
    """Make sure that a bot says that it plays an arena.

    Raises:
        BotRejectedError: it names others only, or it is Kaggle's and Kaggle has no such game.
    """
    if source.arenas and arena not in source.arenas:
        named = ", ".join(printable(each) for each in source.arenas[:5])
        near = nearest(arena, source.arenas)
        hint = f"{printable(near)} should read {arena!r}" if near else f"add {arena!r} to `arenas` if it does"
        raise BotRejectedError(f"its bot.toml says that it plays {named}, not {arena}: {hint}")
    if source.language == "kaggle" and arena not in GAMES:
        raise BotRejectedError(f"a Kaggle agent plays {', '.join(GAMES)}, not {arena}: write `class Bot` or `def act`")


def check_bot(source: BotSource, arena: Arena, nursery: Nursery, clocks: Clocks | None = None, seed: int = 0) -> Report:
    """Play a bot on every seat.

    Args:
        source: the bot.
        arena: the game.
        nursery: starts it, confined.
        clocks: its time.
        seed: of the matches.

    Raises:
        BotRejectedError: it does not play this arena.
        InfraError: the host cannot run it safely, or not at all.
    """
    fits(source, arena.spec.name)
    clocks = clocks or Clocks()
    begun = time.monotonic()
    watch = _Stopwatch()
    tried: list[Tried] = []
    failures: list[FailureRecord] = []
    start: float | None = None
    complete = False
    try:
        start = _start(source, arena, nursery, clocks)  # which may have had to wait for the nursery
        if start < clocks.start / 4:
            start = _start(source, arena, nursery, clocks)
        games = _games(arena)
        for number, (opponent, team) in enumerate(games):
            if time.monotonic() - begun > PATIENCE:
                break
            bot = BotActor(nursery, source, arena.spec, clocks, pairing="check")
            try:
                done, records = _try(arena, bot, watch.timed(bot), opponent, team, seed, number * MATCHES)
            finally:
                bot.close()
            tried.append(done)
            failures += records
        complete = len(tried) == len(games)
    except BotFailedError as error:
        failures.append(error.record)
    return Report(
        name=source.name,
        version=source.version,
        language=source.language,
        size=source.size,
        arena=arena.spec.name,
        layers=tuple(nursery.layers()),
        ok=not failures and complete,
        complete=complete,
        tried=tuple(tried),
        failures=tuple(failures),
        start_milliseconds=None if start is None else 1000 * start,
        moves=len(watch.milliseconds),
        move_milliseconds=median(watch.milliseconds) if watch.milliseconds else None,
        slowest_milliseconds=max(watch.milliseconds, default=None),
    )


def check_checkpoint(path: Path, arena: Arena, name: str, version: str, seed: int = 0) -> Report:
    """Play a checkpoint on every seat. It holds no code and needs no sandbox.

    Raises:
        BotRejectedError: it is no checkpoint for this arena, or its policy is no policy.
    """
    watch = _Stopwatch()
    try:
        parameters, _ = read_checkpoint(path)
        broken = [tensor for tensor, values in parameters.items() if not values.isfinite().all()]
        if broken:
            raise BotRejectedError(f"tensor {printable(broken[0])} of the checkpoint has values that are no numbers")
        agent = load_player(path, arena)
        tried = [
            _try(arena, agent, watch.timed(agent), opponent, team, seed, number * MATCHES)[0]
            for number, (opponent, team) in enumerate(_games(arena))
        ]
    except (CheckpointError, ActorError) as error:
        raise BotRejectedError(" ".join(str(error).split())) from error
    return Report(
        name=name,
        version=version,
        language="checkpoint",
        size=path.stat().st_size,
        arena=arena.spec.name,
        ok=True,
        tried=tuple(tried),
        moves=len(watch.milliseconds),
        move_milliseconds=median(watch.milliseconds),
        slowest_milliseconds=max(watch.milliseconds),
    )


def _games(arena: Arena) -> list[tuple[str, int]]:
    """Opponent, and the team that the bot plays."""
    teams = len(arena.spec.teams)
    return [("itself", 0)] + [("random", team) for team in range(teams) if teams > 1]


def _start(source: BotSource, arena: Arena, nursery: Nursery, clocks: Clocks) -> float:
    begun = time.monotonic()
    process = nursery.start(source, arena.spec, clocks)
    seconds = time.monotonic() - begun
    process.kill()
    return seconds


def _try(
    arena: Arena, bot: Actor, timed: Actor, opponent: str, team: int, seed: int, first: int
) -> tuple[Tried, list[FailureRecord]]:
    """Some matches of the bot, played one after the other so that every move can be timed."""
    spec = arena.spec
    alone = opponent == "itself"
    actors = [timed if alone or seat == team else scripted.make(opponent, spec) for seat in range(len(spec.teams))]
    margins: list[float] = []
    failures: list[FailureRecord] = []
    for number in range(first, first + MATCHES):
        played = play_matches(arena, actors, derive_seeds(seed, 1, number), numbers=[number])
        if isinstance(bot, BotActor):
            failures += [record for _, record in bot.failures]
        if not alone and not played.forfeits.any():
            returns = [float(played.returns[0, list(agents)].sum()) for agents in spec.teams]
            margins.append(returns[team] - max(returns[:team] + returns[team + 1 :]))
    done = Tried(
        opponent=opponent,
        agent=None if alone else spec.agents[spec.teams[team][0]],
        matches=MATCHES,
        won=sum(margin > 0 for margin in margins),
        drawn=sum(margin == 0 for margin in margins),
        lost=sum(margin < 0 for margin in margins),
        failed=len(failures),
    )
    return done, failures


class _Stopwatch:
    """Measures the moves of actors."""

    def __init__(self) -> None:
        self.milliseconds: list[float] = []

    def timed(self, actor: Actor) -> Actor:
        """The same actor, its answers timed."""
        return _Timed(actor, self.milliseconds)


class _Timed:
    def __init__(self, actor: Actor, milliseconds: list[float]) -> None:
        self.name = str(getattr(actor, "name", "the bot"))
        self._actor = actor
        self._milliseconds = milliseconds

    def sit(self, agents: Sequence[str], seeds: Sequence[int], matches: Sequence[int]) -> None:
        if isinstance(self._actor, SeatedActor):
            self._actor.sit(agents, seeds, matches)

    def at_step(self, step: int) -> None:
        if isinstance(self._actor, BotActor):
            self._actor.at_step(step)

    def begin(self, batch: int, device: torch.device) -> None:
        self._actor.begin(batch, device)

    def act(self, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
        begun = time.perf_counter()
        answer = self._actor.act(observation, uniforms, live)
        asked = int(live.sum())
        self._milliseconds += [1000 * (time.perf_counter() - begun) / asked] * asked
        return answer
