"""Tic-tac-toe on bitboards: one int64 a side, bit `4 * row + column` with an empty guard column."""

from __future__ import annotations

import torch
from torch import Tensor

from arenas.core import Arena, ArenaSpec, Observation, State, Step, Symmetry, Turns, select

SIZE = 3
STRIDE = SIZE + 1  # bits a row, with the guard bit that stops lines from wrapping into the next row
FULL_BOARD = sum(1 << (STRIDE * row + column) for row in range(SIZE) for column in range(SIZE))


def has_three(stones: Tensor) -> Tensor:
    """bool: whether a side's stones (int64 bitboards of any shape) hold three in a line."""
    found = torch.zeros_like(stones)
    for shift in (1, STRIDE, STRIDE - 1, STRIDE + 1):
        found = found | (stones & (stones >> shift) & (stones >> (2 * shift)))
    return found != 0


def bit(cell: Tensor) -> Tensor:
    """The bitboard (int64) of cells numbered 0 to 8, row by row."""
    return torch.ones_like(cell) << (cell + (STRIDE - SIZE) * (cell // SIZE))


def _symmetries() -> tuple[Symmetry, ...]:
    """The seven rotations and reflections of the square other than the identity."""

    def source(row: int, column: int, transpose: bool, rows: bool, columns: bool) -> int:
        row, column = (column, row) if transpose else (row, column)
        return SIZE * (SIZE - 1 - row if rows else row) + (SIZE - 1 - column if columns else column)

    flags = [(t, r, c) for t in (False, True) for r in (False, True) for c in (False, True)][1:]
    found = []
    for flag in flags:
        cells = tuple(source(row, column, *flag) for row in range(SIZE) for column in range(SIZE))
        found.append(Symmetry(observation=cells + tuple(len(cells) + cell for cell in cells), action=cells))
    return tuple(found)


class TicTacToe(Arena):
    """Mark cells in turn; three in a line wins.

    Actions: the cells, row by row.
    Observation [2, 3, 3]: the viewer's marks, the other side's marks.
    State: `mine` and `theirs`, the marks of the agent to move and of the other; `turn`, the agent to move.
    Rewards: 1 to the winner, -1 to the loser, 0 for a draw.
    """

    spec = ArenaSpec(
        name="tic_tac_toe",
        agents=("player_0", "player_1"),
        teams=((0,), (1,)),
        observation_shape=(2, SIZE, SIZE),
        num_actions=SIZE * SIZE,
        turns=Turns.SEQUENTIAL,
        max_steps=SIZE * SIZE,
        symmetries=_symmetries(),
        description="Tic-tac-toe, 3 by 3",
    )

    def reset(self, uniforms: Tensor) -> State:
        empty = torch.zeros(len(uniforms), dtype=torch.int64, device=uniforms.device)
        return {"mine": empty, "theirs": empty.clone(), "turn": empty.clone()}

    def turn(self, state: State) -> Tensor:
        return state["turn"]

    def observe(self, state: State, agent: int | None = None, dtype: torch.dtype = torch.float32) -> Observation:
        mine, theirs = state["mine"], state["theirs"]
        cells = bit(torch.arange(SIZE * SIZE, device=mine.device))
        legal = ((mine | theirs)[:, None] & cells) == 0
        if agent is not None:
            to_move = state["turn"] == agent
            mine, theirs = torch.where(to_move, mine, theirs), torch.where(to_move, theirs, mine)
            legal = legal & to_move[:, None]
        planes = (torch.stack((mine, theirs), dim=1)[:, :, None] & cells) != 0  # [B, 2, 9]
        return Observation(planes.to(dtype).view(-1, *self.spec.observation_shape), legal)

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        mine, theirs, turn = state["mine"], state["theirs"], state["turn"]
        moved = mine | bit(actions)
        won = has_three(moved)
        ended = won | ((moved | theirs) == FULL_BOARD)
        after = {"mine": theirs, "theirs": moved, "turn": 1 - turn}
        if live is not None:
            after, won, ended = select(live, after, state), won & live, ended & live
        first = torch.where(won, 1 - 2 * turn, 0).to(torch.float32)  # the reward of player_0
        return Step(after, torch.stack((first, -first), dim=1), ended, torch.zeros_like(ended))

    def render(self, state: State, index: int) -> str:
        mine, theirs, turn = (int(state[name][index]) for name in ("mine", "theirs", "turn"))
        crosses, noughts = (mine, theirs) if turn == 0 else (theirs, mine)
        rows = [[1 << (STRIDE * row + column) for column in range(SIZE)] for row in range(SIZE)]
        return "\n".join(" ".join("X" if crosses & b else "O" if noughts & b else "." for b in row) for row in rows)
