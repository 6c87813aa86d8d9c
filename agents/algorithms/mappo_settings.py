"""The settings of MAPPO and IPPO, without torch, and the published recipes as named presets."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from agents.teams.q_settings import Reward
from agents.teams.settings import Start, TeamNetworkConfig


class Critic(StrEnum):
    """What a critic sees and how many values it has."""

    TEAM = "team"  # the global state: one value for the whole team (MAPPO)
    AGENT = "agent"  # the global state and the agent's number: a value for each agent (MAPPO)
    OBSERVATION = "observation"  # the agent's own observation: a value for each agent (IPPO)


class Returns(StrEnum):
    """What the critic is trained towards, and what the advantage is taken from."""

    GAE = "gae"  # generalised advantages, fixed for all epochs; the critic goes towards the returns that they imply
    N_STEP = "n_step"  # n rewards and a target critic's value; the advantage is against the critic at each epoch


def _network() -> TeamNetworkConfig:
    return TeamNetworkConfig(hidden=(64, 64), memory=0, normalise=True, start=Start.ORTHOGONAL)


class MAPPOConfig(BaseModel):
    """Hyperparameters of MAPPO and IPPO; the defaults are the on-policy repository's on the particle world.

    Attributes:
        critic: what the critic sees.
        sharing: one policy (and critic, where it has a value an agent) for all agents, instead of one an agent.
        agent_ids: a shared network is told which agent it is.
        reward: `team` is the sum over the team's agents; `agent` is each agent's own, for a critic with a value each.
        actor_network: the policy's shape.
        critic_network: the critic's shape.
        environments: episodes that an iteration is made of.
        learning_rate: Adam's, of policy and critic.
        adam_epsilon: epsilon of Adam.
        max_gradient_norm: the gradients of the policy and of the critic are each clipped to this norm.
        discount: gamma.
        returns: what the critic is trained towards.
        gae_lambda: lambda of generalised advantage estimation.
        n_step: rewards in an n-step return.
        target_rate: share of the critic that its target takes over after an iteration; for n-step returns.
        epochs: passes over an iteration's episodes.
        minibatches: parts that a pass is cut into, by episodes.
        clip: epsilon of the surrogate's ratio.
        value_clip: how far a value may move in an iteration, in the critic's own units; None does not clip.
        huber_delta: where the value loss becomes linear, in the critic's own units; None squares.
        value_norm: the critic predicts returns normalised by running statistics.
        value_norm_beta: share of the old statistics that an update keeps.
        standardise_rewards: subtract the mean of all rewards so far and divide by their deviation.
        normalise_advantages: to mean 0 and deviation 1 over the living agents.
        entropy: weight of the entropy bonus.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    critic: Critic = Critic.TEAM
    sharing: bool = True
    agent_ids: bool = False
    reward: Reward = Reward.TEAM
    actor_network: TeamNetworkConfig = Field(default_factory=_network)
    critic_network: TeamNetworkConfig = Field(default_factory=_network)
    environments: int = Field(default=128, gt=0, le=65_536)
    learning_rate: float = Field(default=7e-4, gt=0)
    adam_epsilon: float = Field(default=1e-5, gt=0)
    max_gradient_norm: float = Field(default=10.0, gt=0)
    discount: float = Field(default=0.99, gt=0, le=1)
    returns: Returns = Returns.GAE
    gae_lambda: float = Field(default=0.95, ge=0, le=1)
    n_step: int = Field(default=5, gt=0)
    target_rate: float = Field(default=0.01, gt=0, le=1)
    epochs: int = Field(default=10, gt=0)
    minibatches: int = Field(default=1, gt=0)
    clip: float = Field(default=0.2, gt=0)
    value_clip: float | None = Field(default=0.2, gt=0)
    huber_delta: float | None = Field(default=10.0, gt=0)
    value_norm: bool = True
    value_norm_beta: float = Field(default=0.99999, gt=0, lt=1)
    standardise_rewards: bool = False
    normalise_advantages: bool = True
    entropy: float = Field(default=0.01, ge=0)

    @model_validator(mode="after")
    def _consistent(self) -> MAPPOConfig:
        if self.critic is Critic.TEAM and self.reward is Reward.AGENT:
            raise ValueError(
                "critic 'team' has one value for the whole team and needs reward = 'team'; for rewards of each agent's "
                "own take critic = 'agent' or 'observation'"
            )
        if self.critic is Critic.AGENT and self.sharing and not self.agent_ids:
            raise ValueError("critic 'agent', shared, tells agents apart by their ids: set agent_ids = true")
        if self.minibatches > self.environments:
            raise ValueError(f"minibatches: {self.environments} episodes cannot be cut into {self.minibatches} parts")
        return self


class IPPOConfig(MAPPOConfig):
    """Hyperparameters of IPPO: those of MAPPO, with a critic that sees what the agent sees."""

    critic: Critic = Critic.OBSERVATION


_EPYMARL_NETWORK = {"hidden": (64, 64), "memory": 0, "normalise": False, "start": Start.FAN_IN}
_GRU = {"hidden": (64,), "memory": 64, "normalise": True, "start": Start.ORTHOGONAL}
IPPO_PRESETS: dict[str, dict[str, Any]] = {
    # The on-policy repository's recipe (Yu et al. 2022) with networks without memory: the defaults.
    "on_policy": {},
    # Our own, for short episodes with a reward at every step: four times the play for a gradient step, a higher rate,
    # and ten steps looked ahead, which leaves less chance in the advantages.
    "fast": {
        "agent_ids": True,
        "environments": 512,
        "minibatches": 16,
        "epochs": 3,
        "learning_rate": 2e-3,
        "discount": 0.9,
        "gae_lambda": 0.9,
    },
    # The published one with a GRU in policy and critic, that repository's `rmappo`.
    "recurrent": {"actor_network": _GRU, "critic_network": _GRU},
    # EPyMARL's (Papoudakis et al. 2021): n-step returns with a target critic, and nothing normalised but the rewards.
    "epymarl": {
        "agent_ids": True,
        "actor_network": _EPYMARL_NETWORK,
        "critic_network": _EPYMARL_NETWORK,
        "environments": 10,
        "learning_rate": 5e-4,
        "adam_epsilon": 1e-8,
        "returns": Returns.N_STEP,
        "epochs": 4,
        "value_clip": None,
        "huber_delta": None,
        "value_norm": False,
        "standardise_rewards": True,
        "normalise_advantages": False,
    },
}
"""What each recipe sets beside the defaults; the first is trained unless told otherwise."""
MAPPO_PRESETS = IPPO_PRESETS | {"fast": IPPO_PRESETS["fast"] | {"critic": Critic.AGENT}}
