"""Connect Four players of fixed search depth: a ladder of known strength for others to be measured on."""

from __future__ import annotations

import torch
from torch import Tensor

from agents.scripted.choice import pick_uniformly
from agents.scripted.connect_four_search import move_values
from arenas.core import ArenaSpec, Observation
from arenas.games.connect_four import CELLS


class AlphaBeta:
    """Plays as full-width alpha-beta of a fixed depth does, and uniformly at random among equally good moves.

    It sees wins and losses within `depth` plies only: a win now and a forced win later are equally good, and so are an
    immediate loss and a later one.
    """

    def __init__(self, spec: ArenaSpec, depth: int) -> None:
        """Args: spec of `connect_four`; depth in plies, at least 1."""
        if depth < 1:
            raise ValueError(f"alpha_beta looks at least 1 ply ahead, not {depth}")
        self.spec = spec
        self.depth = depth

    def begin(self, batch: int, device: torch.device) -> None:
        """Nothing to forget: a move depends on the position alone."""

    def act(self, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
        """Draw one of the best moves (see `agents.core.Agent.act`)."""
        actions = torch.zeros(len(live), dtype=torch.int64, device=live.device)
        playing = torch.nonzero(live).squeeze(1)
        mine, theirs = bitboards(observation.observation[playing])
        values = move_values(mine, theirs, self.depth)
        best = values == values.amax(dim=1, keepdim=True)
        actions[playing] = pick_uniformly(best, uniforms[playing])
        return actions


def bitboards(observation: Tensor) -> tuple[Tensor, Tensor]:
    """The viewer's and the other side's stones (int64 [B]) of observations [B, 2 or 6, 6, 7]."""
    bits = torch.tensor([1 << cell for cell in CELLS], device=observation.device)
    boards = ((observation[:, :2].flatten(2) > 0.5) * bits).sum(dim=2)
    return boards[:, 0], boards[:, 1]
