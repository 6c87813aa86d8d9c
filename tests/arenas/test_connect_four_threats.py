"""The threat planes of Connect Four: exactly the empty cells that would make four."""

from __future__ import annotations

import pytest
import torch

import arenas
from arenas.games.connect_four import CELLS, COLUMNS, ConnectFour, has_four
from arenas.random import uniforms


def positions(count: int) -> list[dict[str, torch.Tensor]]:
    """The states of random games, ply by ply."""
    arena = ConnectFour()
    state = arena.reset(torch.zeros(count, 0))
    live = torch.ones(count, dtype=torch.bool)
    seen = [state]
    for ply in range(30):
        mask = arena.observe(state).action_mask
        draw = uniforms(torch.arange(count), ply, 7)
        after = arena.step(state, torch.where(mask, draw, -1.0).argmax(1), live=live)
        state, live = after.state, live & ~after.terminated
        seen.append(state)
    return seen


def test_threats_are_the_cells_that_complete_four() -> None:
    arena = ConnectFour(threats=True)
    found_any = 0
    for state in positions(200):
        planes = arena.observe(state).observation.flatten(2)
        for now, later, side in ((2, 4, "mine"), (3, 5, "theirs")):
            stones, taken = state[side], state["mine"] | state["theirs"]
            for index, cell in enumerate(CELLS):
                empty = (taken >> cell) & 1 == 0
                completes = has_four(stones | (1 << cell)) & ~has_four(stones) & empty
                playing = ~has_four(stones)
                below = torch.ones_like(empty) if index < COLUMNS else (taken >> (cell - 1)) & 1 == 1
                assert torch.equal(planes[playing, now, index].bool(), (completes & below)[playing])
                assert torch.equal(planes[playing, later, index].bool(), (completes & ~below)[playing])
                found_any += int(completes.sum())
    assert found_any > 1000


def test_threats_are_an_option() -> None:
    assert arenas.make("connect_four").spec.observation_shape == (2, 6, 7)
    assert arenas.make("connect_four", threats=True).spec.observation_shape == (6, 6, 7)
    with pytest.raises(ValueError, match="threats has to be true or false, not 3"):
        arenas.make("connect_four", threats=3)
