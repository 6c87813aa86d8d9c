"""The vocabulary of the package: what acts in an arena.

An `Agent` plays matches: it sees observations and answers with actions, for a whole batch of environments at once. A
network's policy is stored apart from the network: `Parameters` is a dict of tensors whose first dimension is the stack,
so one call evaluates many policies of the same shape (`agents.networks`).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from arenas.core import ArenaSpec, Observation

Parameters = dict[str, Tensor]
"""Weights by name; every tensor is [P, ...] for a stack of P policies."""


class Output(NamedTuple):
    """What a network says of a stack of observations [P, S, *shape].

    Attributes:
        logits: float32 [P, S, A], before the action mask.
        value: float32 [P, S].
        memory: [P, S, M] for a recurrent network, else None.
    """

    logits: Tensor
    value: Tensor
    memory: Tensor | None


class Agent(Protocol):
    """A player of matches, batched: environment i of the batch is a match of its own.

    The same seeds give the same play, whatever else is in the batch: randomness comes from `uniforms` only.
    """

    spec: ArenaSpec

    def begin(self, batch: int, device: torch.device) -> None:
        """Forget everything and be ready for `batch` new episodes."""

    def act(self, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
        """Choose actions.

        Args:
            observation: what this agent's seat sees in each environment, [B, *shape] with an action mask [B, A].
            uniforms: float32 [B, A], fresh at each call: the only source of randomness.
            live: bool [B]: the environments in which the answer will be used; elsewhere the mask may be all false.

        Returns:
            int64 [B], legal wherever `live`.
        """
