"""Normalisation of a critic's targets by running statistics (Yu et al. 2022, arXiv:2103.01955, section 5.1).

PopArt (van Hasselt et al. 2016, arXiv:1602.07714) without its rescaling of the last layer, as the on-policy repository
does it: the critic predicts (return - mean) / deviation, and what it says is scaled back wherever returns are built.
"""

from __future__ import annotations

import torch
from torch import Tensor

LEAST_VARIANCE = 1e-2
LEAST_DEBIASING = 1e-5


class ValueNorm:
    """Mean and deviation of returns, exponentially weighted and debiased, over all values that carry weight.

    Args:
        beta: share of the old statistics that an update keeps.
        device: where.

    Attributes:
        mean: weighted sum of the batches' means, [].
        square: weighted sum of the batches' mean squares, [].
        debiasing: sum of the weights of both, [].
    """

    def __init__(self, beta: float = 0.99999, device: torch.device | str = "cpu") -> None:
        self.beta = beta
        # float64: the variance is a difference of two nearly equal sums, each built of steps of 1 - beta.
        self.mean = torch.zeros((), dtype=torch.float64, device=device)
        self.square = torch.zeros((), dtype=torch.float64, device=device)
        self.debiasing = torch.zeros((), dtype=torch.float64, device=device)

    def update(self, values: Tensor, weight: Tensor) -> None:
        """Take in returns [...], each with a weight of 0 or 1 [...]; nothing happens where all weights are 0."""
        count = weight.sum().double()
        share = (1 - self.beta) * (count > 0).double()
        exact, of = values.double(), weight.double() / count.clamp(min=1)
        self.mean = self.mean + share * ((exact * of).sum() - self.mean)
        self.square = self.square + share * ((exact.square() * of).sum() - self.square)
        self.debiasing = self.debiasing + share * (1 - self.debiasing)

    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation, float32 []; the deviation is at least 0.1, and 0.1 before the first update."""
        scale = self.debiasing.clamp(min=LEAST_DEBIASING)
        mean, square = self.mean / scale, self.square / scale
        return mean.float(), (square - mean.square()).clamp(min=LEAST_VARIANCE).sqrt().float()

    def normalise(self, values: Tensor) -> Tensor:
        """Returns as the critic predicts them."""
        mean, deviation = self.moments()
        return (values - mean) / deviation

    def denormalise(self, values: Tensor) -> Tensor:
        """A critic's predictions as returns."""
        mean, deviation = self.moments()
        return values * deviation + mean

    def state(self) -> dict[str, Tensor]:
        """What has to be saved to go on."""
        return {"mean": self.mean, "square": self.square, "debiasing": self.debiasing}

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        self.mean, self.square, self.debiasing = (
            tensors[name].to(self.mean.device, torch.float64) for name in ("mean", "square", "debiasing")
        )
