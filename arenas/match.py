"""Playing matches: actors of any kind against each other, a batch of matches in lockstep, each from its own seed.

A match is a function of its seed and of the actors: the chance of the arena and the actors' randomness come from
counter-based streams of the seed (`arenas.random`), so a match is the same alone, among thousands, or played again.

An actor that can fail, such as somebody's bot, answers `FORFEIT` where it did: its team has lost that match. Who
forfeited is the referee's word and never read from a reward.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from arenas.core import Arena, Observation, Step, Turns
from arenas.random import derive_seeds, uniforms

RESET_STREAM, STEP_STREAM, FIRST_AGENT_STREAM = 0, 1, 2
NOT_PLAYED = -1
"""In a log of actions: the match had ended, or this agent had nothing to choose."""
FORFEIT = -2
"""An actor's answer where it failed: the match ends here, lost for its team, and the game never sees this action."""
BATCH = 1024
"""Matches that `play_pairs` plays at once unless told otherwise."""


class Actor(Protocol):
    """What can play: the part of `agents.core.Agent` that a match needs."""

    def begin(self, batch: int, device: torch.device) -> None:
        """Forget everything and be ready for `batch` rows."""

    def act(self, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
        """int64 [rows]: a legal action, or `FORFEIT`, wherever `live` (bool [rows]).

        A row is one agent in one match. An actor that holds one agent of B matches has B rows; one that holds k agents
        has k * B, agent by agent, so every row can keep a memory of its own. Rows that are not live are blank: zeros,
        and no legal action. An actor whose attribute `draws` is false is given no uniforms: [rows, 0].
        """


@runtime_checkable
class SeatedActor(Protocol):
    """An actor that wants to know which matches it is about to play, such as one that tells them to a process."""

    def sit(self, agents: Sequence[str], seeds: Sequence[int], matches: Sequence[int]) -> None:
        """Called before each `begin`, whose rows are `agents` times matches, agent by agent.

        Args:
            agents: names of the agents that it holds.
            seeds: of the matches.
            matches: their numbers: where they stand among all that are played from one seed (`play_pairs`).
        """


@runtime_checkable
class SteppedActor(Protocol):
    """An actor that wants to know which step of the matches it is asked in."""

    def at_step(self, step: int) -> None:
        """Called before each `act`."""


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
        forfeits: bool [B, teams], who ended the match by a `FORFEIT`; the step in which that happened is not counted.
        actions: int64 [B, T] (sequential) or [B, T, N] (simultaneous) when recorded, T the longest match;
            NOT_PLAYED where nothing was played, FORFEIT in the step in which a match was forfeited.
    """

    returns: Tensor
    lengths: Tensor
    truncated: Tensor
    forfeits: Tensor
    actions: Tensor | None


@dataclass(frozen=True, slots=True)
class Play:
    """One match as it went, for those who want to see it again.

    Attributes:
        match: its number in its pairing. The two halves of a score duel have the same.
        game: which of the games from its seed.
        seats: for each team which side played it: 0 for a, 1 for b.
        seed: what its chance follows from.
        actions: one entry a step: what the agent to move played, or what each agent played in a simultaneous arena.
            Where somebody forfeited the last entry is of the step in which that happened, with FORFEIT in its place.
        forfeits: the teams that forfeited.
        returns: by agent.
        truncated: whether a limit outside of the rules ended it.
    """

    match: int
    game: int
    seats: tuple[int, ...]
    seed: int
    actions: tuple[int | tuple[int, ...], ...]
    forfeits: tuple[int, ...]
    returns: tuple[float, ...]
    truncated: bool


class PairsPlayed(NamedTuple):
    """What came of seat-swapped pairs.

    Attributes:
        outcomes: two letters a pair, from a's view: with a in seat 0, then with a in seat 1; w, d or l.
        forfeits: (match, side) where a side failed: the match is the place of its letter, the side 0 for a, 1 for b.
        plays: the matches as they went, in the order of their numbers; empty where nothing was recorded.
    """

    outcomes: str
    forfeits: tuple[tuple[int, int], ...]
    plays: tuple[Play, ...]


@dataclass(frozen=True, slots=True)
class _Side:
    """An actor and the agents that it holds, of one team or of several; `stepped`: itself where it counts steps."""

    actor: Actor
    agents: tuple[int, ...]
    stepped: SteppedActor | None

    @property
    def name(self) -> str:
        return str(getattr(self.actor, "name", type(self.actor).__name__))

    @property
    def draws(self) -> bool:
        """Whether the actor uses the uniforms that it is given: making them is a third of a step of a small batch."""
        return bool(getattr(self.actor, "draws", True))


@torch.no_grad()
def play_matches(
    arena: Arena,
    actors: Sequence[Actor],
    seeds: Tensor,
    *,
    game: int = 0,
    record: bool = False,
    numbers: Sequence[int] | None = None,
) -> MatchOutcomes:
    """Play one match a seed, on the device of `seeds`.

    Args:
        arena: any arena.
        actors: one a team. The same object may hold several teams: each of its agents has its own rows.
        seeds: int64 [B].
        game: tells apart matches from the same seed; the chance of the arena is the same in all of them, the actors'
            randomness is not.
        record: whether to keep the actions.
        numbers: of the matches, for actors that want to be told (`SeatedActor`); 0, 1, ... by default.

    Raises:
        ActorError: an actor's answer has the wrong shape or type, or is illegal (`IllegalActionError`).
        RuntimeError: the arena outlasts its own `max_steps`.
    """
    spec = arena.spec
    if len(actors) != len(spec.teams):
        raise ValueError(f"{spec.name} has {len(spec.teams)} teams, one actor each, but got {len(actors)} actors")
    sides = _seated(arena, actors, seeds, range(len(seeds)) if numbers is None else numbers)
    state = arena.reset(uniforms(seeds, 0, spec.reset_uniforms, RESET_STREAM))
    live = torch.ones(len(seeds), dtype=torch.bool, device=seeds.device)
    returns = torch.zeros((len(seeds), spec.num_agents), device=seeds.device)
    lengths = torch.zeros_like(seeds)
    truncated = torch.zeros_like(live)
    forfeits = torch.zeros((len(seeds), len(spec.teams)), dtype=torch.bool, device=seeds.device)
    log: list[Tensor] = []
    stream = FIRST_AGENT_STREAM + game * spec.num_agents
    for number in range(spec.max_steps):
        seen, to_act = ask(arena, arena.observe(state), arena.turn(state), live)
        actions = torch.full_like(to_act, NOT_PLAYED, dtype=torch.int64)
        for side in sides:
            agents = list(side.agents)
            rows = to_act[:, agents].T.reshape(-1)
            if rows.any():
                chosen = _answer(arena, side, _view(side, seen, rows), rows, seeds=seeds, step=number, stream=stream)
                actions[:, agents] = torch.where(rows, chosen, NOT_PLAYED).view(len(agents), -1).T
        failed = actions == FORFEIT
        if failed.any():
            forfeits |= torch.stack([failed[:, list(team)].any(dim=1) for team in spec.teams], dim=1)
            live = live & ~failed.any(dim=1)
        played = actions if spec.turns is Turns.SIMULTANEOUS else _only_one(actions, failed)
        log.append(played)
        if not live.any():
            break
        chance = uniforms(seeds, number, spec.step_uniforms, STEP_STREAM) if spec.step_uniforms else None
        step: Step = arena.step(state, played.clamp(min=0), chance, live)
        state = step.state
        returns += step.rewards
        lengths += live
        truncated |= step.truncated
        live = live & ~(step.terminated | step.truncated)
        if not live.any():
            break
    else:
        if live.any():
            raise RuntimeError(
                f"{spec.name}: {int(live.sum())} of {len(seeds)} matches go on after {spec.max_steps} steps, "
                "but max_steps of an arena's spec is an upper bound"
            )
    return MatchOutcomes(returns, lengths, truncated, forfeits, torch.stack(log, dim=1) if record else None)


def play_pairs(
    arena: Arena,
    a: Actor,
    b: Actor,
    pairs: int,
    seed: int,
    *,
    start: int = 0,
    batch: int = BATCH,
    device: torch.device | None = None,
    record: bool = False,
) -> PairsPlayed:
    """Play seat-swapped pairs of matches of `a` against `b`.

    Both matches of a pair have the same chance; the actors' randomness is fresh in each. The result depends on the
    seed alone, not on `batch`. In an arena of one team a match is a score duel: `a` and `b` play the same seed each by
    itself and the higher return wins; as there are no seats to swap, the two duels of a pair have seeds of their own.
    Whoever forfeits loses, however far ahead it was; where both do, in one step or in their halves of a duel, it is a
    draw.

    Args:
        arena: an arena of one or two teams.
        a: an actor.
        b: an actor.
        pairs: how many pairs.
        seed: what all randomness follows from.
        start: number of the first pair: 20 pairs are the same as 15 and, from pair 15 on, 5.
        batch: pairs played at once.
        device: where to play; the CPU unless told otherwise.
        record: whether to keep how each match went.
    """
    teams = len(arena.spec.teams)
    if teams > 2:
        raise ValueError(f"{arena.spec.name} has {teams} teams: pairs are played in arenas of one or two teams")
    if pairs < 1 or batch < 1:
        raise ValueError(f"pairs and batch must be at least 1, not {pairs} and {batch}")
    letters: list[str] = []
    forfeits: list[tuple[int, int]] = []
    plays: list[Play] = []
    for first in range(start, start + pairs, batch):
        count = min(batch, start + pairs - first)
        numbers = torch.arange(2 * first, 2 * (first + count))  # of the matches
        games: list[tuple[tuple[int, ...], tuple[Actor, ...], Tensor]]
        if teams == 1:
            seeds = derive_seeds(seed, 2 * count, 2 * first, device)
            games = [((0,), (a,), numbers), ((1,), (b,), numbers)]
        else:
            seeds = derive_seeds(seed, count, first, device)
            games = [((0, 1), (a, b), numbers[0::2]), ((1, 0), (b, a), numbers[1::2])]
        margins = torch.zeros(2 * count)
        failed = torch.zeros((2 * count, 2), dtype=torch.bool)
        for game, (seats, actors, places) in enumerate(games):
            played = play_matches(arena, actors, seeds, game=game, record=record, numbers=places.tolist())
            for team, side in enumerate(seats):
                share = played.returns[:, list(arena.spec.teams[team])].sum(dim=1).cpu()
                margins[places - 2 * first] += share if side == 0 else -share
                failed[places - 2 * first, side] = played.forfeits[:, team].cpu()
            plays.extend(_plays(played, game, seats, seeds.tolist(), places.tolist()) if record else ())
        signs = torch.where(failed.any(dim=1), failed[:, 1].long() - failed[:, 0].long(), torch.sign(margins).long())
        letters.extend("ldw"[sign + 1] for sign in signs.tolist())
        forfeits.extend((2 * first + match, side) for match, side in torch.nonzero(failed).tolist())
    plays.sort(key=lambda play: (play.match, play.game))
    return PairsPlayed("".join(letters), tuple(forfeits), tuple(plays))


def _plays(
    played: MatchOutcomes, game: int, seats: tuple[int, ...], seeds: Sequence[int], matches: Sequence[int]
) -> Iterator[Play]:
    """The matches of a batch one by one."""
    assert played.actions is not None  # they were recorded
    actions, lengths, returns = played.actions.tolist(), played.lengths.tolist(), played.returns.tolist()
    truncated, forfeits = played.truncated.tolist(), played.forfeits.tolist()
    for row, match in enumerate(matches):
        log = actions[row][: lengths[row] + any(forfeits[row])]  # with the step in which somebody failed
        yield Play(
            match=match,
            game=game,
            seats=seats,
            seed=seeds[row],
            actions=tuple(tuple(step) if isinstance(step, list) else step for step in log),
            forfeits=tuple(team for team, failed in enumerate(forfeits[row]) if failed),
            returns=tuple(returns[row]),
            truncated=truncated[row],
        )


def _only_one(actions: Tensor, failed: Tensor) -> Tensor:
    """int64 [B]: what the one agent that has acted, if any, answered."""
    return torch.where(failed.any(dim=1), FORFEIT, actions.amax(dim=1))


def _seated(arena: Arena, actors: Sequence[Actor], seeds: Tensor, numbers: Sequence[int]) -> list[_Side]:
    """The sides, told which matches they are about to play."""
    held: dict[int, tuple[Actor, tuple[int, ...]]] = {}
    for actor, team in zip(actors, arena.spec.teams, strict=True):
        _, agents = held.get(id(actor), (actor, ()))
        held[id(actor)] = actor, agents + team
    sides = []
    for actor, agents in held.values():
        if isinstance(actor, SeatedActor):
            actor.sit([arena.spec.agents[agent] for agent in agents], seeds.tolist(), numbers)
        actor.begin(len(agents) * len(seeds), seeds.device)
        sides.append(_Side(actor, agents, actor if isinstance(actor, SteppedActor) else None))
    return sides


def _answer(
    arena: Arena, side: _Side, view: Observation, rows: Tensor, *, seeds: Tensor, step: int, stream: int
) -> Tensor:
    """int64 [rows]: what a side plays, looked over; `stream` is that of agent 0's randomness in this game."""
    if side.stepped is not None:
        side.stepped.at_step(step)
    if side.draws:
        size = arena.spec.num_actions
        random = torch.cat([uniforms(seeds, step, size, stream + agent) for agent in side.agents])
    else:
        random = torch.empty((len(rows), 0), device=rows.device)
    chosen = side.actor.act(view, random, rows)
    _check(arena, side, chosen, view.action_mask, live=rows, step=step)
    return chosen


def ask(arena: Arena, seen: Observation, turn: Tensor, live: Tensor) -> tuple[Observation, Tensor]:
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
    wrong = torch.nonzero(live & ~legal & (chosen != FORFEIT))[:, 0].tolist()
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
