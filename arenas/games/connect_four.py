"""Connect Four on bitboards: 7 columns of 6 rows, one int64 a side, bit `7 * column + row` with an empty guard row.

The bit layout and the shift test for four in a line are John Tromp's
(https://tromp.github.io/c4/Connect4.java).
"""

from __future__ import annotations

import torch
from torch import Tensor

from arenas.core import Arena, ArenaSpec, Observation, State, Step, Symmetry, Turns

COLUMNS, ROWS = 7, 6
STRIDE = ROWS + 1  # bits a column, with the guard bit that stops lines from wrapping into the next column
COLUMN_MASK = (1 << ROWS) - 1
FULL_BOARD = sum(COLUMN_MASK << (STRIDE * column) for column in range(COLUMNS))
BOTTOM_ROW = sum(1 << (STRIDE * column) for column in range(COLUMNS))
CELLS = tuple(STRIDE * column + row for row in range(ROWS) for column in range(COLUMNS))  # row-major from the bottom


def has_four(stones: Tensor) -> Tensor:
    """bool: whether a side's stones (int64 bitboards of any shape) hold four in a line."""
    found = torch.zeros_like(stones)
    for shift in (1, STRIDE, STRIDE - 1, STRIDE + 1):
        pairs = stones & (stones >> shift)
        found = found | (pairs & (pairs >> (2 * shift)))
    return found != 0


def drop(occupied: Tensor, column: Tensor) -> Tensor:
    """The bit of the cell where a stone dropped into `column` comes to rest."""
    base = column * STRIDE
    return (occupied + (1 << base)) & (COLUMN_MASK << base)


def completing(stones: Tensor) -> Tensor:
    """The cells (int64 bitboard) that would make four in a line with a side's stones, taken or not, on the board."""
    cells = (stones << 1) & (stones << 2) & (stones << 3)  # a column is completed from below only
    for shift in (STRIDE, STRIDE - 1, STRIDE + 1):
        left, right = stones << shift, stones >> shift
        pair_left, pair_right = left & (stones << (2 * shift)), right & (stones >> (2 * shift))
        cells = cells | (pair_left & ((stones << (3 * shift)) | right))
        cells = cells | (pair_right & ((stones >> (3 * shift)) | left))
    return cells & FULL_BOARD


def _planes(boards: Tensor, dtype: torch.dtype) -> Tensor:
    """Bitboards [B, P] as planes [B, P, 6, 7] of zeros and ones.

    Columns are cut out first, so that the many small shifts work on bytes and not on words of eight.
    """
    columns = (boards[:, :, None] >> (STRIDE * torch.arange(COLUMNS, device=boards.device))) & COLUMN_MASK
    rows = torch.arange(ROWS, dtype=torch.uint8, device=boards.device)
    return ((columns.to(torch.uint8)[:, :, None, :] >> rows[:, None]) & 1).to(dtype)


def _mirror(planes: int) -> Symmetry:
    cells = [row * COLUMNS + (COLUMNS - 1 - column) for row in range(ROWS) for column in range(COLUMNS)]
    seen = [plane * len(cells) + cell for plane in range(planes) for cell in cells]
    return Symmetry(observation=tuple(seen), action=tuple(reversed(range(COLUMNS))))


class ConnectFour(Arena):
    """Drop stones into columns; four in a line wins.

    Actions: the columns, from the left.
    Observation [2, 6, 7]: the viewer's stones, the other side's stones; row 0 is the bottom. With `threats` [6, 6, 7]:
    then the empty cells that would complete four for the viewer and those for the other side, first where a stone can
    drop now, then where it cannot yet (the threats of Allis, "A Knowledge-Based Approach of Connect-Four", 1988). They
    follow from the stones but are slow to learn to see.

    State: `mine` and `theirs`, the stones of the agent to move and of the other; `turn`, the agent to move.
    Rewards: 1 to the winner, -1 to the loser, 0 for a draw.
    """

    def __init__(self, threats: bool = False) -> None:
        if not isinstance(threats, bool):
            raise ValueError(f"threats has to be true or false, not {threats!r}")
        self.threats = threats
        planes = 6 if threats else 2
        self.spec = ArenaSpec(
            name="connect_four",
            agents=("player_0", "player_1"),
            teams=((0,), (1,)),
            observation_shape=(planes, ROWS, COLUMNS),
            num_actions=COLUMNS,
            turns=Turns.SEQUENTIAL,
            max_steps=ROWS * COLUMNS,
            symmetries=(_mirror(planes),),
            description="Connect Four, 7 columns of 6 rows",
        )

    def reset(self, uniforms: Tensor) -> State:
        empty = torch.zeros(len(uniforms), dtype=torch.int64, device=uniforms.device)
        return {"mine": empty, "theirs": empty.clone(), "turn": empty.clone()}

    def turn(self, state: State) -> Tensor:
        return state["turn"]

    def observe(self, state: State, agent: int | None = None, dtype: torch.dtype = torch.float32) -> Observation:
        mine, theirs = state["mine"], state["theirs"]
        tops = torch.tensor([1 << (STRIDE * column + ROWS - 1) for column in range(COLUMNS)], device=mine.device)
        legal = ((mine | theirs)[:, None] & tops) == 0
        if agent is not None:
            to_move = state["turn"] == agent
            mine, theirs = torch.where(to_move, mine, theirs), torch.where(to_move, theirs, mine)
            legal = legal & to_move[:, None]
        boards = [mine, theirs]
        if self.threats:
            occupied = mine | theirs
            reachable = (occupied + BOTTOM_ROW) & FULL_BOARD
            later = FULL_BOARD & ~occupied & ~reachable
            own, others = completing(mine), completing(theirs)
            boards += [own & reachable, others & reachable, own & later, others & later]
        return Observation(_planes(torch.stack(boards, dim=1), dtype), legal)

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        mine, theirs, turn = state["mine"], state["theirs"], state["turn"]
        occupied = mine | theirs
        stone = drop(occupied, actions)
        moved = mine | stone
        won = has_four(moved)
        ended = won | ((occupied | stone) == FULL_BOARD)
        if live is not None:
            won, ended = won & live, ended & live
        first = torch.where(won, 1 - 2 * turn, 0).to(torch.float32)  # the reward of player_0
        after = {"mine": theirs, "theirs": moved, "turn": 1 - turn}
        if live is not None:
            after = {name: torch.where(live, tensor, state[name]) for name, tensor in after.items()}
        return Step(after, torch.stack((first, -first), dim=1), ended, torch.zeros_like(ended))

    def render(self, state: State, index: int) -> str:
        mine, theirs, turn = (int(state[name][index]) for name in ("mine", "theirs", "turn"))
        stones = (mine, theirs) if turn == 0 else (theirs, mine)
        rows = []
        for row in reversed(range(ROWS)):
            bits = [1 << (STRIDE * column + row) for column in range(COLUMNS)]
            rows.append(" ".join("X" if stones[0] & bit else "O" if stones[1] & bit else "." for bit in bits))
        return "\n".join([*rows, " ".join(str(column) for column in range(COLUMNS))])
