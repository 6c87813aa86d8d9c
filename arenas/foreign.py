"""What the adapters of foreign games (PettingZoo, OpenSpiel) share: seeds, teams, views, the newest state."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from arenas.core import Arena, ArenaSpec, Observation, State, Turns
from arenas.registry import ArenaOptionError, UnknownArenaError

SEEDS = 1 << 24  # a float32 uniform has 24 random bits


class NoArenaError(UnknownArenaError):
    """There is such a foreign game, but an arena cannot be made of it."""


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


class ForeignArena(Arena):
    """Games that live in objects beside the state, which holds what they show: `observation` [B, *shape] or
    [B, N, *shape], `action_mask` likewise, `turn` int64 [B], and `serial` int64 [B] (see `Serials`).
    """

    def __init__(self, spec: ArenaSpec) -> None:
        self.spec = spec
        self._serials = Serials(spec.name)
        self._device = torch.device("cpu")

    def renew(self, state: State, ended: Tensor, uniforms: Tensor) -> State:
        ended = ended.cpu()
        self._serials.require_newest(state, torch.ones_like(ended))
        return self._restart(ended, uniforms) if bool(ended.any()) else state

    def turn(self, state: State) -> Tensor:
        return state["turn"]

    def observe(self, state: State, agent: int | None = None, dtype: torch.dtype = torch.float32) -> Observation:
        observation, mask = state["observation"], state["action_mask"]
        if agent is None:
            return Observation(observation.to(dtype), mask)
        if self.spec.turns is Turns.SIMULTANEOUS:
            return Observation(observation[:, agent].to(dtype), mask[:, agent])
        to_move = state["turn"] == agent
        elsewhere = ~to_move.cpu()
        if bool(elsewhere.any()):
            self._serials.require_newest(state, elsewhere)
            observation = self._seen_by(agent, observation, elsewhere)
        return Observation(observation.to(dtype), mask & to_move[:, None])

    @abstractmethod
    def _restart(self, ended: Tensor, uniforms: Tensor) -> State:
        """Start new episodes where `ended` (bool [B], on the CPU), and give the state."""

    @abstractmethod
    def _seen_by(self, agent: int, observation: Tensor, rows: Tensor) -> Tensor:
        """`observation` [B, *shape] with the agent's own view in `rows` (bool [B], on the CPU), where others move."""

    def _copy(self, array: np.ndarray[Any, Any]) -> Tensor:
        """What an array holds now, on the device of the batch."""
        return torch.from_numpy(array.copy()).to(self._device)
