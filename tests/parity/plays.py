"""Random games of an arena of ours, written down ply by ply for a comparison with another implementation."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from arenas.core import Arena, State, Turns
from arenas.random import derive_seeds, uniforms

GAMES = 10_000


Array = np.ndarray[Any, Any]


class Plays(NamedTuple):
    """B games; T is the longest one. N agents, A actions.

    Attributes:
        start: the state in which the games began.
        observation: float32 [B, T, *shape] or [B, T, N, *shape].
        mask: bool [B, T, A] or [B, T, N, A].
        turn: int64 [B, T].
        actions: int64 [B, T] or [B, T, N].
        rewards: float32 [B, T, N].
        ended: bool [B, T], true at a game's last ply.
        live: bool [B, T], the plies that were played.
    """

    start: State
    observation: Array
    mask: Array
    turn: Array
    actions: Array
    rewards: Array
    ended: Array
    live: Array

    def lengths(self) -> list[int]:
        result: list[int] = self.live.sum(axis=1).tolist()
        return result


def play(arena: Arena, games: int = GAMES, seed: int = 0) -> Plays:
    """Play uniformly random games in one batch."""
    seeds = derive_seeds(seed, games)
    start = state = arena.reset(uniforms(seeds, 0, arena.spec.reset_uniforms))
    live = torch.ones(games, dtype=torch.bool)
    columns: list[tuple[torch.Tensor, ...]] = []
    while live.any():
        assert len(columns) < arena.spec.max_steps, f"{int(live.sum())} games do not end"
        seen = arena.observe(state)
        agents = arena.spec.num_agents if arena.spec.turns is Turns.SIMULTANEOUS else 1
        draws = uniforms(seeds, len(columns), agents * arena.spec.num_actions, 1).view(seen.action_mask.shape)
        actions = torch.where(seen.action_mask, draws, -1.0).argmax(dim=-1)
        step = arena.step(state, actions, live=live)
        ended = step.terminated | step.truncated
        columns.append((*seen, arena.turn(state), actions, step.rewards, ended, live))
        state, live = step.state, live & ~ended
    return Plays(start, *(torch.stack(column, dim=1).numpy() for column in zip(*columns, strict=True)))


def assert_agree(name: str, ours: Array, theirs: Array, live: Array) -> None:
    """Assert that two records [B, T, ...] agree on the plies that were played; name the first that does not."""
    differs = ours != theirs
    wrong = differs.reshape(*differs.shape[:2], -1).any(axis=2) & live
    if wrong.any():
        game, ply = np.argwhere(wrong)[0]
        raise AssertionError(f"game {game}, ply {ply}: {name} is {ours[game, ply]} here, {theirs[game, ply]} there")
