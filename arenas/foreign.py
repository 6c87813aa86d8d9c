"""What the adapters of foreign games (PettingZoo, OpenSpiel) share: seeds, teams, and the rule of the newest state."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from arenas.core import State
from arenas.registry import ArenaOptionError

SEEDS = 1 << 24  # a float32 uniform has 24 random bits


def seeds_of(uniforms: Tensor) -> Tensor:
    """int64 [B] on the CPU: the seed of each new episode, from the first uniform of its row ([B, 1 or more])."""
    return (uniforms[:, 0].cpu().double() * SEEDS).long()


def teams_of(name: str, teams: Sequence[Sequence[int]] | None, agents: int) -> tuple[tuple[int, ...], ...]:
    """The teams asked for; by default every agent is a team of its own.

    Raises:
        ArenaOptionError: an agent is in no team, or in two.
    """
    if teams is None:
        return tuple((agent,) for agent in range(agents))
    grouped = tuple(tuple(team) for team in teams)
    if sorted(agent for team in grouped for agent in team) != list(range(agents)):
        raise ArenaOptionError(f"{name}: teams {list(grouped)} must hold each of the agents 0 to {agents - 1} once")
    return grouped


class Serials:
    """Numbers the changes of each environment of the batch that is alive.

    A foreign game lives in an object that only goes forward. Each state carries the numbers of its moment (`serial`,
    int64 [B]), so that going on from an older one is an error and not a silent mix-up.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.now = torch.zeros(0, dtype=torch.int64)

    def begin(self, batch: int) -> None:
        """Start a batch. Numbers go on from the last batch of this size, so its states are old ones."""
        if len(self.now) != batch:
            self.now = torch.zeros(batch, dtype=torch.int64)

    def advance(self, where: Tensor) -> None:
        """Count a change of the environments `where` (bool [B])."""
        self.now = self.now + where

    def require_newest(self, state: State, where: Tensor) -> None:
        """Check that `state` is the newest one of the environments `where` (bool [B]).

        Raises:
            ValueError: it is an older one.
        """
        serial = state["serial"].cpu()
        if serial.shape != self.now.shape or bool((serial.ne(self.now) & where).any()):
            raise ValueError(
                f"{self._name} is a foreign game: it goes on from its newest state only, and this state is an older one"
            )
