"""A stack of frozen or live policies that are evaluated in one call; changing one is a copy into its row."""

from __future__ import annotations

import torch
from torch import Tensor

from agents.core import Output
from agents.networks import Network


class PolicyStack:
    """R policies of one shape in the compute precision.

    The cost of `evaluate` depends on the size of the batch and hardly on R; nothing here depends on the league's size.

    Args:
        network: the shape that all rows share.
        rows: R.
        dtype: precision of the computation.
        device: where.

    Attributes:
        rows: R.
        parameters: [R, *shape] by name.
    """

    def __init__(self, network: Network, rows: int, dtype: torch.dtype, device: torch.device) -> None:
        self.network, self.rows = network, rows
        # Not views of one [R, D]: a batched product copies weights whose rows do not lie side by side, at every call.
        self.parameters = {
            name: torch.zeros(rows, *slot.shape, dtype=dtype, device=device)
            for name, slot in network.layout.slots.items()
        }

    def load(self, row: int, weights: Tensor) -> None:
        """Put `weights` [D] into a row, in place: the row never shares memory with them."""
        for name, view in self.network.layout.views(weights.unsqueeze(0)).items():
            self.parameters[name][row].copy_(view[0])

    def load_all(self, weights: Tensor) -> None:
        """Put `weights` [R, D] into all rows, in place."""
        for name, view in self.network.layout.views(weights).items():
            self.parameters[name].copy_(view)

    def packed(self) -> Tensor:
        """A copy of all rows, [R, D]."""
        some = next(iter(self.parameters.values()))
        flat = torch.zeros(self.rows, self.network.layout.width, dtype=some.dtype, device=some.device)
        self.network.layout.pack(self.parameters, flat)
        return flat

    def evaluate(self, observation: Tensor, memory: Tensor | None = None) -> Output:
        """Evaluate every row on its own share of the batch.

        Args:
            observation: [R * S, *shape]; row r sees environments r * S to (r + 1) * S.
            memory: [R, S, M] for a recurrent network.

        Returns:
            Logits [R, S, A], value [R, S], and the next memory.
        """
        return self.network.apply(self.parameters, observation.view(self.rows, -1, *observation.shape[1:]), memory)
