"""A hand-written forager: all walk to the same food and load it together."""

from __future__ import annotations

import torch
from torch import Tensor

from agents.scripted.choice import pick_uniformly
from arenas.core import ArenaSpec, Observation
from arenas.games.foraging import LOAD, NORTH

SIDES = ((-1, 0), (1, 0), (0, -1), (0, 1))  # what the steps north, south, west and east add to row and column
WANDER = 0.1
"""How often it takes a random step instead: two who want the same cell do not want it for ever."""


class ForagingHeuristic:
    """Goes to the food that the agents in sight can load together and have the fewest steps to, in sum, and loads it.

    With the whole grid in sight all agents choose the same food. It wanders where there is no such food.
    """

    def __init__(self, spec: ArenaSpec) -> None:
        self.spec = spec
        self.agents = spec.num_agents
        self.foods = spec.observation_shape[0] // 3 - self.agents

    def begin(self, batch: int, device: torch.device) -> None:
        """Nothing to forget."""

    def act(self, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
        """Choose (see `agents.core.Agent.act`)."""
        entities = observation.observation.to(torch.float32).view(len(uniforms), -1, 3)
        foods, agents = entities[:, : self.foods], entities[:, self.foods :]
        allowed = observation.action_mask
        strength = agents[:, :, 2].sum(dim=1)
        possible = (foods[:, :, 2] > 0) & (foods[:, :, 2] <= strength[:, None])
        way = (foods[:, :, None, :2] - agents[:, None, :, :2]).abs().sum(dim=3)
        walked = (way * (agents[:, None, :, 2] > 0)).sum(dim=2)
        target = torch.where(possible, walked, torch.inf).argmin(dim=1)
        goal = foods[torch.arange(len(foods), device=foods.device), target, :2]
        steps = agents[:, :1, :2] + torch.tensor(SIDES, dtype=torch.float32, device=foods.device)
        left = (agents[:, 0, :2] - goal).abs().sum(dim=1)
        occupied = (steps[:, :, None] == agents[:, None, 1:, :2]).all(dim=3).any(dim=2)
        free, closer = torch.zeros_like(allowed), torch.zeros_like(allowed)
        free[:, NORTH:LOAD] = allowed[:, NORTH:LOAD] & ~occupied
        closer[:, NORTH:LOAD] = (steps - goal[:, None]).abs().sum(dim=2) < left[:, None]
        onward, some = closer & free, possible.any(dim=1)
        lost = ~some | ~onward.any(dim=1) | (uniforms[:, LOAD] < WANDER)
        aside = torch.where(free.any(dim=1, keepdim=True), free, allowed)
        step = pick_uniformly(torch.where(lost[:, None], aside, onward), uniforms)
        return torch.where((left == 1) & some & allowed[:, LOAD], LOAD, step)
