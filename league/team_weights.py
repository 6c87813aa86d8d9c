"""Teams that another process trains or that are frozen, ready to be met."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from pydantic import BaseModel, ConfigDict

from agents.checkpoint import CheckpointError, CheckpointStore
from agents.teams.policy import TeamPolicy, TeamRecord, load_team, team_of
from arenas.core import Arena
from league.recently_used import RecentlyUsed
from league.weights import LiveWeights, Stamp
from matchmaking.records import Kind, Player

CAPACITY = 512  # frozen teams that are kept

log = logging.getLogger("league")


class LiveTeam(BaseModel):
    """What stands with the weights of a team in training.

    Attributes:
        record: what the team is.
        temperature: at which it plays against others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    record: TeamRecord
    temperature: float


def publish_team(live: LiveWeights, player: str, team: TeamPolicy) -> None:
    """Show the other processes a team in training as it is now."""
    live.write(player, team.tensors(), LiveTeam(record=team.record(), temperature=team.temperature).model_dump_json())


class OpponentTeams:
    """Teams by player id: frozen ones from their checkpoints, learners of other processes from their files.

    Args:
        arena: what they play.
        checkpoints: frozen teams.
        live: learners elsewhere.
        find: gives the record of a player.
        device: where they compute.
    """

    def __init__(
        self,
        arena: Arena,
        checkpoints: CheckpointStore,
        live: LiveWeights,
        find: Callable[[str], Player],
        device: torch.device,
    ) -> None:
        self._arena, self._checkpoints, self._live, self._find, self._device = arena, checkpoints, live, find, device
        self._frozen = RecentlyUsed[TeamPolicy](CAPACITY)
        self._learners: dict[str, tuple[Stamp, TeamPolicy | None]] = {}

    def __call__(self, player: str) -> TeamPolicy | None:
        """The team of a player; None of a learner elsewhere whose weights cannot be read yet.

        Raises:
            CheckpointError: its checkpoint is missing, damaged, or of no team of this arena.
        """
        record = self._find(player)
        if record.kind is Kind.LEARNER:
            return self._learner(player)
        sha = record.checkpoint
        if sha is None:
            raise ValueError(f"{record.name} is a {record.kind.value} player: it has no weights to fill a lane with")
        return self._frozen.get(sha, lambda: load_team(self._checkpoints.path(sha), self._arena, self._device))

    def _learner(self, player: str) -> TeamPolicy | None:
        stamp = self._live.stamp(player)
        if stamp is None:
            return None
        known = self._learners.get(player)
        if known is None or known[0] != stamp:
            known = (stamp, self._read(player))
            self._learners[player] = known
        return known[1]

    def _read(self, player: str) -> TeamPolicy | None:
        try:
            tensors, about = self._live.open(player)
        except CheckpointError as error:
            log.warning("a live team is left out: %s", error)
            return None
        told = LiveTeam.model_validate_json(about)
        return team_of(self._live.path(player), told.record, tensors, self._arena, told.temperature, self._device)
