"""The settings of COMA, without torch."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from agents.teams.settings import Start, TeamNetworkConfig


class COMAConfig(BaseModel):
    """Hyperparameters of COMA; the defaults are those of EPyMARL on the particle world, but for the lambda-return.

    Attributes:
        sharing: one policy for all agents, instead of one an agent; the critic is always one.
        agent_ids: a shared policy is told which agent it is; the critic always is.
        actor_network: the policy's shape.
        critic_network: the critic's shape.
        environments: episodes that an iteration is made of.
        learning_rate: Adam's, of policy and critic.
        adam_epsilon: epsilon of Adam.
        max_gradient_norm: the gradients of the policy and of the critic are each clipped to this norm.
        discount: gamma.
        td_lambda: of the critic's targets.
        target_interval: gradient steps of the critic between copies of it to its target.
        critic_steps: gradient steps of the critic in an iteration; the policy makes one.
        value_norm: the critic predicts returns normalised by running statistics.
        value_norm_beta: share of the old statistics that an update keeps.
        entropy: weight of the entropy bonus.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    sharing: bool = True
    agent_ids: bool = True
    actor_network: TeamNetworkConfig = TeamNetworkConfig(hidden=(64, 64), memory=0)
    critic_network: TeamNetworkConfig = TeamNetworkConfig(hidden=(64, 64), memory=0)
    environments: int = Field(default=10, gt=0, le=65_536)
    learning_rate: float = Field(default=5e-4, gt=0)
    adam_epsilon: float = Field(default=1e-8, gt=0)
    max_gradient_norm: float = Field(default=10.0, gt=0)
    discount: float = Field(default=0.99, gt=0, le=1)
    td_lambda: float = Field(default=0.8, ge=0, le=1)
    target_interval: int = Field(default=200, gt=0)
    critic_steps: int = Field(default=1, gt=0)
    value_norm: bool = True
    value_norm_beta: float = Field(default=0.99999, gt=0, lt=1)
    entropy: float = Field(default=0.01, ge=0)


PRESETS: dict[str, dict[str, Any]] = {
    "epymarl": {},
    # The paper's StarCraft set-up: a GRU in the policy, and a target that follows every 150 steps.
    "paper": {
        "actor_network": {"hidden": (64,), "memory": 64, "normalise": False, "start": Start.FAN_IN},
        "target_interval": 150,
        "value_norm": False,
        "environments": 30,
        "entropy": 0.0,
    },
}
"""What the published recipes set beside the defaults."""
