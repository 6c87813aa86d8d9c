"""A player of an arena whose teams are not alike: a trained team for each role, in one checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from torch import Tensor

from agents.checkpoint import CheckpointMisfitError, CheckpointStore, Manifest, read_checkpoint
from agents.core import Agent, Parameters
from agents.policy import load_agent
from agents.teams.core import unlike
from agents.teams.policy import TeamPolicy, TeamRecord, check_fit, is_team, load_team, team_of, undescribed
from arenas.core import Arena, ArenaSpec, Observation

Teams = tuple[TeamPolicy, ...]
"""What a player of two teams is made of: one for each role, in their order; one alone where the teams are alike."""


def role_names(spec: ArenaSpec) -> tuple[str, ...]:
    """What the teams of an arena are called."""
    return spec.roles or tuple(f"team {index}" for index in range(len(spec.teams)))


class RolesRecord(BaseModel):
    """What the manifest of such a checkpoint holds under `network`.

    Attributes:
        kind: tells it from the network of a single agent and of a single team.
        teams: one for each team of the arena, in its order.
        temperatures: at which each of them plays; that of the manifest is not used.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["roles"] = "roles"
    teams: tuple[TeamRecord, ...] = Field(min_length=2)
    temperatures: tuple[Annotated[float, Field(ge=0)], ...]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if [team.team for team in self.teams] != list(range(len(self.temperatures))):
            raise ValueError("one team for each role, in their order, and a temperature for each")
        return self


