"""The adapters against our own games: the same moves lead through the same positions to the same ends."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
import torch
from torch import Tensor

import arenas
from arenas.core import Arena

View = Callable[[Tensor], Tensor]


def channels_last_from_the_top(seen: Tensor) -> Tensor:
    """PettingZoo's Connect Four: [B, 6, 7, 2] with row 0 on top, to our [B, 2, 6, 7] with row 0 at the bottom."""
    return seen.permute(0, 3, 1, 2).flip(2)


def channels_last(seen: Tensor) -> Tensor:
    return seen.permute(0, 3, 1, 2)


def lockstep(native: Arena, foreign: Arena, batch: int, view: View | None, live: Tensor | None = None) -> int:
    """Play random games in both arenas at once; returns the number of plies that were compared."""
    random = torch.Generator().manual_seed(0)
    state, other = native.reset(torch.zeros(batch, 1)), foreign.reset(torch.rand(batch, 1, generator=random))
    live, plies = torch.ones(batch, dtype=torch.bool), 0
    while live.any():
        seen, shown = native.observe(state), foreign.observe(other)
        assert torch.equal(seen.action_mask[live], shown.action_mask[live])
        assert torch.equal(native.turn(state)[live], foreign.turn(other)[live])
        if view is not None:
            assert torch.equal(seen.observation[live], view(shown.observation)[live])
        odds = (seen.action_mask | ~live.view(-1, *[1] * (seen.action_mask.dim() - 1))).float().flatten(0, -2)
        actions = torch.multinomial(odds, 1, generator=random).view(seen.action_mask.shape[:-1])
        step, foreign_step = native.step(state, actions, live=live), foreign.step(other, actions, live=live)
        assert torch.equal(step.rewards, foreign_step.rewards)
        ended = step.terminated | step.truncated
        assert torch.equal(ended, foreign_step.terminated | foreign_step.truncated)
        plies += int(live.sum())
        state, other, live = step.state, foreign_step.state, live & ~ended
        if view is not None:  # what each agent sees at the end, too
            for agent in (0, 1):
                final = view(foreign.observe(other, agent).observation)
                assert torch.equal(native.observe(state, agent).observation[ended], final[ended])
    return plies


PAIRS: list[tuple[str, dict[str, Any], str, View | None]] = [
    ("connect_four", {}, "pettingzoo:classic/connect_four-v3", channels_last_from_the_top),
    ("tic_tac_toe", {}, "pettingzoo:classic/tictactoe-v3", channels_last),
    ("rock_paper_scissors", {"rounds": 15}, "pettingzoo:classic/rps-v2", None),
    ("connect_four", {}, "openspiel:connect_four", None),
    ("tic_tac_toe", {}, "openspiel:tic_tac_toe", None),
    ("rock_paper_scissors", {}, "openspiel:matrix_rps", None),
]


@pytest.mark.parametrize(("name", "options", "foreign", "view"), PAIRS)
@pytest.mark.parametrize("games", [100, pytest.param(10_000, marks=pytest.mark.slow)])
def test_foreign_arenas_agree_with_native_ones(
    name: str, options: dict[str, Any], foreign: str, view: View | None, games: int
) -> None:
    with closing(arenas.make(foreign)) as other:
        assert lockstep(arenas.make(name, **options), other, games, view) >= games
