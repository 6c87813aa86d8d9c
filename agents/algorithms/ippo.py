"""Independent PPO (de Witt et al. 2020, "Is Independent Learning All You Need in the StarCraft Multi-Agent
Challenge?", arXiv:2011.09533): every agent is a PPO learner whose critic sees no more than the agent itself.

The losses are those of `agents.algorithms.mappo`; what differs is `IPPOConfig.critic`, and that each agent has a value,
an advantage and a return of its own.
"""

from __future__ import annotations

import torch

from agents.algorithms.mappo import MAPPO
from agents.algorithms.mappo_settings import Critic, IPPOConfig
from agents.teams.core import TeamMisfitError, TeamSetup
from agents.teams.episodes import Collector
from arenas.core import Arena


class IPPO(MAPPO):
    """MAPPO without the centralised critic."""

    name = "ippo"


def build(arena: Arena, config: IPPOConfig, *, environments: int, seed: int, device: torch.device) -> IPPO:
    """A learner of the arena's only team; see `agents.teams.registry.make`.

    Raises:
        TeamMisfitError: the critic is a central one.
    """
    if config.critic is not Critic.OBSERVATION:
        raise TeamMisfitError(f"ippo's critic sees the agent's own observation, not {config.critic}: that is mappo")
    setup = TeamSetup(arena, 0, config.sharing, config.agent_ids)
    return IPPO(setup, config, seed, device, Collector(setup, environments, seed, device))
