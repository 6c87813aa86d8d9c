"""Drawing an action from the uniforms that an agent is given."""

from __future__ import annotations

import torch
from torch import Tensor


def pick_uniformly(allowed: Tensor, uniforms: Tensor) -> Tensor:
    """Draw one of the allowed actions, each with the same probability.

    The largest of k independent uniforms is each of them with probability 1/k.

    Args:
        allowed: bool [B, A].
        uniforms: float32 [B, A] in [0, 1).

    Returns:
        int64 [B]; 0 where nothing is allowed.
    """
    return torch.where(allowed, uniforms, -1.0).argmax(dim=1)


def pick_by_probability(probabilities: Tensor, uniforms: Tensor) -> Tensor:
    """Draw an action by its probability, by inversion of the first uniform of each row.

    Args:
        probabilities: float32 [B, A], rows that sum to 1.
        uniforms: float32 [B, A] in [0, 1).

    Returns:
        int64 [B]: an action of positive probability.
    """
    heights = probabilities.cumsum(dim=1)
    return (heights <= uniforms[:, :1] * heights[:, -1:]).sum(dim=1)
