"""A scenario of VMAS (football, say) as a PettingZoo environment: one environment a copy, with discrete actions.

`arenas.make("pettingzoo:arenas/vmas_env", scenario="football", teams=[[0, 1], [2, 3]], n_blue_agents=2, ...)` is one as
an arena. VMAS is a batched simulator; behind the adapter each copy is a batch of one, which is correct and slow.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import vmas
from gymnasium import spaces
from pettingzoo import ParallelEnv

LIMIT = 100  # steps of an episode unless told otherwise: VMAS has none of its own


class VMASEnv(ParallelEnv):  # type: ignore[misc]  # PettingZoo ships no types
    """One environment of a VMAS scenario.

    Args:
        scenario: its name.
        max_steps: after which an episode is truncated.
        options: the scenario's.
    """

    def __init__(self, scenario: str, max_steps: int = LIMIT, **options: Any) -> None:
        self.env = vmas.make_env(
            scenario, num_envs=1, device="cpu", continuous_actions=False, max_steps=max_steps,
            terminated_truncated=True, **options,
        )  # fmt: skip
        self.metadata = {"name": scenario}
        self.max_cycles = max_steps
        self.possible_agents = [agent.name for agent in self.env.agents]
        self.agents: list[str] = []

    def observation_space(self, agent: str) -> spaces.Box:
        """VMAS has its spaces of `gym`: they are said again in Gymnasium's."""
        return spaces.Box(-np.inf, np.inf, self.env.observation_space[self.possible_agents.index(agent)].shape)

    def action_space(self, agent: str) -> spaces.Discrete:
        return spaces.Discrete(int(self.env.action_space[self.possible_agents.index(agent)].n))

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        seen = self.env.reset(seed=seed)
        self.agents = list(self.possible_agents)
        return self._each(seen), {agent: {} for agent in self.agents}

    def step(self, actions: dict[str, int]) -> tuple[Any, Any, Any, Any, Any]:
        moves = [torch.tensor([[actions[agent]]]) for agent in self.agents]
        seen, rewards, terminated, truncated, _ = self.env.step(moves)
        over, late = bool(terminated.item()), bool(truncated.item())
        result: tuple[Any, Any, Any, Any, Any] = (
            self._each(seen),
            {agent: float(reward) for agent, reward in zip(self.agents, rewards, strict=True)},
            dict.fromkeys(self.agents, over),
            dict.fromkeys(self.agents, late and not over),
            {agent: {} for agent in self.agents},
        )
        if over or late:
            self.agents = []
        return result

    def _each(self, seen: Any) -> dict[str, Any]:
        return {agent: view[0].numpy() for agent, view in zip(self.possible_agents, seen, strict=True)}


def parallel_env(scenario: str, **options: Any) -> VMASEnv:
    """Make one; `options` are `max_steps` and the scenario's."""
    return VMASEnv(scenario, **options)
