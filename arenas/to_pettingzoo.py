"""Any arena as a PettingZoo environment: an AECEnv, and a ParallelEnv where all agents act together.

Observations are PettingZoo's dict {"observation", "action_mask"}. An illegal action is an error: who forfeits is for
the league to decide, so PettingZoo's TerminateIllegalWrapper (-1 for the offender, 0 for the other side) is not used.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from pettingzoo import AECEnv, ParallelEnv
from pettingzoo.utils.conversions import parallel_to_aec
from torch import Tensor

from arenas.core import Arena, State, Step, Turns


def aec_env(arena: str | Arena, render_mode: str | None = None, **options: Any) -> Any:
    """An AECEnv of an arena.

    Args:
        arena: an arena, or a name for `arenas.make` with its `options`.
        render_mode: "ansi" for `render()` to return text.
    """
    made = _resolve(arena, options)
    if made.spec.turns is Turns.SIMULTANEOUS:
        return parallel_to_aec(ArenaParallelEnv(made, render_mode))
    return ArenaAECEnv(made, render_mode)


def parallel_env(arena: str | Arena, render_mode: str | None = None, **options: Any) -> Any:
    """A ParallelEnv of an arena in which all agents act together; the arguments are those of `aec_env`.

    Raises:
        ValueError: the arena's agents take turns.
    """
    made = _resolve(arena, options)
    if made.spec.turns is not Turns.SIMULTANEOUS:
        raise ValueError(f"the agents of {made.spec.name} take turns: it has an aec_env and no parallel_env")
    return ArenaParallelEnv(made, render_mode)


env = aec_env  # the name that PettingZoo's modules use


def _resolve(arena: str | Arena, options: dict[str, Any]) -> Arena:
    if isinstance(arena, Arena):
        return arena
    from arenas.registry import make  # here, since the registry makes arenas of this module's opposite

    return make(arena, **options)


class _Game:
    """One environment of an arena, the random numbers that it consumes, and its spaces."""

    def __init__(self, arena: Arena, render_mode: str | None) -> None:
        if render_mode not in (None, "ansi"):
            raise ValueError(f"render_mode {render_mode!r}: an arena is drawn as text, by 'ansi'")
        self.arena, self.spec, self.render_mode = arena, arena.spec, render_mode
        self.agents = list(self.spec.agents)
        self.state: State | None = None
        self._random = np.random.default_rng()
        count, shape = self.spec.num_actions, self.spec.observation_shape
        self.action_spaces = {agent: spaces.Discrete(count) for agent in self.agents}
        self.observation_spaces = {
            agent: spaces.Dict(
                {
                    "observation": spaces.Box(-np.inf, np.inf, shape, np.float32),
                    "action_mask": spaces.Box(0, 1, (count,), np.int8),
                }
            )
            for agent in self.agents
        }

    @property
    def metadata(self) -> dict[str, Any]:
        parallel = self.spec.turns is Turns.SIMULTANEOUS
        return {"name": self.spec.name, "render_modes": ["ansi"], "is_parallelizable": parallel, "render_fps": 1}

    def reset(self, seed: int | None) -> None:
        if seed is not None:
            self._random = np.random.default_rng(seed)
        self.state = self.arena.reset(self._uniforms(self.spec.reset_uniforms))

    def step(self, actions: Tensor) -> Step:
        step = self.arena.step(self._started(), actions, self._uniforms(self.spec.step_uniforms))
        self.state = step.state
        return step

    def turn(self) -> int:
        return int(self.arena.turn(self._started())[0])

    def observe(self, agent: str) -> dict[str, Any]:
        seen = self.arena.observe(self._started(), self.agents.index(agent))
        mask = seen.action_mask[0].to(torch.int8)
        return {"observation": seen.observation[0].numpy().copy(), "action_mask": mask.numpy()}

    def check(self, agent: str, action: int, mask: Any) -> None:
        """Raise ValueError for an action that is not legal."""
        if not (0 <= action < self.spec.num_actions and mask[action]):
            legal = np.flatnonzero(mask).tolist()
            raise ValueError(f"{self.spec.name}: {agent} played {action}; its legal actions are {legal}")

    def render(self) -> str | None:
        return None if self.render_mode is None else self.arena.render(self._started(), 0)

    def _started(self) -> State:
        if self.state is None:
            raise RuntimeError(f"{self.spec.name}: reset() has to be called before anything else")
        return self.state

    def _uniforms(self, width: int) -> Tensor:
        return torch.from_numpy(self._random.random((1, width), dtype=np.float32))


class ArenaAECEnv(AECEnv):  # type: ignore[misc]  # PettingZoo ships no types
    """A sequential arena as an AECEnv."""

    def __init__(self, arena: Arena, render_mode: str | None = None) -> None:
        super().__init__()
        self._game = _Game(arena, render_mode)
        self.metadata = self._game.metadata
        self.render_mode = render_mode
        self.possible_agents = list(self._game.agents)
        self.agents: list[str] = []  # nobody, before reset and after the end

    def observation_space(self, agent: str) -> Any:
        return self._game.observation_spaces[agent]

    def action_space(self, agent: str) -> Any:
        return self._game.action_spaces[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        self._game.reset(seed)
        self.agents = list(self.possible_agents)
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos: dict[str, dict[str, Any]] = {agent: {} for agent in self.agents}
        self.agent_selection = self.possible_agents[self._game.turn()]

    def observe(self, agent: str) -> Any:
        return self._game.observe(agent)

    def step(self, action: Any) -> None:
        if not self.agents:
            raise RuntimeError(f"{self._game.spec.name}: no episode is under way; call reset()")
        agent = self.agent_selection
        if self.terminations[agent] or self.truncations[agent]:
            self._was_dead_step(action)
            return
        self._game.check(agent, int(action), self.observe(agent)["action_mask"])
        step = self._game.step(torch.tensor([int(action)]))
        self._cumulative_rewards[agent] = 0.0
        self.rewards = dict(zip(self.possible_agents, step.rewards[0].tolist(), strict=True))
        self._accumulate_rewards()
        self.terminations = dict.fromkeys(self.agents, bool(step.terminated[0]))
        self.truncations = dict.fromkeys(self.agents, bool(step.truncated[0]))
        self.agent_selection = self.possible_agents[self._game.turn()]

    def render(self) -> str | None:
        return self._game.render()

    def close(self) -> None:
        self._game.arena.close()


class ArenaParallelEnv(ParallelEnv):  # type: ignore[misc]  # PettingZoo ships no types
    """A simultaneous arena as a ParallelEnv."""

    def __init__(self, arena: Arena, render_mode: str | None = None) -> None:
        self._game = _Game(arena, render_mode)
        self.metadata = self._game.metadata
        self.render_mode = render_mode
        self.possible_agents = list(self._game.agents)
        self.agents: list[str] = []  # nobody, before reset and after the end

    def observation_space(self, agent: str) -> Any:
        return self._game.observation_spaces[agent]

    def action_space(self, agent: str) -> Any:
        return self._game.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        self._game.reset(seed)
        self.agents = list(self.possible_agents)
        return self._observations(), {agent: {} for agent in self.agents}

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        if not self.agents:
            raise RuntimeError(f"{self._game.spec.name}: no episode is under way; call reset()")
        seen = self._observations()
        for agent in self.agents:
            self._game.check(agent, int(actions[agent]), seen[agent]["action_mask"])
        step = self._game.step(torch.tensor([[int(actions[agent]) for agent in self.agents]]))
        agents = self.agents
        rewards = dict(zip(agents, step.rewards[0].tolist(), strict=True))
        terminated, truncated = bool(step.terminated[0]), bool(step.truncated[0])
        if terminated or truncated:
            self.agents = []
        return (
            self._observations(),
            rewards,
            dict.fromkeys(agents, terminated),
            dict.fromkeys(agents, truncated),
            {agent: {} for agent in agents},
        )

    def render(self) -> str | None:
        return self._game.render()

    def close(self) -> None:
        self._game.arena.close()

    def _observations(self) -> dict[str, Any]:
        return {agent: self._game.observe(agent) for agent in self.possible_agents}
