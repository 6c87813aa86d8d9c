"""Exact fixed-depth search of Connect Four for a whole batch of positions at once.

Full-width negamax that sees wins and losses only: a position from which the side to move can force a win within `depth`
plies is worth 1, one from which it cannot avoid a loss within them is worth -1, everything else 0, whatever the
distance to the end. The tree is expanded level by level on tensors of bitboards. Four facts keep it small and none of
them changes a value:

- A side with an immediate win has won, so only positions without one are kept, and the last ply is never played out.
- A move that leaves the other side an immediate win is worth -1 (with two plies left to see it), so only the others,
  the safe moves, are expanded: one at most where the other side threatens to complete a line.
- A position of which one move is known to win needs no further moves.
- Equal positions, reached by other orders of the moves or in other games of the batch, are searched once.

Bitboards are those of `arenas.games.connect_four`. A position is (`mine`, `occupied`), `mine` being the stones of the
side to move; tensors are int64 [n].
"""

from __future__ import annotations

import torch
from torch import Tensor

from arenas.games.connect_four import BOTTOM_ROW, COLUMN_MASK, COLUMNS, FULL_BOARD, STRIDE, completing

_COLUMN_MASKS = tuple(COLUMN_MASK << (STRIDE * column) for column in range(COLUMNS))
_CHUNK = 8192  # positions expanded at once: keeps a level's tensors (7 times as long) in the processor's cache
_MERGE_DEPTH = 4  # plies left from which a search for equal positions pays for its sort


def landing_cells(occupied: Tensor) -> Tensor:
    """The cells where a stone can come to rest, one in each column that is not full."""
    return (occupied + BOTTOM_ROW) & FULL_BOARD


def safe_moves(theirs: Tensor, occupied: Tensor) -> Tensor:
    """The landing cells after which the other side, holding `theirs`, has no immediate win."""
    landing = landing_cells(occupied)
    cells = completing(theirs)
    threats = cells & landing
    forced = torch.where((threats & (threats - 1)) == 0, threats, 0)  # one threat can be blocked, two cannot
    return torch.where(threats == 0, landing, forced) & ~(cells >> 1)  # nor may a move hold up the winning stone


def move_values(mine: Tensor, theirs: Tensor, depth: int) -> Tensor:
    """What each column is worth to the side to move.

    Args:
        mine: int64 [n], stones of the side to move. The game is not over in any position.
        theirs: int64 [n], stones of the other side.
        depth: plies to look ahead, the move itself included; at least 1.

    Returns:
        int8 [n, 7]: 1 a forced win, -1 a forced loss, 0 neither within `depth` plies, -2 a full column.
    """
    occupied = mine | theirs
    position, column, stone = _each_move(landing_cells(occupied))
    values = torch.full((len(mine), COLUMNS), -2, dtype=torch.int8, device=mine.device)
    moved, full = mine[position] | stone, occupied[position] | stone
    wins = (completing(mine)[position] & stone) != 0
    results = wins.to(torch.int8)
    if depth >= 2:
        replies = completing(theirs)[position] & landing_cells(full)
        results = torch.where(~wins & (replies != 0), -1, results)
        quiet = torch.nonzero(results == 0).squeeze(1)
        moved, full = moved[quiet], full[quiet]
        results[quiet] = -_values(full ^ moved, full, safe_moves(moved, full), depth - 1)
    values[position, column] = results
    return values


def _each_move(cells: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Index of the position, column and bit of every cell in `cells` (one a column at most)."""
    moves = cells[:, None] & torch.tensor(_COLUMN_MASKS, device=cells.device)
    position, column = torch.nonzero(moves, as_tuple=True)
    return position, column, moves[position, column]


def _values(mine: Tensor, occupied: Tensor, safe: Tensor, depth: int) -> Tensor:
    """int8 [n]: values of positions whose side to move has no immediate win and the safe moves `safe`."""
    if depth < 2:
        return torch.zeros(len(mine), dtype=torch.int8, device=mine.device)
    values = -((safe == 0) & (occupied != FULL_BOARD)).to(torch.int8)
    if depth == 2:
        return values
    undecided = torch.nonzero(safe).squeeze(1)
    mine, occupied, safe = mine[undecided], occupied[undecided], safe[undecided]
    if depth < _MERGE_DEPTH:
        values[undecided] = _expand(mine, occupied, safe, depth)
        return values
    # A key of its own for every position: one side's stones, and in each column a bit on top of all stones.
    keys, merged = torch.unique(mine | (occupied + BOTTOM_ROW), return_inverse=True)
    first = torch.empty_like(keys)
    first[merged] = torch.arange(len(merged), device=mine.device)
    values[undecided] = _expand(mine[first], occupied[first], safe[first], depth)[merged]
    return values


def _expand(mine: Tensor, occupied: Tensor, safe: Tensor, depth: int) -> Tensor:
    """int8 [n]: values of positions that have safe moves, from those of their successors; `depth` is at least 3."""
    pieces = (torch.split(tensor, _CHUNK) for tensor in (mine, occupied, safe))
    values = [_expand_chunk(own, both, moves, depth) for own, both, moves in zip(*pieces, strict=True)]
    return torch.cat(values) if values else torch.zeros(0, dtype=torch.int8, device=mine.device)


def _expand_chunk(mine: Tensor, occupied: Tensor, safe: Tensor, depth: int) -> Tensor:
    position, column, stone = _each_move(safe)
    moved, full = mine[position] | stone, occupied[position] | stone
    replies = safe_moves(moved, full)
    values = torch.full((len(mine), COLUMNS), -1, dtype=torch.int8, device=mine.device)
    lost = (replies == 0) & (full != FULL_BOARD)
    values[position, column] = lost.to(torch.int8)
    best = values.amax(dim=1)
    if depth == 3:
        return best
    rest = torch.nonzero(best[position] < 1).squeeze(1)
    position, column, moved, full, replies = (tensor[rest] for tensor in (position, column, moved, full, replies))
    values[position, column] = -_values(full ^ moved, full, replies, depth - 1)
    return torch.where(best == 1, 1, values.amax(dim=1))
