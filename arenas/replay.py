"""One match written down, and played again to the same end.

A record holds the seed, the actions and how the match ended. Playing it again goes through the arena's own rules with
the same chance (`arenas.match`), so every position, observation and legal move comes back; what does not come out as it
is written is an error that names the step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field

from arenas.core import Arena, Observation, State, Turns
from arenas.match import FORFEIT, NOT_PLAYED, RESET_STREAM, STEP_STREAM, Play, ask
from arenas.random import uniforms

SCHEMA = 1
"""Version of `MatchRecord`; another one is refused."""

TOLERANCE = 1e-5
"""How far a return may be off, relative and absolute: sums of float32 differ between machines."""


class ReplayError(ValueError):
    """A record that cannot be played in this arena, or that does not come out as it is written.

    Attributes:
        step: where, None where it is not of one step.
    """

    def __init__(self, message: str, step: int | None = None) -> None:
        super().__init__(message)
        self.step = step


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ForfeitNote(_Model):
    """Who forfeited, and why.

    Attributes:
        team: its index.
        code: such as TIMEOUT; "" where nobody wrote it down.
        message: one line; it may be a stranger's text.
    """

    team: int
    code: str = ""
    message: str = ""


class MatchRecord(_Model):
    """One match.

    Attributes:
        schema_version: of this record.
        id: such as `m_1f00ab/3`.
        arena: name of the arena.
        options: that it was made with.
        seed: of all chance in the match.
        game: which of the games from its seed it is.
        players: who held each team, by name.
        actions: one entry a step: what the agent to move played, or what each agent played in a simultaneous arena
            (`NOT_PLAYED` for one that had nothing to choose). Where somebody forfeited the last entry is of the step
            in which that happened, with `FORFEIT` in its place: the game has not seen that step.
        forfeits: who forfeited.
        returns: by agent.
        truncated: whether a limit outside of the rules ended it.
    """

    schema_version: int = SCHEMA
    id: str
    arena: str
    options: dict[str, Any] = {}
    seed: int = Field(ge=-(2**63), lt=2**63)
    game: int = Field(default=0, ge=0, lt=2**31)
    players: tuple[str, ...]
    actions: tuple[int | tuple[int, ...], ...]
    forfeits: tuple[ForfeitNote, ...] = ()
    returns: tuple[float, ...]
    truncated: bool = False

    @property
    def length(self) -> int:
        """Steps that the game has seen."""
        return len(self.actions) - bool(self.forfeits)


def write_down(
    play: Play,
    *,
    id: str,
    arena: str,
    names: tuple[str, str],
    options: dict[str, Any] | None = None,
    forfeits: Sequence[ForfeitNote] = (),
) -> MatchRecord:
    """The record of a match.

    Args:
        play: as it went.
        id: of the match.
        arena: the name that `arenas.make` takes.
        names: of the two sides.
        options: what `arenas.make` was given beside the name.
        forfeits: what is known of them; a team that forfeited without a note gets an empty one.
    """
    notes = {note.team: note for note in forfeits}
    return MatchRecord(
        id=id,
        arena=arena,
        options=options or {},
        seed=play.seed,
        game=play.game,
        players=tuple(names[side] for side in play.seats),
        actions=play.actions,
        forfeits=tuple(notes.get(team, ForfeitNote(team=team)) for team in play.forfeits),
        returns=play.returns,
        truncated=play.truncated,
    )


@dataclass(frozen=True, slots=True)
class Moment:
    """A position, and what was played in it.

    Attributes:
        step: its number; steps before it.
        state: of the arena, for one environment.
        seen: what every agent is shown, [1, N, *shape]: only the rows of `played` are anybody's.
        played: agent index -> action or `FORFEIT`; empty at the end.
        returns: by agent, so far.
    """

    step: int
    state: State
    seen: Observation
    played: dict[int, int]
    returns: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """A position as one looks at it.

    Attributes:
        step: steps before it.
        moved: (agent, action) of the step that led to it.
        picture: the position as text; "" where the arena has none.
        returns: by agent, so far.
        last: whether the match ends here.
    """

    step: int
    moved: tuple[tuple[str, int], ...]
    picture: str
    returns: tuple[float, ...]
    last: bool


def replay(arena: Arena, record: MatchRecord) -> Iterator[Frame]:
    """Play a match again, a frame for the first position and one after each step.

    Raises:
        ReplayError: the record is not of this arena, or does not come out as it is written.
    """
    before: dict[int, int] = {}
    for moment in moments(arena, record):
        moved = tuple((arena.spec.agents[agent], action) for agent, action in sorted(before.items()))
        yield Frame(moment.step, moved, _picture(arena, moment.state), moment.returns, last=not moment.played)
        before = moment.played


@torch.no_grad()
def moments(arena: Arena, record: MatchRecord) -> Iterator[Moment]:
    """Play a match again, position by position; the last one has nothing played in it.

    A foreign arena keeps its newest position only: use a moment before asking for the next.

    Raises:
        ReplayError: the record is not of this arena, or does not come out as it is written.
    """
    _check_fit(arena, record)
    spec = arena.spec
    seeds = torch.tensor([record.seed])
    live = torch.ones(1, dtype=torch.bool)
    state = arena.reset(uniforms(seeds, 0, spec.reset_uniforms, RESET_STREAM))
    returns = torch.zeros((1, spec.num_agents))
    truncated = forfeited = False
    for number, entry in enumerate(record.actions):
        if not live:
            raise ReplayError(f"{record.id} ended at step {number}, but its record goes on", number)
        seen, to_act = ask(arena, arena.observe(state), arena.turn(state), live)
        played = _played(arena, record, number, entry, seen, to_act)
        yield Moment(number, state, seen, played, tuple(returns[0].tolist()))
        if FORFEIT in played.values():
            _check_forfeits(arena, record, number, played)
            live, forfeited = ~live, True
            continue
        chosen = [played.get(agent, 0) for agent in range(spec.num_agents)]
        actions = torch.tensor([chosen] if spec.turns is Turns.SIMULTANEOUS else list(played.values()))
        chance = uniforms(seeds, number, spec.step_uniforms, STEP_STREAM) if spec.step_uniforms else None
        step = arena.step(state, actions, chance, live)
        state, truncated = step.state, bool(step.truncated)
        returns += step.rewards
        live = live & ~(step.terminated | step.truncated)
    if record.forfeits and not forfeited:
        raise ReplayError(f"{record.id} ends without the forfeit that its record names", record.length)
    if live:
        raise ReplayError(f"{record.id} goes on after step {record.length}, where its record ends", record.length)
    _check_end(record, tuple(returns[0].tolist()), truncated)
    seen, _ = ask(arena, arena.observe(state), arena.turn(state), live)
    yield Moment(record.length, state, seen, {}, tuple(returns[0].tolist()))


def _check_fit(arena: Arena, record: MatchRecord) -> None:
    spec = arena.spec
    if record.schema_version != SCHEMA:
        raise ReplayError(f"{record.id} is written in schema {record.schema_version}; this program reads {SCHEMA}")
    if record.arena != spec.name:
        raise ReplayError(f"{record.id} is a match of {record.arena}, not of {spec.name}")
    if len(record.returns) != spec.num_agents or len(record.players) != len(spec.teams):
        raise ReplayError(
            f"{record.id} has {len(record.players)} teams and {len(record.returns)} agents; "
            f"{spec.name} has {len(spec.teams)} and {spec.num_agents}"
        )


def _played(
    arena: Arena,
    record: MatchRecord,
    step: int,
    entry: int | tuple[int, ...],
    seen: Observation,
    to_act: torch.Tensor,
) -> dict[int, int]:
    """Who played what in a step; all of it legal, or a forfeit."""
    agents = [agent for agent, acts in enumerate(to_act[0].tolist()) if acts]
    names = arena.spec.agents
    if isinstance(entry, int):
        answers = tuple(entry if agent in agents else NOT_PLAYED for agent in range(len(names)))
    else:
        answers = entry
    if isinstance(entry, int) is (arena.spec.turns is Turns.SIMULTANEOUS) or len(answers) != len(names):
        raise ReplayError(f"step {step} of {record.id} is {entry}, which is no step of {arena.spec.name}", step)
    for agent, action in enumerate(answers):
        if agent not in agents:
            if action != NOT_PLAYED:
                raise ReplayError(f"{names[agent]} plays {action} at step {step} of {record.id}, out of turn", step)
            continue
        legal = torch.nonzero(seen.action_mask[0, agent])[:, 0].tolist()
        if action != FORFEIT and action not in legal:
            raise ReplayError(
                f"{names[agent]} plays {action} at step {step} of {record.id}, which is not legal there: "
                f"legal are {', '.join(map(str, legal)) or 'none'}",
                step,
            )
    return {agent: answers[agent] for agent in agents}


def _check_forfeits(arena: Arena, record: MatchRecord, step: int, played: dict[int, int]) -> None:
    failed = [team for team, agents in enumerate(arena.spec.teams) if any(played.get(a) == FORFEIT for a in agents)]
    if failed != sorted(note.team for note in record.forfeits):
        raise ReplayError(
            f"at step {step} of {record.id} the teams {failed} forfeit, but its record names others", step
        )


def _check_end(record: MatchRecord, returns: tuple[float, ...], truncated: bool) -> None:
    if truncated != record.truncated:
        ended = "by a limit outside of the rules" if truncated else "by the rules"
        raise ReplayError(f"{record.id} ends {ended} at step {record.length}, its record says otherwise", record.length)
    for agent, (here, there) in enumerate(zip(returns, record.returns, strict=True)):
        if not math.isclose(here, there, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            raise ReplayError(
                f"{record.id} ends with a return of {here:g} for agent {agent}, its record says {there:g}",
                record.length,
            )


def _picture(arena: Arena, state: State) -> str:
    try:
        return arena.render(state, 0)
    except NotImplementedError:
        return ""
