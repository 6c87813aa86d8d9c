"""A stack of frozen or live policies that are evaluated in one call; changing one is a copy into its row."""

from __future__ import annotations

import torch
from torch import Tensor

from agents.core import Output
from agents.networks import Network


class PolicyStack:
    """R policies of one shape in the compute precision.

    The cost of `evaluate` depends on the size of the batch and not on R; nothing here depends on the league's size.

    Args:
        network: the shape that all rows share.
        rows: R.
        dtype: precision of the computation.
        device: where.
    """

    def __init__(self, network: Network, rows: int, dtype: torch.dtype, device: torch.device) -> None:
        self.network = network
        self.flat = torch.zeros(rows, network.layout.width, dtype=dtype, device=device)
        self.parameters = network.layout.views(self.flat)

    def load(self, row: int, weights: Tensor) -> None:
        """Put `weights` [D] into a row, in place: the row never shares memory with them."""
        self.flat[row].copy_(weights)

    def evaluate(self, observation: Tensor, memory: Tensor | None = None) -> Output:
        """Evaluate every row on its own share of the batch.

        Args:
            observation: [R * S, *shape]; row r sees environments r * S to (r + 1) * S.
            memory: [R, S, M] for a recurrent network.

        Returns:
            Logits [R, S, A], value [R, S], and the next memory.
        """
        rows = len(self.flat)
        return self.network.apply(self.parameters, observation.view(rows, -1, *observation.shape[1:]), memory)
