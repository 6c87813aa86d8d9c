"""Players of the iterated prisoner's dilemma whose move is a function of what the other did last."""

from __future__ import annotations

import torch
from torch import Tensor

from arenas.core import ArenaSpec, Observation
from arenas.games.prisoners_dilemma import COOPERATE, DEFECT

ALWAYS_COOPERATE = (COOPERATE,) * 5
ALWAYS_DEFECT = (DEFECT,) * 5
TIT_FOR_TAT = (COOPERATE, COOPERATE, DEFECT, COOPERATE, DEFECT)
"""A. Rapoport's: cooperate first, then do as the other did. Seen are the start, then (own, other) CC, CD, DC, DD."""


class FixedReply:
    """Answers each of the five things that can be seen with a fixed action."""

    def __init__(self, spec: ArenaSpec, replies: tuple[int, ...]) -> None:
        """Args: spec of `prisoners_dilemma`; replies to the start and to CC, CD, DC, DD, own action first."""
        self.spec = spec
        self.replies = replies

    def begin(self, batch: int, device: torch.device) -> None:
        """Nothing to forget: the last round is in the observation."""

    def act(self, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
        """Answer (see `agents.core.Agent.act`)."""
        return torch.tensor(self.replies, device=live.device)[observation.observation.argmax(dim=1)]
