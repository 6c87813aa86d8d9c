"""Teams that another process trains or that are frozen, ready to be met: of a player one, or one for each role."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from pydantic import BaseModel, ConfigDict, Field

from agents.checkpoint import CheckpointError, CheckpointStore
from agents.teams.all_roles import RolesRecord, Teams, load_teams, player_of, roles_of
from agents.teams.policy import TeamPolicy, TeamRecord, team_of
from arenas.core import Arena
from league.recently_used import RecentlyUsed
from league.weights import LiveWeights, Stamp
from matchmaking.records import Kind, Player

CAPACITY = 512  # frozen teams that are kept

log = logging.getLogger("league")


class LiveTeam(BaseModel):
    """What stands with the weights of a team in training.

    Attributes:
        record: what the team is, or those of each role.
        temperature: at which a single team plays against others; those of roles stand in their record.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    record: TeamRecord | RolesRecord = Field(discriminator="kind")
    temperature: float = 0.0


def publish_teams(live: LiveWeights, player: str, teams: Teams) -> None:
    """Show the other processes a player in training as it is now."""
    made = player_of(teams)
    temperature = made.temperature if isinstance(made, TeamPolicy) else 0.0
    live.write(player, made.tensors(), LiveTeam(record=made.record(), temperature=temperature).model_dump_json())


class OpponentTeams:
    """The teams of players by id: frozen ones from their checkpoints, learners of other processes from their files.

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
        self._frozen = RecentlyUsed[Teams](CAPACITY)
        self._learners: dict[str, tuple[Stamp, Teams | None]] = {}

    def __call__(self, player: str) -> Teams | None:
        """The teams of a player; None of a learner elsewhere whose weights cannot be read yet.

        Raises:
            CheckpointError: its checkpoint is missing, damaged, or of no team of this arena.
        """
        record = self._find(player)
        if record.kind is Kind.LEARNER:
            return self._learner(player)
        sha = record.checkpoint
        if sha is None:
            raise ValueError(f"{record.name} is a {record.kind.value} player: it has no weights to fill a lane with")
        return self._frozen.get(sha, lambda: load_teams(self._checkpoints.path(sha), self._arena, self._device))

    def _learner(self, player: str) -> Teams | None:
        stamp = self._live.stamp(player)
        if stamp is None:
            return None
        known = self._learners.get(player)
        if known is None or known[0] != stamp:
            known = (stamp, self._read(player))
            self._learners[player] = known
        return known[1]

    def _read(self, player: str) -> Teams | None:
        try:
            tensors, about = self._live.open(player)
        except CheckpointError as error:
            log.warning("a live team is left out: %s", error)
            return None
        told, path = LiveTeam.model_validate_json(about), self._live.path(player)
        if isinstance(told.record, RolesRecord):
            return roles_of(path, told.record, tensors, self._arena, self._device).teams
        return (team_of(path, told.record, tensors, self._arena, told.temperature, self._device),)
