"""Whole episodes of a team: collected by B environments in lockstep, and kept for learning off-policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from agents.teams.core import Behaviour, TeamMisfitError, TeamSetup
from agents.teams.saved import check_saved
from arenas.match import RESET_STREAM, STEP_STREAM
from arenas.random import derive_seeds, uniforms


class Episodes(NamedTuple):
    """B episodes, padded to T steps.

    An observation stands before its step; the one after the last step is the TRUE final observation, which a truncated
    episode is bootstrapped from. What stands behind that has no meaning.

    Attributes:
        observation: float32 [B, T + 1, N, O].
        action_mask: bool [B, T + 1, N, A].
        state: float32 [B, T + 1, G], the global state that centralised training may see.
        action: int64 [B, T, N].
        reward: float32 [B, T, N], each agent's own.
        terminated: bool [B, T], the rules ended the episode by this step.
        truncated: bool [B, T], a limit outside of the rules did.
        filled: bool [B, T], whether the step was played at all.
    """

    observation: Tensor
    action_mask: Tensor
    state: Tensor
    action: Tensor
    reward: Tensor
    terminated: Tensor
    truncated: Tensor
    filled: Tensor

    @property
    def observed(self) -> Tensor:
        """bool [B, T + 1], which observations were made: before every step that was played, and the last."""
        return torch.cat((torch.ones_like(self.filled[:, :1]), self.filled), dim=1)

    @property
    def lengths(self) -> Tensor:
        """int64 [B], steps played."""
        return self.filled.sum(dim=1)

    @property
    def returns(self) -> Tensor:
        """float32 [B]: the return of the team, the sum over its agents."""
        return self.reward.sum(dim=(1, 2))


def discounted_sums(values: Tensor, rate: float) -> Tensor:
    """y_t = x_t + rate y_{t + 1} over whole episodes, x 0 behind their ends: [B, T, ...] -> [B, T, ...].

    One product with the matrix of rate^(u - t) takes a tenth of the time of T steps.
    """
    steps = torch.arange(values.shape[1], device=values.device)
    ahead = steps - steps.unsqueeze(1)
    weights = torch.where(ahead < 0, 0.0, torch.tensor(rate, device=values.device) ** ahead.clamp(min=0))
    return (weights @ values.flatten(2)).view(values.shape) if values.dim() > 2 else values @ weights.T


def empty_episodes(setup: TeamSetup, count: int, device: torch.device, *, state: bool = True) -> Episodes:
    """Blank episodes of the arena's longest length; `state=False` leaves the global state 0 wide."""
    horizon, agents = setup.arena.spec.max_steps, setup.num_agents

    def blank(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.zeros(count, *shape, dtype=dtype, device=device)

    return Episodes(
        observation=blank(horizon + 1, agents, setup.observation_size),
        action_mask=blank(horizon + 1, agents, setup.num_actions, dtype=torch.bool),
        state=blank(horizon + 1, setup.state_size if state else 0),
        action=blank(horizon, agents, dtype=torch.int64),
        reward=blank(horizon, agents),
        terminated=blank(horizon, dtype=torch.bool),
        truncated=blank(horizon, dtype=torch.bool),
        filled=blank(horizon, dtype=torch.bool),
    )


class Collector:
    """B environments of a one-team arena that begin and end their episodes together.

    Chance is counter-based: episode k is the same game whatever B is, and all there is to save is how many were begun.

    Args:
        setup: the team.
        environments: B.
        seed: of the environments' chance.
        device: where.

    Raises:
        TeamMisfitError: the arena has other teams beside this one.
    """

    def __init__(self, setup: TeamSetup, environments: int, seed: int, device: torch.device) -> None:
        spec = setup.arena.spec
        if len(spec.teams) != 1:
            raise TeamMisfitError(
                f"{spec.name} has {len(spec.teams)} teams: outside of a league a team trains in an arena of one team"
            )
        self.setup, self.environments, self.seed, self.device = setup, environments, seed, device
        self.begun = 0
        self._own_state = bool(spec.state_shape)

    def collect(self, behaviour: Behaviour) -> Episodes:
        """Play one episode in every environment, to its end.

        The result is the caller's to keep: nothing of it is written to later.
        """
        arena, spec = self.setup.arena, self.setup.arena.spec
        agents = list(self.setup.agents)
        seeds = derive_seeds(self.seed, self.environments, self.begun, self.device)
        self.begun += self.environments
        episodes = empty_episodes(self.setup, self.environments, self.device)
        state = arena.reset(uniforms(seeds, 0, spec.reset_uniforms, RESET_STREAM))
        live = torch.ones(self.environments, dtype=torch.bool, device=self.device)
        behaviour.begin(self.environments)
        seen = mask = None
        for number in range(spec.max_steps + 1):
            observed = arena.observe(state)
            seen = observed.observation[:, agents].flatten(2)
            mask = observed.action_mask[:, agents]
            episodes.observation[:, number] = seen
            episodes.action_mask[:, number] = mask
            if self._own_state:
                episodes.state[:, number] = arena.global_state(state).flatten(1)
            if not live.any():
                break
            if number == spec.max_steps:
                raise RuntimeError(f"{spec.name}: episodes go on after max_steps, {spec.max_steps}")
            actions = behaviour.act(seen, mask, live)
            chance = uniforms(seeds, number, spec.step_uniforms, STEP_STREAM) if spec.step_uniforms else None
            step = arena.step(state, actions, chance, live)
            state = step.state
            episodes.action[:, number] = actions * live[:, None]
            episodes.reward[:, number] = step.rewards[:, agents]
            episodes.terminated[:, number] = step.terminated
            episodes.truncated[:, number] = step.truncated
            episodes.filled[:, number] = live
            live = live & ~(step.terminated | step.truncated)
        if not self._own_state:
            episodes.state.copy_(episodes.observation.flatten(2))
        return episodes


class EpisodeBuffer:
    """The newest episodes, up to a number, in tensors that are allocated once.

    Args:
        setup: the team.
        capacity: episodes that are kept.
        device: where.

    Attributes:
        count: episodes that it holds.
    """

    def __init__(self, setup: TeamSetup, capacity: int, device: torch.device) -> None:
        # Where the arena has no state of its own the global state is the observations: not kept twice.
        self._own_state = bool(setup.arena.spec.state_shape)
        self.capacity = capacity
        self.episodes = empty_episodes(setup, capacity, device, state=self._own_state)
        self.count = 0
        self._next = 0

    def add(self, episodes: Episodes) -> None:
        """Keep episodes in place of the oldest ones."""
        new = len(episodes.filled)
        if new > self.capacity:
            raise ValueError(f"{new} episodes do not fit into a buffer of {self.capacity}")
        places = (torch.arange(new, device=episodes.filled.device) + self._next) % self.capacity
        if not self._own_state:
            episodes = episodes._replace(state=episodes.state[..., :0])
        for kept, tensor in zip(self.episodes, episodes, strict=True):
            kept.index_copy_(0, places, tensor)
        self._next = (self._next + new) % self.capacity
        self.count = min(self.count + new, self.capacity)

    def sample(self, size: int, generator: torch.Generator) -> Episodes:
        """`size` different episodes, all equally likely, cut to the longest among them."""
        order = torch.randperm(self.count, generator=generator, device=generator.device)[:size]
        longest = int(self.episodes.filled[order].sum(dim=1).max())
        ends = [longest + 1] * 3 + [longest] * 5
        picked = [tensor[:, :end].index_select(0, order) for tensor, end in zip(self.episodes, ends, strict=True)]
        episodes = Episodes(*picked)
        return episodes if self._own_state else episodes._replace(state=episodes.observation.flatten(2))

    def tensors(self) -> dict[str, Tensor]:
        """What has to be saved, by name; views."""
        held = {f"buffer.{name}": tensor[: self.count] for name, tensor in self.episodes._asdict().items()}
        return held | {"buffer.next": torch.tensor(self._next)}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `tensors` gave.

        Raises:
            ValueError: it was saved for other shapes, or for a smaller buffer.
        """
        filled = tensors.get("buffer.filled", torch.zeros(0))
        count = min(filled.shape[0] if filled.dim() else 0, self.capacity)
        own = {f"buffer.{name}": tensor[:count] for name, tensor in self.episodes._asdict().items()}
        check_saved("buffer", tensors, own | {"buffer.next": torch.tensor(self._next)})
        following = int(tensors["buffer.next"])
        if not 0 <= following < self.capacity:
            raise ValueError(f"saved buffer: buffer.next does not fit: {following} of {self.capacity}")
        self.count, self._next = count, following
        for name, kept in self.episodes._asdict().items():
            kept[: self.count].copy_(tensors[f"buffer.{name}"])
