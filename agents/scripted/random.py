"""The player that knows only the rules."""

from __future__ import annotations

import torch
from torch import Tensor

from agents.scripted.choice import pick_uniformly
from arenas.core import ArenaSpec, Observation


class RandomPlayer:
    """Plays uniformly over the legal actions of any arena."""

    def __init__(self, spec: ArenaSpec) -> None:
        self.spec = spec

    def begin(self, batch: int, device: torch.device) -> None:
        """Nothing to forget."""

    def act(self, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
        """Draw a legal action (see `agents.core.Agent.act`)."""
        return pick_uniformly(observation.action_mask, uniforms)
