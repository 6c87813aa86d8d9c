"""The algorithms that train teams, by name: ours, and plug-ins (entry points of the group `league.algorithms`).

Nothing here imports torch before a learner is made.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel

from agents.algorithms.coma_settings import PRESETS as COMA_PRESETS
from agents.algorithms.maddpg_settings import PRESETS as MADDPG_PRESETS
from agents.algorithms.mappo_settings import IPPO_PRESETS, MAPPO_PRESETS
from agents.teams.q_settings import Q_PRESETS, QMIX_PRESETS

if TYPE_CHECKING:
    import torch

    from agents.teams.core import TeamLearner
    from arenas.core import Arena

GROUP = "league.algorithms"


class UnknownAlgorithmError(ValueError):
    """There is no algorithm of that name, or no preset of it."""


class Algorithm(NamedTuple):
    """What is known of an algorithm without torch.

    Attributes:
        description: one line for people.
        config: `module:Class` of its settings, a pydantic model in a module without torch.
        build: `module:function` with the signature of `make` after the name.
        presets: by name what a published recipe sets beside the model's defaults.
        own_rewards: the settings with which each agent learns from its own reward; None where it always learns from the
            team's sum.
    """

    description: str
    config: str
    build: str
    presets: Mapping[str, Mapping[str, Any]] = {}
    own_rewards: Mapping[str, Any] | None = None

    def settings(self) -> type[BaseModel]:
        """The class of its settings."""
        found: type[BaseModel] = _named(self.config)
        return found


OWN_REWARDS: dict[str, Any] = {"reward": "agent"}

ALGORITHMS: dict[str, Algorithm] = {
    "iql": Algorithm(
        "Independent deep Q-learning",
        "agents.teams.q_settings:QConfig",
        "agents.algorithms.iql:build",
        Q_PRESETS,
        OWN_REWARDS,
    ),
    "vdn": Algorithm(
        "Value decomposition: the team's value is the sum of its agents'",
        "agents.teams.q_settings:QConfig",
        "agents.algorithms.vdn:build",
        Q_PRESETS,
    ),
    "qmix": Algorithm(
        "Value decomposition: the team's value is monotonic in its agents'",
        "agents.teams.q_settings:QMIXConfig",
        "agents.algorithms.qmix:build",
        QMIX_PRESETS,
    ),
    "mappo": Algorithm(
        "Proximal policy optimisation with a critic of the global state",
        "agents.algorithms.mappo_settings:MAPPOConfig",
        "agents.algorithms.mappo:build",
        MAPPO_PRESETS,
        OWN_REWARDS | {"critic": "agent", "agent_ids": True},
    ),
    "ippo": Algorithm(
        "Independent proximal policy optimisation: a critic of each agent's own observation",
        "agents.algorithms.mappo_settings:IPPOConfig",
        "agents.algorithms.ippo:build",
        IPPO_PRESETS,
        OWN_REWARDS,
    ),
    "coma": Algorithm(
        "Counterfactual policy gradients: what the team loses by an agent's action against its average one",
        "agents.algorithms.coma_settings:COMAConfig",
        "agents.algorithms.coma:build",
        COMA_PRESETS,
    ),
    "maddpg": Algorithm(
        "Deterministic policy gradients with critics of the joint action, discrete actions by Gumbel-softmax",
        "agents.algorithms.maddpg_settings:MADDPGConfig",
        "agents.algorithms.maddpg:build",
        MADDPG_PRESETS,
        OWN_REWARDS,
    ),
}


def names() -> list[str]:
    """All algorithms, sorted."""
    return sorted({*ALGORITHMS, *(point.name for point in entry_points(group=GROUP))})


def find(name: str) -> Algorithm:
    """The algorithm of that name.

    Raises:
        UnknownAlgorithmError: there is none; the message lists those there are.
    """
    if name in ALGORITHMS:
        return ALGORITHMS[name]
    for point in entry_points(group=GROUP, name=name):
        found: Algorithm = point.load()
        return found
    raise UnknownAlgorithmError(f"no algorithm {name!r}: there are {', '.join(names())}")


def make(
    name: str, arena: Arena, config: BaseModel, *, environments: int, seed: int, device: torch.device | None = None
) -> TeamLearner:
    """A learner of the arena's only team.

    Args:
        name: of the algorithm.
        arena: the arena.
        config: its settings, an instance of `find(name).settings()`.
        environments: B, run in lockstep.
        seed: of all its randomness.
        device: where; the CPU unless told otherwise.

    Raises:
        UnknownAlgorithmError: there is no such algorithm.
        agents.teams.core.TeamMisfitError: it does not fit the arena; the message says what would.
    """
    import torch

    chosen = torch.device("cpu") if device is None else device
    learner: TeamLearner = _named(find(name).build)(arena, config, environments=environments, seed=seed, device=chosen)
    return learner


def _named(place: str) -> Any:
    module, _, attribute = place.partition(":")
    return getattr(importlib.import_module(module), attribute)
