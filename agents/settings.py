"""The settings of this package as pydantic models, without torch: a command line reads them and answers at once."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Width = Annotated[int, Field(gt=0, le=4096)]


class Trunk(StrEnum):
    """What stands between the observation and the dense layers."""

    MLP = "mlp"
    CONV = "conv"


class NetworkConfig(BaseModel):
    """Shape of an actor-critic network.

    Attributes:
        trunk: `mlp` flattens the observation; `conv` reads it as [planes, rows, columns].
        channels: output channels of each convolution.
        kernel: side of every convolution's kernel.
        padding: whether the board keeps its size (odd kernels only); without it, each layer sees whole windows only.
        hidden: widths of the dense layers shared by policy and value.
        memory: width of a GRU after the dense layers; 0 for none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    trunk: Trunk = Trunk.MLP
    channels: tuple[Width, ...] = ()
    kernel: Annotated[int, Field(gt=0, le=9)] = 3
    padding: bool = True
    hidden: tuple[Width, ...] = (128, 128)
    memory: Annotated[int, Field(ge=0, le=4096)] = 0


class RolloutConfig(BaseModel):
    """How experience is collected.

    Attributes:
        lanes: opponents a learner faces at the same time.
        environments: environments a learner, divided evenly among its lanes.
        horizon: macro-steps an iteration.
        hold: iterations for which a lane keeps its opponent; lanes change in turns.
        noisy_environments: share of the environments in which the opponent is partly random (they never count).
        noise: probability that such an opponent plays a uniformly random legal action.
        opened_environments: share of the environments whose episodes begin after a random opening (they never count).
        opening_plies: an opening's length is uniform from 1 to this many random plies.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    lanes: int = Field(default=32, gt=0, le=4096)
    environments: int = Field(default=1024, gt=0)
    horizon: int = Field(default=32, gt=0, le=4096)
    hold: int = Field(default=4, gt=0)
    noisy_environments: float = Field(default=0.0, ge=0.0, le=1.0)
    noise: float = Field(default=0.25, ge=0.0, le=1.0)
    opened_environments: float = Field(default=0.0, ge=0.0, le=1.0)
    opening_plies: int = Field(default=8, gt=0)

    @property
    def lane_size(self) -> int:
        """S, the environments of one lane."""
        return self.environments // self.lanes


class PPOConfig(BaseModel):
    """Hyperparameters of PPO.

    Attributes:
        learning_rate: Adam's, at the start.
        final_learning_rate: at the end of the schedule; None keeps it constant.
        entropy: weight of the entropy bonus at the start.
        final_entropy: at the end of the schedule; None keeps it constant.
        schedule_steps: learner samples over which both run linearly.
        discount: gamma.
        gae_lambda: lambda of generalised advantage estimation.
        clip: epsilon of the surrogate's ratio.
        value_weight: c1 of equation 9.
        max_gradient_norm: each learner's gradient is clipped to this norm.
        epochs: passes over an iteration's samples.
        minibatch: samples of one learner in a gradient step.
        shuffle: draw minibatches at random instead of in order of time.
        mirror: show each minibatch as it is or through a symmetry of the arena, all equally likely.
        adam_epsilon: epsilon of Adam.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    learning_rate: float = Field(default=1e-3, gt=0)
    final_learning_rate: float | None = Field(default=None, ge=0)
    entropy: float = Field(default=0.01, ge=0)
    final_entropy: float | None = Field(default=None, ge=0)
    schedule_steps: int = Field(default=10_000_000, gt=0)
    discount: float = Field(default=1.0, gt=0, le=1)
    gae_lambda: float = Field(default=0.95, ge=0, le=1)
    clip: float = Field(default=0.2, gt=0)
    value_weight: float = Field(default=0.5, ge=0)
    max_gradient_norm: float = Field(default=0.5, gt=0)
    epochs: int = Field(default=1, gt=0)
    minibatch: int = Field(default=4096, gt=0)
    shuffle: bool = True
    mirror: bool = False
    adam_epsilon: float = Field(default=1e-5, gt=0)
