"""Independent Q-learning (Tan 1993; with deep networks Tampuu et al. 2017): no agent knows that the others learn too.

Each agent's values are trained on its own observations alone, y_n = r_n + gamma max_a Q_n'(o_n', a): the environment of
one agent changes as the others learn, which the convergence of Q-learning does not allow for. See `q_learning`.
"""

from __future__ import annotations

import torch

from agents.algorithms.q_learning import QLearner
from agents.teams.core import TeamSetup
from agents.teams.q_settings import QConfig
from arenas.core import Arena


def build(arena: Arena, config: QConfig, *, environments: int, seed: int, device: torch.device) -> QLearner:
    """An IQL learner of the arena's only team; see `agents.teams.registry.make`."""
    setup = TeamSetup(arena, sharing=config.sharing, agent_ids=config.agent_ids)
    return QLearner("iql", setup, config, None, environments=environments, seed=seed, device=device)
