"""Rock-paper-scissors players with a fixed mix of hands."""

from __future__ import annotations

import torch
from torch import Tensor

from agents.scripted.choice import pick_by_probability
from arenas.core import ArenaSpec, Observation


class FixedMix:
    """Shows rock, paper and scissors with fixed probabilities, whatever happened before."""

    def __init__(self, spec: ArenaSpec, mix: tuple[float, float, float]) -> None:
        """Args: spec of `rock_paper_scissors`; mix of rock, paper and scissors: not negative, of sum 1."""
        if not (min(mix) >= 0 and abs(sum(mix) - 1) <= 1e-3):  # so that NaN is refused as well
            raise ValueError(f"three probabilities of sum 1 are needed (rock, paper, scissors), not {mix}")
        self.spec = spec
        self.mix = mix

    def begin(self, batch: int, device: torch.device) -> None:
        """Nothing to forget."""

    def act(self, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
        """Draw a hand (see `agents.core.Agent.act`)."""
        probabilities = torch.tensor(self.mix, device=uniforms.device)
        return pick_by_probability(probabilities.expand(len(uniforms), -1), uniforms)
