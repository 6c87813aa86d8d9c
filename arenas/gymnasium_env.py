"""Team games of Gymnasium as PettingZoo environments: lbforaging, rware, and what else keeps to their convention.

There each space is a tuple with an entry for each agent, and a step returns a tuple of observations and a list of
rewards. `arenas.make("pettingzoo:arenas/gymnasium_env", id="rware:rware-tiny-2ag-v2", teams=[[0, 1]])` is one as an
arena; an id is Gymnasium's own, with the module that registers it in front.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv


class TupleEnv(ParallelEnv):  # type: ignore[misc]  # PettingZoo ships no types
    """A Gymnasium environment with tuples of spaces.

    Args:
        env: the environment.
        name: for people.

    Attributes:
        max_cycles: the limit of steps that it is registered with, or else says itself; None where there is none.

    Raises:
        ValueError: its spaces are no tuples of one length.
    """

    def __init__(self, env: Any, name: str) -> None:
        seen, acted = env.observation_space, env.action_space
        if not isinstance(seen, spaces.Tuple) or not isinstance(acted, spaces.Tuple) or len(seen) != len(acted):
            raise ValueError(f"{name} is no game of several agents: its spaces are {seen} and {acted}, no tuples")
        self.env = env
        self.metadata = {"name": name}
        self.possible_agents = [f"agent_{number}" for number in range(len(seen))]
        self.agents: list[str] = []
        self.observation_spaces = dict(zip(self.possible_agents, seen, strict=True))
        self.action_spaces = dict(zip(self.possible_agents, acted, strict=True))
        limits = [env.spec.max_episode_steps if env.spec is not None else None]
        limits += [
            getattr(env.unwrapped, name, None) for name in ("max_steps", "_max_episode_steps")
        ]  # rware, lbforaging
        self.max_cycles = next((limit for limit in limits if limit), None)

    def observation_space(self, agent: str) -> Any:
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Any:
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        seen, _ = self.env.reset(seed=seed, options=options)
        self.agents = list(self.possible_agents)
        return self._each(seen), {agent: {} for agent in self.agents}

    def step(self, actions: dict[str, int]) -> tuple[Any, Any, Any, Any, Any]:
        moves = [actions[agent] for agent in self.agents]
        seen, rewards, terminated, truncated, _ = self.env.step(moves)
        over, late = (bool(np.all(flags)) for flags in (terminated, truncated))
        result: tuple[Any, Any, Any, Any, Any] = (
            self._each(seen),
            {agent: float(reward) for agent, reward in zip(self.agents, rewards, strict=True)},
            dict.fromkeys(self.agents, over),
            dict.fromkeys(self.agents, late),
            {agent: {} for agent in self.agents},
        )
        if over or late:
            self.agents = []
        return result

    def close(self) -> None:
        self.env.close()

    def _each(self, seen: Any) -> dict[str, Any]:
        return dict(zip(self.possible_agents, seen, strict=True))


def parallel_env(id: str, **options: Any) -> TupleEnv:
    """Make one; `options` are the environment's."""
    return TupleEnv(gymnasium.make(id, disable_env_checker=True, **options), id)
