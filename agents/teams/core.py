"""The vocabulary of training a team: what a team is in an arena, and what trains one.

Centralised training, decentralised execution: a learner may see everything, but the policy that it gives acts for each
agent on that agent's own observations alone.

Shapes: `B` environments or episodes, `T` steps, `N` agents of the team, `A` actions, `O` numbers of one agent's
flattened observation, `I` what its network is fed (`O`, or `O + N` with agent ids), `P` networks (1 when the agents
share one, else N), `S` rows of a network (N * B, agent by agent, when shared; else B), `G` numbers of the global state.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from arenas.core import Arena, ArenaSpec, Turns

if TYPE_CHECKING:
    from agents.teams.policy import TeamPolicy


class TeamMisfitError(ValueError):
    """An algorithm, an arena and the options do not fit together; the message says what would."""


def unlike(spec: ArenaSpec) -> bool:
    """Whether the teams of an arena are not alike: by role, by size, or by what their agents see and can do."""
    columns = [column for column in (spec.action_counts, spec.observation_sizes) if column]
    agents = {tuple(tuple(column[agent] for column in columns) for agent in team) for team in spec.teams}
    return bool(spec.roles) or len(agents) > 1


@dataclass(frozen=True, slots=True)
class TeamSetup:
    """A team in an arena, and how its agents are told to their networks.

    Attributes:
        arena: a simultaneous arena.
        team: which of its teams.
        sharing: whether all agents share one network.
        agent_ids: whether a one-hot of the agent is part of what its network sees; it takes shared networks to mean
            anything, and is left out where every agent has its own.
    """

    arena: Arena
    team: int = 0
    sharing: bool = True
    agent_ids: bool = True

    def __post_init__(self) -> None:
        spec = self.arena.spec
        if spec.turns is not Turns.SIMULTANEOUS:
            raise TeamMisfitError(
                f"{spec.name}: its agents move one after the other, but teams are trained where all move together"
            )
        if not 0 <= self.team < len(spec.teams):
            raise TeamMisfitError(f"{spec.name} has no team {self.team}: its teams are 0 to {len(spec.teams) - 1}")

    @property
    def agents(self) -> tuple[int, ...]:
        """Indices of the team's agents among those of the arena."""
        return self.arena.spec.teams[self.team]

    @property
    def num_agents(self) -> int:
        """N."""
        return len(self.agents)

    @property
    def num_actions(self) -> int:
        """A."""
        return self.arena.spec.num_actions

    @property
    def observation_size(self) -> int:
        """O, without the agent's id."""
        return math.prod(self.arena.spec.observation_shape)

    @property
    def tells_ids(self) -> bool:
        return self.agent_ids and self.sharing

    @property
    def input_size(self) -> int:
        """I."""
        return self.observation_size + (self.num_agents if self.tells_ids else 0)

    @property
    def state_size(self) -> int:
        """G."""
        return math.prod(self.arena.spec.global_shape)

    @property
    def stack(self) -> int:
        """P."""
        return 1 if self.sharing else self.num_agents

    def inputs(self, observation: Tensor) -> Tensor:
        """What the networks are fed.

        Args:
            observation: [B, T, N, O].

        Returns:
            [P, T, S, I].
        """
        batch, horizon, agents, _ = observation.shape
        if self.tells_ids:
            ids = torch.eye(agents, dtype=observation.dtype, device=observation.device)
            observation = torch.cat((observation, ids.expand(batch, horizon, -1, -1)), dim=3)
        if self.sharing:
            return observation.permute(1, 2, 0, 3).reshape(1, horizon, agents * batch, -1)
        return observation.permute(2, 1, 0, 3).contiguous()

    def rows(self, steps: Tensor) -> Tensor:
        """Steps that matter, bool [B, T], as the networks' rows: bool [T, S]."""
        return steps.T.repeat(1, self.num_agents // self.stack)

    def by_agent(self, outputs: Tensor) -> Tensor:
        """What the networks answered, [P, T, S, X], in the order of `observation`: [B, T, N, X]."""
        if self.sharing:
            _, horizon, rows, size = outputs.shape
            agents = self.num_agents
            return outputs.view(horizon, agents, rows // agents, size).permute(2, 0, 1, 3)
        return outputs.permute(2, 1, 0, 3)


class Behaviour(Protocol):
    """What acts for a team while episodes are collected: greedy, exploring or sampling, as its learner wants."""

    def begin(self, batch: int) -> None:
        """Forget everything and be ready for `batch` new episodes."""

    def act(self, observation: Tensor, action_mask: Tensor, live: Tensor) -> Tensor:
        """Choose actions.

        Args:
            observation: float32 [B, N, O].
            action_mask: bool [B, N, A]; all false for an agent that cannot act, such as a dead one.
            live: bool [B]: elsewhere the episode has ended and the answer is not used.

        Returns:
            int64 [B, N], legal wherever live; 0 for an agent that has no legal action.
        """


class TeamLearner(Protocol):
    """What trains one team. `agents.teams.registry` makes one by the algorithm's name.

    Attributes:
        setup: the team.
        environment_steps: joint steps that all environments have made together so far.
        updates: gradient steps so far.
    """

    setup: TeamSetup
    environment_steps: int
    updates: int

    def train_step(self) -> dict[str, float]:
        """Collect the next experience and learn from it; the figures that are worth plotting, by name."""

    def policy(self) -> TeamPolicy:
        """The greedy decentralised policy as it is now: a copy, unmoved by further training."""

    def state(self) -> dict[str, Tensor]:
        """Everything that it takes to go on bit for bit: weights, optimiser, experience, counters, generators."""

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave.

        Raises:
            ValueError: it was saved by another algorithm or for other shapes.
        """
