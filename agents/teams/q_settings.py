"""Settings of the Q-learning family (IQL, VDN, QMIX) and the published recipes as presets, without torch."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from agents.teams.settings import TeamNetworkConfig, Width

Q_PRESETS: dict[str, dict[str, Any]] = {
    # EPyMARL's configuration files: no GRU (`use_rnn: False` puts a dense layer in its place). Its wrapper of gym
    # never flags a time limit, so that every limit counts as an end of the task: bootstrapping there is not its recipe.
    "epymarl": {"network": {"hidden": [64, 64], "memory": 0}, "bootstrap_truncated": False},
    "recurrent": {"network": {"hidden": [64], "memory": 64}, "bootstrap_truncated": False},
    "bootstrapped": {"network": {"hidden": [64, 64], "memory": 0}},
    # Our own, for short episodes with a reward at every step: looks ten steps ahead, so that values stay small and are
    # learned soon; four times the play for a gradient step; a learning rate that falls. For 2.5 million steps.
    "fast": {
        "network": {"hidden": [128, 128], "memory": 0},
        "environments": 64,
        "discount": 0.9,
        "td_lambda": 0.8,
        "updates_per_episode": 0.25,
        "target_rate": 0.01,
        "learning_rate": 2e-3,
        "learning_rate_end": 1e-4,
        "learning_rate_steps": 2_500_000,
        "epsilon_steps": 200_000,
    },
}
"""What each recipe sets beside the defaults of `QConfig`; the first is what is trained unless told otherwise."""
# pymarl2 (Hu et al. 2021, "Rethinking the implementation tricks"): TD(lambda) on top of a recurrent QMIX.
QMIX_PRESETS: dict[str, dict[str, Any]] = Q_PRESETS | {"pymarl2": Q_PRESETS["recurrent"] | {"td_lambda": 0.6}}


class Reward(StrEnum):
    """What an agent learns from."""

    TEAM = "team"  # the sum over the team, the same for every agent
    AGENT = "agent"  # its own


class QConfig(BaseModel):
    """Hyperparameters of deep Q-learning for teams; the numbers are EPyMARL's (Papoudakis et al. 2021).

    Attributes:
        sharing: whether all agents share one network.
        agent_ids: whether a shared network is told which agent it is.
        network: its shape; `memory` 0 leaves out the GRU.
        reward: `team` is the sum over the team's agents; `agent` is each agent's own, which only IQL can learn from.
        standardise_rewards: subtract the mean of all rewards so far and divide by their deviation.
        discount: gamma.
        bootstrap_truncated: a time limit does not end the task: the last target of a truncated episode has the value of
            its true final observation; false takes the limit for the end, as EPyMARL does.
        td_lambda: of the lambda-return over an episode; 0 is the one-step target.
        double: the online network chooses the action whose target value is taken (van Hasselt et al. 2016).
        learning_rate: Adam's, at the start.
        learning_rate_end: Adam's after the annealing; None keeps to `learning_rate`.
        learning_rate_steps: environment steps over which it falls linearly.
        max_gradient_norm: the gradient of all networks together is clipped to it.
        environments: episodes collected at a time.
        buffer: episodes that are kept.
        batch: episodes of a gradient step.
        updates_per_episode: gradient steps for every episode collected. Results with different ratios are not
            comparable; EPyMARL's is 1.
        target_interval: updates after which the target networks become the online ones.
        target_rate: of an exponential average instead, moved at every update; 0 keeps to `target_interval`.
        epsilon_start: share of random actions at the start.
        epsilon_end: after the annealing.
        epsilon_steps: environment steps over which it falls linearly.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    sharing: bool = True
    agent_ids: bool = True
    network: TeamNetworkConfig = TeamNetworkConfig()
    reward: Reward = Reward.TEAM
    standardise_rewards: bool = True
    discount: float = Field(default=0.99, ge=0, le=1)
    bootstrap_truncated: bool = True
    td_lambda: float = Field(default=0.0, ge=0, le=1)
    double: bool = True
    learning_rate: float = Field(default=5e-4, gt=0)
    learning_rate_end: float | None = Field(default=None, gt=0)
    learning_rate_steps: int = Field(default=2_000_000, gt=0)
    max_gradient_norm: float = Field(default=10.0, gt=0)
    environments: int = Field(default=16, gt=0, le=65_536)
    buffer: int = Field(default=5000, gt=0, le=1_000_000)
    batch: int = Field(default=32, gt=0, le=65_536)
    updates_per_episode: float = Field(default=1.0, gt=0)
    target_interval: int = Field(default=200, gt=0)
    target_rate: float = Field(default=0.0, ge=0, le=1)
    epsilon_start: float = Field(default=1.0, ge=0, le=1)
    epsilon_end: float = Field(default=0.05, ge=0, le=1)
    epsilon_steps: int = Field(default=50_000, gt=0)


class QMIXConfig(QConfig):
    """Hyperparameters of QMIX.

    Attributes:
        embed: width of the mixing network's hidden layer.
        hypernet: width of the hidden layer of the hypernetworks that make its weights.
    """

    embed: Width = 32
    hypernet: Width = 64
