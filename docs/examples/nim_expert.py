"""A scripted player of Nim: it leaves a multiple of four stones where it can, and plays at random where it cannot."""

import torch
from torch import Tensor

from agents.core import Agent
from agents.scripted import ScriptedPlayer
from agents.scripted.choice import pick_uniformly
from arenas.core import ArenaSpec, Observation


class NimExpert:
    def __init__(self, spec: ArenaSpec) -> None:
        self.spec = spec

    def begin(self, batch: int, device: torch.device) -> None:
        """Nothing to forget: a move depends on the position alone."""

    def act(self, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
        stones = observation.observation.sum(dim=1, keepdim=True).to(torch.int64)
        takes = torch.arange(1, self.spec.num_actions + 1, device=stones.device)
        winning = ((stones - takes) % 4 == 0) & observation.action_mask
        allowed = torch.where(winning.any(dim=1, keepdim=True), winning, observation.action_mask)
        return pick_uniformly(allowed, uniforms)


def build(spec: ArenaSpec, parameter: str) -> Agent:
    return NimExpert(spec)


PLAYER = ScriptedPlayer(build, arenas=("nim",), anchors=("nim_expert",), description="wins wherever it can")
