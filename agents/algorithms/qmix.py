"""QMIX (Rashid et al. 2018, arXiv:1803.11485): the team's value is monotonic in every agent's.

Equation 4, d Q_tot / d Q_n >= 0, is what makes each agent's greedy action by its own values part of the greedy joint
action (the argmax of equation 5 factorises), so the team can act decentralised. The mixing network of section 4 has two
layers whose weights are made from the global state by hypernetworks and are never negative:

    h     = ELU(|W1(s)| q + b1(s))
    Q_tot = |w2(s)| . h + V(s)

W1 and w2 come from hypernetworks of two layers with a ReLU, as does the output's bias V(s); b1 from a linear one.
See `q_learning` for the loss (equations 5 and 6).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from agents.algorithms.q_learning import QLearner
from agents.algorithms.vdn import check_reward
from agents.core import Parameters
from agents.networks import Layout
from agents.teams.core import TeamSetup
from agents.teams.networks import add_dense, dense, initial_weights
from agents.teams.q_settings import QMIXConfig
from agents.teams.settings import Start
from arenas.core import Arena


class MonotonicMixer:
    """The mixing network and its hypernetworks.

    Args:
        agents: N.
        state_size: G.
        embed: E, width of its hidden layer.
        hypernet: width of the hypernetworks' hidden layers.
        start: how weights are drawn.
    """

    def __init__(self, agents: int, state_size: int, embed: int, hypernet: int, start: Start = Start.FAN_IN) -> None:
        self.agents, self.embed, self.hypernet, self.start = agents, embed, hypernet, start
        self.layout = Layout()
        # The first layers of all hypernetworks, and b1, are columns of one product.
        add_dense(self.layout, "state", state_size, 2 * hypernet + 2 * embed, 1.0)
        add_dense(self.layout, "first", hypernet, agents * embed, 1.0)
        add_dense(self.layout, "last", hypernet, embed, 1.0)
        add_dense(self.layout, "bias", embed, 1, 1.0)

    def initial(self, generator: torch.Generator) -> Tensor:
        """Fresh weights: float32 [1, D]."""
        return initial_weights(self.layout, self.start, generator)

    def mix(self, parameters: Parameters, values: Tensor, state: Tensor) -> Tensor:
        """Q_tot [B, T] of the agents' values [B, T, N] in the global state [B, T, G]."""
        rows = state.flatten(0, 1).unsqueeze(0)  # [1, B T, G]
        of_first, of_last, of_bias, b1 = dense(parameters, "state", rows).split_with_sizes(
            [self.hypernet, self.hypernet, self.embed, self.embed], dim=2
        )
        w1 = self.positive(dense(parameters, "first", functional.relu(of_first))).view(-1, self.agents, self.embed)
        w2 = self.positive(dense(parameters, "last", functional.relu(of_last)))[0]
        bias = dense(parameters, "bias", functional.relu(of_bias))[0, :, 0]
        hidden = functional.elu(torch.baddbmm(b1[0].unsqueeze(1), values.reshape(-1, 1, self.agents), w1))[:, 0]
        return ((hidden * w2).sum(dim=1) + bias).view(values.shape[:2])

    def positive(self, weights: Tensor) -> Tensor:
        """What keeps equation 4: the mixing network's weights are taken without their sign."""
        return weights.abs()


def build(arena: Arena, config: QMIXConfig, *, environments: int, seed: int, device: torch.device) -> QLearner:
    """A QMIX learner of the arena's only team; see `agents.teams.registry.make`."""
    check_reward("qmix", config)
    setup = TeamSetup(arena, sharing=config.sharing, agent_ids=config.agent_ids)
    size = math.prod(arena.spec.global_shape)
    mixer = MonotonicMixer(setup.num_agents, size, config.embed, config.hypernet, config.network.start)
    return QLearner("qmix", setup, config, mixer, environments=environments, seed=seed, device=device)
