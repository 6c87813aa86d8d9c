"""Opposing teams in lanes: many policies play at once, those of one shape in one call.

A lane is S environments that face the same team. Lanes next to each other whose teams have networks of the same shape
make a group, whose weights are stacked: its cost does not depend on how many different teams are in it, but every shape
costs a call of its own.

Shapes: `L` lanes, `S` environments of a lane, `B` = L * S environments, lane by lane; `R` lanes of a group; the others
as in `agents.teams.core`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor

from agents.teams.policy import TeamPolicy
from agents.teams.settings import TeamNetworkConfig

Shape = tuple[TeamNetworkConfig, bool, bool]
"""Network, whether the agents share it, and whether it is told which agent it is."""


def shape_of(team: TeamPolicy) -> Shape:
    """What teams of one group have in common."""
    return team.network.config, team.setup.sharing, team.setup.tells_ids


class TeamLanes:
    """The teams that B environments face, with a memory for each agent in each of them.

    Args:
        size: S.
        device: where.
    """

    def __init__(self, size: int, device: torch.device) -> None:
        self.size, self._device = size, device
        self._groups: list[_Group] = []

    def load(self, teams: Sequence[TeamPolicy]) -> None:
        """Put one team into each lane; teams of one shape had better stand together."""
        grouped = (list(group) for _, group in groupby(teams, key=shape_of))
        self._groups = [_Group(group, self.size, self._device) for group in grouped]

    def begin(self) -> None:
        """New episodes everywhere: no team remembers anything."""
        for group in self._groups:
            group.begin()

    @torch.no_grad()
    def act(self, observation: Tensor, action_mask: Tensor, uniforms: Tensor) -> Tensor:
        """Choose actions.

        Args:
            observation: float32 [B, N, O].
            action_mask: bool [B, N, A]; all false for an agent that cannot act.
            uniforms: float32 [B, N, A] in [0, 1), which teams with a temperature above 0 draw from.

        Returns:
            int64 [B, N], legal where an action is; 0 for an agent that has no legal action.
        """
        answers, start = [], 0
        for group in self._groups:
            rows = slice(start, start + group.environments)
            answers.append(group.act(observation[rows], action_mask[rows], uniforms[rows]))
            start += group.environments
        return torch.cat(answers)


class _Group:
    """R lanes whose teams have networks of the same shape."""

    def __init__(self, teams: Sequence[TeamPolicy], size: int, device: torch.device) -> None:
        self._network, self._setup, self._device = teams[0].network, teams[0].setup, device
        self._lanes, self.environments = len(teams), len(teams) * size
        weights = torch.cat([team.weights.to(device) for team in teams])  # [R * P, D]
        self._parameters = self._network.layout.views(weights)
        heat = torch.tensor([team.temperature for team in teams], device=device)
        self._temperature = heat.repeat_interleave(size)[:, None, None] if bool(heat.any()) else None
        self._memory: Tensor | None = None
        self.begin()

    def begin(self) -> None:
        stack = self._lanes * self._setup.stack
        rows = self.environments * self._setup.num_agents // stack
        self._memory = self._network.initial_memory(stack, rows, self._device)

    def act(self, observation: Tensor, action_mask: Tensor, uniforms: Tensor) -> Tensor:
        outputs, self._memory = self._network.apply(self._parameters, self._inputs(observation), self._memory)
        scores = self._by_agent(outputs)
        if self._temperature is not None:
            # Gumbel-max: the best of logits + temperature * noise is a draw from softmax(logits / temperature).
            noise = -(-uniforms.clamp(1e-9, 1 - 1e-7).log()).log()
            scores = scores + self._temperature * noise
        return torch.where(action_mask, scores, -torch.inf).argmax(dim=2)

    def _inputs(self, observation: Tensor) -> Tensor:
        """[R * S, N, O] as the stack's rows: [R, S * N, I], or [R * N, S, I] where every agent has its own network."""
        agents = self._setup.num_agents
        if self._setup.tells_ids:
            ids = torch.eye(agents, dtype=observation.dtype, device=observation.device)
            observation = torch.cat((observation, ids.expand(len(observation), -1, -1)), dim=2)
        by_lane = observation.view(self._lanes, -1, agents, observation.shape[2])
        return by_lane.flatten(1, 2) if self._setup.sharing else by_lane.transpose(1, 2).flatten(0, 1)

    def _by_agent(self, outputs: Tensor) -> Tensor:
        """The stack's answers in the order of the environments: [R * S, N, A]."""
        agents, actions = self._setup.num_agents, outputs.shape[2]
        if self._setup.sharing:
            return outputs.reshape(-1, agents, actions)
        return outputs.view(self._lanes, agents, -1, actions).transpose(1, 2).reshape(-1, agents, actions)
