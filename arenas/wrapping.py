"""An arena around another one: what training changes of a game without touching its rules."""

from __future__ import annotations

import torch
from torch import Tensor

from arenas.core import Arena, ArenaSpec, Observation, State, Step


class WrappedArena(Arena):
    """The arena inside, but for what a subclass changes; states are those of the arena inside.

    Args:
        arena: what is inside.
        spec: what the whole is; that of the arena inside unless given.
    """

    def __init__(self, arena: Arena, spec: ArenaSpec | None = None) -> None:
        self.arena = arena
        self.spec = arena.spec if spec is None else spec

    def reset(self, uniforms: Tensor) -> State:
        return self.arena.reset(uniforms)

    def turn(self, state: State) -> Tensor:
        return self.arena.turn(state)

    def observe(self, state: State, agent: int | None = None, dtype: torch.dtype = torch.float32) -> Observation:
        return self.arena.observe(state, agent, dtype)

    def global_state(self, state: State, dtype: torch.dtype = torch.float32) -> Tensor:
        return self.arena.global_state(state, dtype)

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        return self.arena.step(state, actions, uniforms, live)

    def renew(self, state: State, ended: Tensor, uniforms: Tensor) -> State:
        return self.arena.renew(state, ended, uniforms)

    def render(self, state: State, index: int) -> str:
        return self.arena.render(state, index)

    def close(self) -> None:
        self.arena.close()
