"""Value-decomposition networks (Sunehag et al. 2018, arXiv:1706.05296).

The value of the joint action is the sum of the agents' values, equation 3 of the paper:

    Q_tot(o, a) = sum over n of Q_n(o_n, a_n).

One loss trains all of them from the team's reward: credit is assigned by the gradient of the sum. See `q_learning`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from agents.algorithms.q_learning import QLearner
from agents.core import Parameters
from agents.networks import Layout
from agents.teams.core import TeamMisfitError, TeamSetup
from agents.teams.q_settings import QConfig, Reward
from arenas.core import Arena


class SumMixer:
    """The sum, which has no weights and looks at no state."""

    def __init__(self) -> None:
        self.layout = Layout()

    def initial(self, generator: torch.Generator) -> Tensor:
        return torch.zeros(1, 0)

    def mix(self, parameters: Parameters, values: Tensor, state: Tensor) -> Tensor:
        return values.sum(dim=2)


def build(arena: Arena, config: QConfig, *, environments: int, seed: int, device: torch.device) -> QLearner:
    """A VDN learner of the arena's only team; see `agents.teams.registry.make`."""
    check_reward("vdn", config)
    setup = TeamSetup(arena, sharing=config.sharing, agent_ids=config.agent_ids)
    return QLearner("vdn", setup, config, SumMixer(), environments=environments, seed=seed, device=device)


def check_reward(name: str, config: QConfig) -> None:
    """Make sure that there is one reward to decompose.

    Raises:
        TeamMisfitError: every agent would have its own.
    """
    if config.reward is not Reward.TEAM:
        raise TeamMisfitError(
            f"{name}: value decomposition learns one value from one reward, which reward = {config.reward.value!r} is "
            "not; set reward = 'team', the sum over the agents, or train iql"
        )
