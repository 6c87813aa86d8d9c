"""Settings that all algorithms for teams share, without torch: a command line reads them and answers at once."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Width = Annotated[int, Field(gt=0, le=4096)]


class Start(StrEnum):
    """How weights are drawn."""

    FAN_IN = "fan_in"  # uniform in +-1 / sqrt(inputs), biases too: what a linear layer of torch starts from
    ORTHOGONAL = "orthogonal"  # Saxe et al. 2014, biases zero


class TeamNetworkConfig(BaseModel):
    """Shape of the network of an agent: dense layers, a GRU or not, a linear head.

    Attributes:
        hidden: widths of the dense layers in front.
        memory: width of a GRU after them; 0 for none.
        normalise: a LayerNorm on what the network sees.
        start: how its weights are drawn.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    hidden: tuple[Width, ...] = (64,)
    memory: Annotated[int, Field(ge=0, le=4096)] = 64
    normalise: bool = False
    start: Start = Start.FAN_IN
