"""The settings of MADDPG, without torch."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from agents.teams.q_settings import Reward
from agents.teams.settings import TeamNetworkConfig


class MADDPGConfig(BaseModel):
    """Hyperparameters of MADDPG; the defaults are those of EPyMARL on the particle world.

    Attributes:
        sharing: one policy and one critic for all agents, instead of one of each an agent.
        agent_ids: a shared policy is told which agent it is; a shared critic always is.
        reward: `team` is the sum over the team's agents; `agent` is each agent's own.
        standardise_rewards: subtract the mean of all rewards so far and divide by their deviation.
        actor_network: the policy's shape.
        critic_network: the critic's shape.
        environments: episodes collected at a time.
        learning_rate: Adam's, of policy and critic.
        adam_epsilon: epsilon of Adam.
        max_gradient_norm: the gradients of the policy and of the critic are each clipped to this norm.
        discount: gamma.
        buffer: episodes that are kept.
        batch: episodes of a gradient step.
        updates_per_episode: gradient steps for every episode collected.
        target_rate: share of policy and critic that their targets take over at an update.
        temperature: of the Gumbel-softmax; towards 0 the gradient is less biased and varies more.
        logit_penalty: weight of the mean square of the logits, which keeps policies from becoming certain.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    sharing: bool = True
    agent_ids: bool = True
    reward: Reward = Reward.TEAM
    standardise_rewards: bool = True
    actor_network: TeamNetworkConfig = TeamNetworkConfig(hidden=(128, 128), memory=0)
    critic_network: TeamNetworkConfig = TeamNetworkConfig(hidden=(128, 128), memory=0)
    environments: int = Field(default=16, gt=0, le=65_536)
    learning_rate: float = Field(default=5e-4, gt=0)
    adam_epsilon: float = Field(default=1e-8, gt=0)
    max_gradient_norm: float = Field(default=10.0, gt=0)
    discount: float = Field(default=0.99, ge=0, le=1)
    buffer: int = Field(default=5000, gt=0, le=1_000_000)
    batch: int = Field(default=32, gt=0, le=65_536)
    updates_per_episode: float = Field(default=1.0, gt=0)
    target_rate: float = Field(default=0.01, gt=0, le=1)
    temperature: float = Field(default=1.0, gt=0)
    logit_penalty: float = Field(default=1e-3, ge=0)


PRESETS: dict[str, dict[str, Any]] = {"epymarl": {}}
"""What the published recipes set beside the defaults."""
