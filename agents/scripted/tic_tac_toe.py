"""The perfect tic-tac-toe player, from a table of all positions."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from agents.scripted.choice import pick_uniformly
from arenas.core import ArenaSpec, Observation

CELLS = 9
EMPTY, MINE, THEIRS = 0, 1, 2
_LINES = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6))
_PLACES = tuple(3**cell for cell in range(CELLS))


class PerfectTicTacToe:
    """Never loses; plays uniformly over the moves that keep the value (win, draw or loss) of the position."""

    def __init__(self, spec: ArenaSpec) -> None:
        self.spec = spec
        self._best = best_moves()

    def begin(self, batch: int, device: torch.device) -> None:
        """Nothing to forget: a move depends on the position alone."""
        self._best = self._best.to(device)

    def act(self, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
        """Draw one of the best moves (see `agents.core.Agent.act`)."""
        marks = observation.observation.flatten(2) > 0.5  # [B, 2, 9]
        digits = torch.tensor(_PLACES, device=marks.device)
        positions = ((MINE * marks[:, 0] + THEIRS * marks[:, 1]) * digits).sum(dim=1)
        return pick_uniformly(self._best[positions], uniforms)


@functools.cache
def best_moves() -> Tensor:
    """bool [3^9, 9]: the moves that keep the value of each position, numbered by its cells as digits to base 3.

    Rows of positions that cannot come up, or in which the game is over, are all false.
    """
    table = torch.zeros((3**CELLS, CELLS), dtype=torch.bool)

    @functools.cache
    def value(position: tuple[int, ...]) -> int:
        if any(all(position[cell] == THEIRS for cell in line) for line in _LINES):
            return -1
        replies = {cell: -value(_played(position, cell)) for cell in range(CELLS) if position[cell] == EMPTY}
        best = max(replies.values(), default=0)
        number = sum(digit * place for digit, place in zip(position, _PLACES, strict=True))
        for cell, worth in replies.items():
            table[number, cell] = worth == best
        return best

    value((EMPTY,) * CELLS)
    return table


def _played(position: tuple[int, ...], cell: int) -> tuple[int, ...]:
    """The position after a move, seen by the other side."""
    other = {EMPTY: EMPTY, MINE: THEIRS, THEIRS: MINE}
    return tuple(THEIRS if place == cell else other[mark] for place, mark in enumerate(position))
