"""A small team in the shape of a larger one: what it takes to train one network on teams that grow.

Observations change in size with a team. Here they are padded entity by entity: what is seen is a row of blocks, each of
things of one kind (landmarks, other agents, food); a block of a smaller team is put at the beginning of the larger
team's block, and what is not there looks like nothing. So a number that the network reads means the same in all teams.
An agent that the small team lacks is there as a dead one: it has no legal action and is rewarded nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from arenas.core import Arena, ArenaSpec, Observation, State, Step
from arenas.wrapping import WrappedArena


class Entities(NamedTuple):
    """A block of an observation: things of one kind.

    Attributes:
        number: how many.
        blank: what each of its numbers is where there is nothing.
    """

    number: int
    blank: tuple[float, ...]


@runtime_checkable
class Resizable(Protocol):
    """An arena of one team that can be made with fewer or more agents; what else it is stays."""

    spec: ArenaSpec

    def entities(self) -> tuple[Entities, ...]:
        """The blocks of an agent's observation, in their order; the same kinds for every size of the team."""

    def resized(self, agents: int) -> Arena:
        """The arena with another number of agents."""


class PaddedTeam(WrappedArena):
    """The arena `small` as those see it who know `large`: its observations, agents, number of actions.

    Args:
        small: the arena that is played.
        large: the arena in whose shape; the same game with at least as many agents.

    Raises:
        ValueError: the two are not of one kind.
    """

    def __init__(self, small: Arena, large: Arena) -> None:
        ours, theirs = small.spec, large.spec
        if not isinstance(small, Resizable) or not isinstance(large, Resizable) or ours.name != theirs.name:
            raise ValueError(f"{ours.name} cannot be padded to {theirs.name}: its team has one size only")
        if ours.num_agents > theirs.num_agents or ours.max_steps != theirs.max_steps:
            raise ValueError(f"{ours.name} with {ours.num_agents} agents is no part of one with {theirs.num_agents}")
        super().__init__(
            small,
            replace(
                theirs,
                reset_uniforms=ours.reset_uniforms,
                step_uniforms=ours.step_uniforms,
                truncates=ours.truncates,
                common_reward=ours.common_reward and ours.num_agents == theirs.num_agents,
            ),
        )
        self.agents = ours.num_agents
        places: list[int] = []
        blank: list[float] = []
        for own, whole in zip(small.entities(), large.entities(), strict=True):
            places += range(len(blank), len(blank) + own.number * len(own.blank))
            blank += whole.blank * whole.number
        self._places, self._blank = torch.tensor(places), torch.tensor(blank)

    def observe(self, state: State, agent: int | None = None, dtype: torch.dtype = torch.float32) -> Observation:
        seen, mask = self.arena.observe(state, dtype=dtype)
        batch, agents, actions = mask.shape
        whole = self._blank.to(seen.device, dtype).repeat(batch, self.spec.num_agents, 1)
        whole[:, :agents, self._places.to(seen.device)] = seen.flatten(2)
        legal = torch.zeros(batch, self.spec.num_agents, actions, dtype=torch.bool, device=mask.device)
        legal[:, :agents] = mask
        return Observation(whole, legal) if agent is None else Observation(whole[:, agent], legal[:, agent])

    def global_state(self, state: State, dtype: torch.dtype = torch.float32) -> Tensor:
        return self.observe(state, dtype=dtype).observation.flatten(1)

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        step = self.arena.step(state, actions[:, : self.agents], uniforms, live)
        rewards = step.rewards.new_zeros(len(actions), self.spec.num_agents)
        rewards[:, : self.agents] = step.rewards
        return step._replace(rewards=rewards)