class AllRoles:
    """Plays whichever team it is seated as, with the one that was trained for it; both at once against itself.

    Args:
        teams: one for each team of the arena, in its order.

    Raises:
        ValueError: a team is missing, or stands in another's place.
    """

    def __init__(self, teams: Sequence[TeamPolicy]) -> None:
        self.spec = teams[0].spec
        if [team.setup.team for team in teams] != list(range(len(self.spec.teams))):
            raise ValueError(f"{self.spec.name} has {len(self.spec.teams)} teams: one policy for each, in their order")
        self.teams = tuple(teams)
        self.name = "+".join(dict.fromkeys(team.name for team in teams))
        self.draws = any(team.draws for team in teams)
        self._seated = list(range(len(teams)))

    def sit(self, agents: Sequence[str], seeds: Sequence[int], matches: Sequence[int]) -> None:
        """Be told which agents it holds: whole teams, one after the other (see `arenas.match.SeatedActor`)."""
        first = {self.spec.agents[team[0]]: index for index, team in enumerate(self.spec.teams)}
        self._seated = [first[agent] for agent in agents if agent in first]
        for index in self._seated:
            self.teams[index].sit([self.spec.agents[agent] for agent in self.spec.teams[index]], seeds, matches)

    def begin(self, batch: int, device: torch.device) -> None:
        """Forget everything and be ready for `batch` rows, agent by agent."""
        held = self._held()
        for index in self._seated:
            size = len(self.spec.teams[index])
            self.teams[index].begin(batch * size // held, device)

    def act(self, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
        """int64 [rows]; see `arenas.match.Actor`."""
        seen, mask = observation
        rows, start, answers = len(live) // self._held(), 0, []
        for index in self._seated:
            end = start + rows * len(self.spec.teams[index])
            view = Observation(seen[start:end], mask[start:end])
            answers.append(self.teams[index].act(view, uniforms[start:end], live[start:end]))
            start = end
        return torch.cat(answers)

    def _held(self) -> int:
        """How many agents it holds."""
        return sum(len(self.spec.teams[index]) for index in self._seated)

    def record(self) -> RolesRecord:
        """What a checkpoint says of it."""
        return RolesRecord(
            teams=tuple(team.record() for team in self.teams),
            temperatures=tuple(team.temperature for team in self.teams),
        )

    def tensors(self) -> Parameters:
        """The weights by name, each after the number of its role."""
        return {
            f"{index}.{name}": tensor
            for index, team in enumerate(self.teams)
            for name, tensor in team.tensors().items()
        }


def save_roles(
    store: CheckpointStore, player: AllRoles, steps: int, parent: str | None = None, created_by: str = ""
) -> str:
    """Write the checkpoint of all roles; its name, the sha256 of its content.

    Raises:
        CheckpointError: the disk is full or refuses.
    """
    spec = player.spec
    manifest = Manifest(
        arena=spec.name,
        observation_shape=spec.observation_shape,
        num_actions=spec.num_actions,
        network=player.record().model_dump(mode="json"),
        steps=steps,
        parent=parent,
        created_by=created_by,
    )
    return store.save(player.tensors(), manifest)


def holds_roles(manifest: Manifest) -> bool:
    """Whether a checkpoint holds a team for each role."""
    return manifest.network.get("kind") == "roles"


def load_roles(path: Path, arena: Arena, device: torch.device | str = "cpu") -> AllRoles:
    """The player in a checkpoint that holds a team for each role.

    Raises:
        CheckpointMisfitError: it plays another arena or other team sizes.
        CheckpointError: missing or damaged, or its tensors are not those of its networks.
    """
    parameters, manifest = read_checkpoint(path)
    try:
        record = RolesRecord.model_validate(manifest.network)
    except ValidationError as error:
        raise undescribed(path, error) from error
    check_fit(path, manifest, record.teams, arena.spec)
    return roles_of(path, record, parameters, arena, device)


def roles_of(
    path: Path, record: RolesRecord, parameters: Parameters, arena: Arena, device: torch.device | str
) -> AllRoles:
    """The player that a record describes, with the weights that it was saved with.

    Raises:
        CheckpointError: they are not those of its networks; `path` is where they come from.
    """
    teams = [
        team_of(path, each, _below(index, parameters), arena, temperature, device)
        for index, (each, temperature) in enumerate(zip(record.teams, record.temperatures, strict=True))
    ]
    return AllRoles(teams)


def _below(index: int, parameters: Parameters) -> Parameters:
    prefix = f"{index}."
    return {name.removeprefix(prefix): tensor for name, tensor in parameters.items() if name.startswith(prefix)}


def load_teams(path: Path, arena: Arena, device: torch.device | str = "cpu") -> Teams:
    """The team in a checkpoint, or one for each role.

    Raises:
        CheckpointMisfitError: it plays another arena, or one role alone of one whose teams are not alike.
        CheckpointError: missing or damaged.
    """
    spec = arena.spec
    if holds_roles(read_checkpoint(path)[1]):
        return load_roles(path, arena, device).teams
    team = load_team(path, arena, device)
    if unlike(spec):  # a player of matches, which swap seats, has to play all of them
        named = role_names(spec)
        needed = " and ".join(f"{role} ({len(team)})" for role, team in zip(named, spec.teams, strict=True))
        raise CheckpointMisfitError(
            path,
            f"plays the {named[team.setup.team]} of {spec.name} alone: a player of its matches holds a team for each "
            f"role, {needed}",
        )
    return (team,)


def load_player(path: Path, arena: Arena, temperature: float | None = None) -> Agent:
    """The player in a checkpoint: a single agent, a team, or a team for each role.

    Args:
        path: the file.
        arena: the arena that it is to play.
        temperature: overrides that of a single agent. A team plays at its own: action values are no logits.

    Raises:
        CheckpointMisfitError: it plays something else.
        CheckpointError: it is missing or damaged.
    """
    manifest = read_checkpoint(path)[1]
    if not (is_team(manifest) or holds_roles(manifest)):
        return load_agent(path, arena, temperature=temperature)
    return player_of(load_teams(path, arena))


def player_of(teams: Teams) -> TeamPolicy | AllRoles:
    """The player of matches that teams make."""
    return teams[0] if len(teams) == 1 else AllRoles(teams)
