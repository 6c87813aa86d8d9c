"""The vocabulary of the package: what an arena is, what it takes and what it gives.

An arena is a game whose rules are a batched program: `B` environments are advanced by one call. The state of a native
arena is a dict of tensors and its rules are pure functions of it, so they run on any device, under `torch.compile`, and
can be asked "what if". All randomness comes in by argument as uniforms in [0, 1): the same uniforms give the same game.

Shapes: `B` environments, `N` agents of the arena, `A` actions.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import torch
from torch import Tensor

State = dict[str, Tensor]
"""The state of `B` environments: every tensor has the environments as its first dimension."""


class Turns(StrEnum):
    """Who acts in a step of an arena."""

    SEQUENTIAL = "sequential"  # one agent a step: the one that `Arena.turn` names
    SIMULTANEOUS = "simultaneous"  # all agents together


@dataclass(frozen=True, slots=True)
class Symmetry:
    """A symmetry of the rules: the game seen through it is the same game.

    Attributes:
        observation: permutation of the flattened observation; seen[i] = original[observation[i]].
        action: permutation of the actions; seen action i is the original action[i].
    """

    observation: tuple[int, ...]
    action: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ArenaSpec:
    """What can be known of an arena without playing it.

    Attributes:
        name: the name that `arenas.make` takes.
        agents: PettingZoo's word for the slots that act, in the order of their seats.
        teams: for each team the indices of its agents. A player controls one team.
        observation_shape: shape of one agent's observation.
        num_actions: size of the discrete action space, the same for every agent.
        turns: sequential or simultaneous.
        max_steps: an upper bound on the steps (plies or joint moves) of an episode.
        reset_uniforms: how many uniforms an environment's reset consumes.
        step_uniforms: how many uniforms a step consumes.
        truncates: whether an episode can end by a limit that is not part of the rules.
        pure: whether the rules are pure tensor functions (native arenas), as opposed to processes behind the state.
        symmetries: the symmetries other than the identity.
        roles: what each team is, such as `predators` and `prey`, where teams are not alike; empty where they are.
        common_reward: whether the agents of a team are all rewarded with the same number at every step, which value
            decomposition (VDN, QMIX) needs.
        action_counts: how many actions each agent has, where agents differ: the actions behind are never legal.
        observation_sizes: how many numbers of the flattened observation each agent has, where agents differ: those
            behind are zero.
        state_shape: shape of the global state that centralised training sees; empty where that is all observations,
            one agent after the other.
        reward_delay: steps by which rewards trail the actions: 1 where what is done now shows first in the next step's.
        description: one line for people.
    """

    name: str
    agents: tuple[str, ...]
    teams: tuple[tuple[int, ...], ...]
    observation_shape: tuple[int, ...]
    num_actions: int
    turns: Turns
    max_steps: int
    reset_uniforms: int = 0
    step_uniforms: int = 0
    truncates: bool = False
    pure: bool = True
    symmetries: tuple[Symmetry, ...] = ()
    roles: tuple[str, ...] = ()
    common_reward: bool = False
    action_counts: tuple[int, ...] = ()
    observation_sizes: tuple[int, ...] = ()
    state_shape: tuple[int, ...] = ()
    reward_delay: int = 0
    description: str = ""

    @property
    def num_agents(self) -> int:
        return len(self.agents)

    @property
    def global_shape(self) -> tuple[int, ...]:
        """Shape of what `Arena.global_state` gives of one environment."""
        return self.state_shape or (self.num_agents * math.prod(self.observation_shape),)


class Observation(NamedTuple):
    """What agents see.

    Attributes:
        observation: [B, *shape] of the agent to move (sequential) or [B, N, *shape] of all agents (simultaneous).
        action_mask: bool [B, A] or [B, N, A]: the legal actions.
    """

    observation: Tensor
    action_mask: Tensor


class Step(NamedTuple):
    """The result of a step, before any reset: `observe(state)` of an ended episode is its true final observation.

    Attributes:
        state: the next state.
        rewards: float32 [B, N].
        terminated: bool [B]: the rules ended the episode.
        truncated: bool [B]: a limit outside of the rules ended it; never together with `terminated`.
    """

    state: State
    rewards: Tensor
    terminated: Tensor
    truncated: Tensor


class Arena(ABC):
    """A game. Subclasses of native arenas hold constants only; everything that changes is in the state."""

    spec: ArenaSpec

    @abstractmethod
    def reset(self, uniforms: Tensor) -> State:
        """Start `B` episodes, on the device of `uniforms` ([B, reset_uniforms]; B is read from it even when 0 wide)."""

    @abstractmethod
    def turn(self, state: State) -> Tensor:
        """int64 [B]: the agent to move (sequential arenas; 0 in simultaneous ones)."""

    @abstractmethod
    def observe(self, state: State, agent: int | None = None, dtype: torch.dtype = torch.float32) -> Observation:
        """What the agent to move sees, or all agents in a simultaneous arena, or one given agent ([B, *shape]).

        Asked for an agent that is not to move, it is that agent's own view, with an action mask that is all false.
        """

    def global_state(self, state: State, dtype: torch.dtype = torch.float32) -> Tensor:
        """[B, *global_shape]: what centralised training may see of a simultaneous arena; no agent sees it in play.

        Unless an arena gives its own state: the observations of all agents, one after the other.
        """
        return self.observe(state, dtype=dtype).observation.flatten(1)

    def team_state(self, state: State, team: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """[B, *state_shape]: the global state of an arena that has one of its own, as `team` is to see it.

        The same for all teams, unless the arena shows each of them the world from its own side.
        """
        return self.global_state(state, dtype)

    @abstractmethod
    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        """Advance one step.

        Args:
            state: the state; never written to.
            actions: int64 [B] of the agents to move, or [B, N] in a simultaneous arena. Illegal actions are the
                caller's fault and give an unspecified state.
            uniforms: float32 [B, step_uniforms] where the spec asks for them.
            live: bool [B]; environments where it is false keep their state, reward nothing and end nothing.
        """

    def renew(self, state: State, ended: Tensor, uniforms: Tensor) -> State:
        """Start a new episode where `ended` (bool [B]) is true; the other environments stay as they are."""
        return select(ended, self.reset(uniforms), state)

    def render(self, state: State, index: int) -> str:
        """Environment `index` as text for a terminal."""
        raise NotImplementedError(f"{self.spec.name} has no picture for a terminal")

    def close(self) -> None:  # noqa: B027  (most arenas hold nothing)
        """Release processes and memory, where the arena holds any."""


def select(condition: Tensor, chosen: State, other: State) -> State:
    """`chosen` where `condition` (bool [B]) is true, else `other`."""
    result: State = {}
    for name, tensor in chosen.items():
        flag = condition.view(-1, *([1] * (tensor.dim() - 1)))
        result[name] = torch.where(flag, tensor, other[name])
    return result
