"""Agents walk a corridor: a parallel PettingZoo environment that has every trouble an adapter can meet, by option."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv
from pettingzoo.utils.conversions import parallel_to_aec


class Corridor(ParallelEnv):  # type: ignore[misc]  # PettingZoo ships no types
    """Each step an agent is rewarded its action plus ten times its number.

    Args:
        lives: for each agent the step at which it terminates; 0 is never.
        limit: the step at which the agents that are left are truncated.
        ragged: agents differ in the size of their observations (2 + number) and in their actions (2 + number).
        mask: "" none, "info" or "observation": where the mask is; it forbids the last action on odd steps.
        fault: "raise", "exit", "kill" or "hang" at step 2 of an episode.
        continuous: a Box of actions.
    """

    def __init__(
        self,
        lives: list[int],
        limit: int = 5,
        ragged: bool = False,
        mask: str = "",
        fault: str = "",
        continuous: bool = False,
    ) -> None:
        self.metadata = {"name": "corridor", "is_parallelizable": True, "render_modes": ["ansi"]}
        self.render_mode = "ansi"
        self.possible_agents = [f"walker_{number}" for number in range(len(lives))]
        self._lives, self._limit, self._mask, self._fault = lives, limit, mask, fault
        grow = 1 if ragged else 0
        self._widths = [2 + grow * number for number in range(len(lives))]
        self._actions: list[Any] = [spaces.Discrete(2 + grow * number) for number in range(len(lives))]
        if continuous:
            self._actions = [spaces.Box(0, 1, (1,)) for _ in lives]
        boxes = [spaces.Box(-1e6, 1e6, (width,), np.float32) for width in self._widths]
        masks = [spaces.Box(0, 1, (2 + grow * number,), np.int8) for number in range(len(lives))]
        self._spaces: list[Any] = [
            spaces.Dict({"observation": box, "action_mask": mask_space}) if mask == "observation" else box
            for box, mask_space in zip(boxes, masks, strict=True)
        ]

    def observation_space(self, agent: str) -> Any:
        return self._spaces[self.possible_agents.index(agent)]

    def action_space(self, agent: str) -> Any:
        return self._actions[self.possible_agents.index(agent)]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        self.agents = list(self.possible_agents)
        self._step, self._start = 0, float(np.random.default_rng(seed).integers(1000))
        return self._see(self.agents), self._infos(self.agents)

    def step(self, actions: dict[str, int]) -> tuple[Any, Any, Any, Any, Any]:
        self._step += 1
        if self._fault and self._step == 2:
            self._break()
        acting = list(self.agents)
        numbers = {agent: self.possible_agents.index(agent) for agent in acting}
        rewards = {agent: float(actions[agent] + 10 * numbers[agent]) for agent in acting}
        terminations = {agent: self._lives[numbers[agent]] == self._step for agent in acting}
        truncations = {agent: self._step >= self._limit and not terminations[agent] for agent in acting}
        self.agents = [agent for agent in acting if not (terminations[agent] or truncations[agent])]
        return self._see(acting), rewards, terminations, truncations, self._infos(acting)

    def render(self) -> str:
        return f"step {self._step} of {self._limit}"

    def close(self) -> None:
        pass

    def _break(self) -> None:
        if self._fault == "raise":
            raise RuntimeError("the corridor fell in")
        if self._fault == "exit":
            os._exit(7)
        if self._fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(3600)

    def _legal(self, agent: str) -> Any:
        number = self.possible_agents.index(agent)
        legal = np.ones(self._widths[number], np.int8)
        legal[-1] = self._step % 2 == 0
        return legal

    def _see(self, agents: list[str]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for agent in agents:
            number = self.possible_agents.index(agent)
            view = np.full(self._widths[number], 100 * number + self._step, np.float32)
            view[0] = self._start
            seen[agent] = view
            if self._mask == "observation":
                seen[agent] = {"observation": view, "action_mask": self._legal(agent)}
        return seen

    def _infos(self, agents: list[str]) -> dict[str, dict[str, Any]]:
        return {agent: {"action_mask": self._legal(agent)} if self._mask == "info" else {} for agent in agents}


def parallel_env(**options: Any) -> Corridor:
    return Corridor(**options)


def env(**options: Any) -> Any:
    return parallel_to_aec(Corridor(**options))
