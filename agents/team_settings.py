"""The settings of team algorithms as pydantic models, without torch."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from agents.settings import Width


class Activation(StrEnum):
    """The nonlinearity after each dense layer."""

    RELU = "relu"
    TANH = "tanh"


class SequenceConfig(BaseModel):
    """Shape of a network for sequences.

    Attributes:
        hidden: widths of the dense layers.
        memory: width of a GRU after them; 0 for none.
        activation: after each dense layer.
        normalise: layer normalisation (Ba et al. 2016) of the input and behind every layer, as in the on-policy
            repository.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hidden: tuple[Width, ...] = (64, 64)
    memory: int = Field(default=0, ge=0, le=4096)
    activation: Activation = Activation.RELU
    normalise: bool = True


class Critic(StrEnum):
    """What a critic sees."""

    STATE = "state"  # the global state: centralised training (MAPPO)
    OBSERVATION = "observation"  # the agent's own observation (IPPO)


class Returns(StrEnum):
    """What a critic is trained towards."""

    GAE = "gae"  # generalised advantage estimation and the return that it implies
    N_STEP = "n_step"  # n rewards and a target critic's value behind them


class MAPPOConfig(BaseModel):
    """Hyperparameters of MAPPO and IPPO. The defaults are those of the on-policy repository on the particle world.

    Attributes:
        critic: what the critic sees.
        critic_ids: tell a central critic which agent it values, so that it has a value for each; a dead agent's state
            is then zero (Yu et al. 2022, section 5.5). Without, it has one value for the whole team.
        share_parameters: one policy and critic for all agents of the team, instead of one an agent.
        agent_ids: append the agent's number, one-hot, to what it sees.
        common_reward: every agent is rewarded with the sum over its team; else with its own reward.
        actor_network: the policy's shape.
        critic_network: the critic's shape.
        environments: parallel environments, E.
        horizon: steps of each environment in an iteration, T.
        learning_rate: Adam's, of policy and critic.
        adam_epsilon: epsilon of Adam.
        max_gradient_norm: the gradients of a policy and of a critic are each clipped to this norm.
        discount: gamma.
        returns: what the critic is trained towards.
        gae_lambda: lambda of generalised advantage estimation.
        n_step: rewards in an n-step return.
        target_interval: iterations between copies of the critic to its target; for n-step returns.
        epochs: passes over an iteration's samples.
        minibatches: parts of the environments that a pass is cut into.
        chunk: steps through which a GRU is trained at once; 0 for the whole horizon.
        clip: epsilon of the surrogate's ratio.
        value_clip: how far a value may move in an iteration, in the critic's own units; None does not clip.
        huber_delta: where the value loss becomes linear, in the critic's own units; None squares.
        value_norm: normalise the critic's targets by running statistics.
        value_norm_beta: share of the old statistics that an update keeps.
        reward_norm: standardise rewards by running statistics.
        normalise_advantages: to mean 0 and deviation 1 over the living agents.
        entropy: weight of the entropy bonus.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    critic: Critic = Critic.STATE
    critic_ids: bool = False
    share_parameters: bool = True
    agent_ids: bool = False
    common_reward: bool = True
    actor_network: SequenceConfig = SequenceConfig()
    critic_network: SequenceConfig = SequenceConfig()
    environments: int = Field(default=128, gt=0)
    horizon: int = Field(default=25, gt=0)
    learning_rate: float = Field(default=7e-4, gt=0)
    adam_epsilon: float = Field(default=1e-5, gt=0)
    max_gradient_norm: float = Field(default=10.0, gt=0)
    discount: float = Field(default=0.99, gt=0, le=1)
    returns: Returns = Returns.GAE
    gae_lambda: float = Field(default=0.95, ge=0, le=1)
    n_step: int = Field(default=5, gt=0)
    target_interval: int = Field(default=200, gt=0)
    epochs: int = Field(default=10, gt=0)
    minibatches: int = Field(default=1, gt=0)
    chunk: int = Field(default=0, ge=0)
    clip: float = Field(default=0.2, gt=0)
    value_clip: float | None = Field(default=0.2, gt=0)
    huber_delta: float | None = Field(default=10.0, gt=0)
    value_norm: bool = True
    value_norm_beta: float = Field(default=0.99999, gt=0, lt=1)
    reward_norm: bool = False
    normalise_advantages: bool = True
    entropy: float = Field(default=0.01, ge=0)
