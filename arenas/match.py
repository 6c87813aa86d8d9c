"""Playing matches: actors of any kind against each other, a batch of matches in lockstep, each from its own seed.

A match is a function of its seed and of the actors: the chance of the arena and the actors' randomness come from
counter-based streams of the seed (`arenas.random`), so a match is the same alone, among thousands, or played again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from arenas.core import Arena, Observation, Step, Turns
from arenas.random import derive_seeds, uniforms

RESET_STREAM, STEP_STREAM, FIRST_AGENT_STREAM = 0, 1, 2
NOT_PLAYED = -1
"""In a log of actions: the match had ended, or this agent had nothing to choose."""
BATCH = 1024
"""Matches that `play_pairs` plays at once unless told otherwise."""


class Actor(Protocol):
    """What can play: the part of `agents.core.Agent` that a match needs."""

    def begin(self, batch: int, device: torch.device) -> None:
        """Forget everything and be ready for `batch` rows."""

    def act(self, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
        """int64 [rows]: a legal action wherever `live` (bool [rows]).

        A row is one agent in one match. An actor that holds one agent of B matches has B rows; one that holds k agents
        has k * B, agent by agent, so every row can keep a memory of its own. Rows that are not live are blank: zeros,
        and no legal action.
        """


class ActorError(ValueError):
    """An actor's answer is not an answer: its shape or type is wrong."""


class IllegalActionError(ActorError):
    """An actor chose an action that its mask forbids."""

    def __init__(self, actor: str, agent: str, *, step: int, match: int, action: int, legal: Sequence[int]) -> None:
        super().__init__(
            f"{actor} as {agent} played the illegal action {action} at step {step} of match {match}: "
            f"legal were {', '.join(map(str, legal)) or 'none'}"
        )
        self.actor, self.agent, self.step, self.match = actor, agent, step, match
        self.action, self.legal = action, list(legal)


class MatchOutcomes(NamedTuple):
    """What came of B matches.

    Attributes:
        returns: float32 [B, N], the sum of each agent's rewards.
        lengths: int64 [B], steps played.
        truncated: bool [B], ended by a limit outside of the rules.
        actions: int64 [B, T] (sequential) or [B, T, N] (simultaneous) when recorded, T the longest match;
            NOT_PLAYED where nothing was played.
    """

    returns: Tensor
    lengths: Tensor
    truncated: Tensor
    actions: Tensor | None


@dataclass(frozen=True, slots=True)
class _Side:
    """An actor and the agents that it holds, of one team or of several."""

    actor: Actor
    agents: tuple[int, ...]

    @property
    def name(self) -> str:
        return str(getattr(self.actor, "name", type(self.actor).__name__))


@torch.no_grad()
def play_matches(
    arena: Arena, actors: Sequence[Actor], seeds: Tensor, *, game: int = 0, record: bool = False
) -> MatchOutcomes:
    """Play one match a seed, on the device of `seeds`.

    Args:
        arena: any arena.
        actors: one a team. The same object may hold several teams: each of its agents has its own rows.
        seeds: int64 [B].
        game: tells apart matches from the same seed; the chance of the arena is the same in all of them, the actors'
            randomness is not.
        record: whether to keep the actions.

    Raises:
        ActorError: an actor's answer has the wrong shape or type, or is illegal (`IllegalActionError`).
        RuntimeError: the arena outlasts its own `max_steps`.
    """
    spec = arena.spec
    if len(actors) != len(spec.teams):
        raise ValueError(f"{spec.name} has {len(spec.teams)} teams, one actor each, but got {len(actors)} actors")
    sides = _sides(arena, actors)
    for side in sides:
        side.actor.begin(len(side.agents) * len(seeds), seeds.device)
    state = arena.reset(uniforms(seeds, 0, spec.reset_uniforms, RESET_STREAM))
    live = torch.ones(len(seeds), dtype=torch.bool, device=seeds.device)
    returns = torch.zeros((len(seeds), spec.num_agents), device=seeds.device)
    lengths = torch.zeros_like(seeds)
    truncated = torch.zeros_like(live)
    log: list[Tensor] = []
    stream = FIRST_AGENT_STREAM + game * spec.num_agents
    for number in range(spec.max_steps):
        seen, to_act = _ask(arena, arena.observe(state), arena.turn(state), live)
        actions = torch.full_like(to_act, NOT_PLAYED, dtype=torch.int64)
        for side in sides:
            agents = list(side.agents)
            rows = to_act[:, agents].T.reshape(-1)
            if rows.any():
                view = _view(side, seen, rows)
                random = [uniforms(seeds, number, spec.num_actions, stream + agent) for agent in agents]
                chosen = side.actor.act(view, torch.cat(random), rows)
                _check(arena, side, chosen, view.action_mask, live=rows, step=number)
                actions[:, agents] = torch.where(rows, chosen, NOT_PLAYED).view(len(agents), -1).T
        played = actions if spec.turns is Turns.SIMULTANEOUS else actions.amax(dim=1)  # at most one agent has acted
        chance = uniforms(seeds, number, spec.step_uniforms, STEP_STREAM) if spec.step_uniforms else None
        step: Step = arena.step(state, played.clamp(min=0), chance, live)
        state = step.state
        returns += step.rewards
        lengths += live
        truncated |= step.truncated
        live = live & ~(step.terminated | step.truncated)
        log.append(played)
        if not live.any():
            break
    else:
        if live.any():
            raise RuntimeError(
                f"{spec.name}: {int(live.sum())} of {len(seeds)} matches go on after {spec.max_steps} steps, "
                "but max_steps of an arena's spec is an upper bound"
            )
    return MatchOutcomes(returns, lengths, truncated, torch.stack(log, dim=1) if record else None)


def play_pairs(
    arena: Arena,
    a: Actor,
    b: Actor,
    pairs: int,
    seed: int,
    *,
    batch: int = BATCH,
    device: torch.device | None = None,
) -> str:
    """Play seat-swapped pairs of matches of `a` against `b`.

    Both matches of a pair have the same chance; the actors' randomness is fresh in each. The result depends on the
    seed alone, not on `batch`. In an arena of one team a match is a score duel: `a` and `b` play the same seed each by
    itself and the higher return wins; as there are no seats to swap, the two duels of a pair have seeds of their own.

    Args:
        arena: an arena of one or two teams.
        a: an actor.
        b: an actor.
        pairs: how many pairs.
        seed: what all randomness follows from.
        batch: matches played at once.
        device: where to play; the CPU unless told otherwise.

    Returns:
        Two letters a pair, from a's view: with a in seat 0, then with a in seat 1; w, d or l.
    """
    teams = len(arena.spec.teams)
    if teams > 2:
        raise ValueError(f"{arena.spec.name} has {teams} teams: pairs are played in arenas of one or two teams")
    if pairs < 1 or batch < 1:
        raise ValueError(f"pairs and batch must be at least 1, not {pairs} and {batch}")
    letters: list[str] = []
    for first in range(0, pairs, batch):
        count = min(batch, pairs - first)
        if teams == 1:
            seeds = derive_seeds(seed, 2 * count, 2 * first, device)
            ours = play_matches(arena, (a,), seeds, game=0).returns.sum(dim=1)
            theirs = play_matches(arena, (b,), seeds, game=1).returns.sum(dim=1)
            margins = ours - theirs
        else:
            seeds = derive_seeds(seed, count, first, device)
            there = _margin(arena, play_matches(arena, (a, b), seeds, game=0))
            back = -_margin(arena, play_matches(arena, (b, a), seeds, game=1))
            margins = torch.stack((there, back), dim=1).flatten()
        letters.extend("ldw"[int(sign) + 1] for sign in torch.sign(margins).tolist())
    return "".join(letters)


def _margin(arena: Arena, outcomes: MatchOutcomes) -> Tensor:
    """float32 [B]: by how much the first team's return is above the second's."""
    first, second = (outcomes.returns[:, list(team)].sum(dim=1) for team in arena.spec.teams)
    return first - second


def _sides(arena: Arena, actors: Sequence[Actor]) -> list[_Side]:
    held: dict[int, tuple[Actor, tuple[int, ...]]] = {}
    for actor, team in zip(actors, arena.spec.teams, strict=True):
        _, agents = held.get(id(actor), (actor, ()))
        held[id(actor)] = actor, agents + team
    return [_Side(actor, agents) for actor, agents in held.values()]


def _ask(arena: Arena, seen: Observation, turn: Tensor, live: Tensor) -> tuple[Observation, Tensor]:
    """The observations by agent ([B, N, *shape]) and who is to act (bool [B, N])."""
    if arena.spec.turns is Turns.SIMULTANEOUS:  # an agent without a legal action, such as a dead one, does not act
        return seen, live[:, None] & seen.action_mask.any(dim=2)
    agents = arena.spec.num_agents
    everyone = [tensor[:, None].expand(-1, agents, *tensor.shape[1:]) for tensor in seen]
    return Observation(*everyone), live[:, None] & (turn[:, None] == torch.arange(agents, device=turn.device))


def _view(side: _Side, seen: Observation, rows: Tensor) -> Observation:
    """What the agents of a side see, agent by agent; blank where they are not to act: that view is another agent's."""
    observation, mask = (torch.cat([tensor[:, agent] for agent in side.agents]) for tensor in seen)
    return Observation(
        observation.masked_fill(~rows.view(-1, *([1] * (observation.dim() - 1))), 0), mask & rows[:, None]
    )


def _check(arena: Arena, side: _Side, chosen: Tensor, mask: Tensor, *, live: Tensor, step: int) -> None:
    if chosen.shape != live.shape or chosen.dtype != torch.int64:
        raise ActorError(
            f"{side.name} answered at step {step} with {chosen.dtype} {list(chosen.shape)}: "
            f"right would be torch.int64 {list(live.shape)}"
        )
    size = arena.spec.num_actions
    legal = mask.gather(1, chosen.clamp(0, size - 1)[:, None])[:, 0] & (chosen >= 0) & (chosen < size)
    wrong = torch.nonzero(live & ~legal)[:, 0].tolist()
    if wrong:
        row = wrong[0]
        place, match = divmod(row, len(live) // len(side.agents))
        raise IllegalActionError(
            side.name,
            arena.spec.agents[side.agents[place]],
            step=step,
            match=match,
            action=int(chosen[row]),
            legal=torch.nonzero(mask[row])[:, 0].tolist(),
        )
