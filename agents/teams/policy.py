"""A trained team as a player of matches: every agent acts on its own observations, with a memory of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from agents.checkpoint import (
    CheckpointError,
    CheckpointMisfitError,
    CheckpointStore,
    Manifest,
    check_tensors,
    read_checkpoint,
)
from agents.core import Parameters
from agents.play import sample
from agents.policy import LARGEST
from agents.teams.core import TeamSetup
from agents.teams.curriculum import Stage
from agents.teams.networks import TeamNetwork
from agents.teams.settings import TeamNetworkConfig
from arenas.core import Arena, ArenaSpec, Observation


class TeamRecord(BaseModel):
    """What the manifest of a team's checkpoint holds under `network`.

    Attributes:
        kind: tells it from the network of a single agent.
        algorithm: what trained it.
        team: which of the arena's teams it is.
        agents: N.
        sharing: whether the agents share one network.
        agent_ids: whether a shared network is told which agent it is.
        shape: of the network.
        curriculum: the team sizes that it was trained with, where there were several.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["team"] = "team"
    algorithm: str
    team: int = Field(default=0, ge=0)
    agents: int = Field(gt=0)
    sharing: bool
    agent_ids: bool
    shape: TeamNetworkConfig
    curriculum: tuple[Stage, ...] = ()


class TeamPolicy:
    """Plays a team, decentralised; every row has its own memory.

    Args:
        setup: the team.
        network: shape of the agents' network; its head has one column an action.
        weights: float32 [P, D]; copied.
        temperature: 0 plays the legal action of the highest output; else the softmax of outputs / temperature.
        algorithm: what trained it.
    """

    def __init__(
        self, setup: TeamSetup, network: TeamNetwork, weights: Tensor, temperature: float = 0.0, algorithm: str = ""
    ) -> None:
        if temperature < 0:
            raise ValueError(f"temperature: {temperature} is negative; 0 plays the best action")
        self.setup, self.network, self.temperature, self.algorithm = setup, network, temperature, algorithm
        self.spec = setup.arena.spec
        self.name = algorithm or "team"
        self.draws = temperature > 0
        self.weights = weights.detach().clone()
        self._parameters = network.layout.views(self.weights)
        self._memory: Tensor | None = None
        self._held = 1

    def sit(self, agents: Sequence[str], seeds: Sequence[int], matches: Sequence[int]) -> None:
        """Learn how many teams it plays at once: against itself it may hold both sides."""
        self._held = len(agents) // self.setup.num_agents

    def begin(self, batch: int, device: torch.device) -> None:
        """Forget everything and be ready for `batch` rows: those of each agent together, agent by agent."""
        self.weights = self.weights.to(device)
        self._parameters = self.network.layout.views(self.weights)
        stack = self.setup.stack
        self._memory = self.network.initial_memory(stack, batch // stack, device)

    @torch.inference_mode()
    def act(self, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
        """int64 [rows]; see `arenas.match.Actor`."""
        seen, mask = observation
        agents, rows = self.setup.num_agents, len(seen)
        # [teams held, N, B, O] -> [B of all teams, 1, N, O], the order of episodes
        by_team = seen.float().reshape(self._held, agents, -1, self.setup.observation_size)
        inputs = self.setup.inputs(by_team.transpose(1, 2).flatten(0, 1).unsqueeze(1))
        outputs, memory = self.network.apply(self._parameters, inputs[:, 0], self._memory)
        flags = self._rows(live.view(self._held, agents, -1))
        if self._memory is not None and memory is not None:
            self._memory = torch.where(flags, memory, self._memory)
        answers = self.setup.by_agent(outputs.unsqueeze(1))[:, 0]  # [B of all teams, N, A]
        logits = answers.reshape(self._held, -1, agents, self.setup.num_actions).transpose(1, 2).reshape(rows, -1)
        logits = (logits / (self.temperature or 1.0)).clamp(-LARGEST, LARGEST)
        if self.temperature == 0:
            return torch.where(mask, logits, -torch.inf).argmax(dim=1)
        return sample(logits, mask, uniforms)[0]

    def _rows(self, live: Tensor) -> Tensor:
        """bool [teams held, N, B] as the networks' rows [P, S, 1]."""
        by_agent = live.transpose(0, 1).reshape(self.setup.num_agents, -1)
        return by_agent.reshape(self.setup.stack, -1, 1)

    def record(self) -> TeamRecord:
        """What a checkpoint says of it."""
        setup = self.setup
        return TeamRecord(
            algorithm=self.algorithm,
            team=setup.team,
            agents=setup.num_agents,
            sharing=setup.sharing,
            agent_ids=setup.tells_ids,
            shape=self.network.config,
        )

    def tensors(self) -> Parameters:
        """The weights by name, [P, *shape]."""
        return self.network.layout.views(self.weights)


def save_team(
    store: CheckpointStore,
    policy: TeamPolicy,
    steps: int,
    parent: str | None = None,
    created_by: str = "",
    curriculum: Sequence[Stage] = (),
) -> str:
    """Write a team's checkpoint; its name, the sha256 of its content.

    Raises:
        CheckpointError: the disk is full or refuses.
    """
    spec = policy.spec
    manifest = Manifest(
        arena=spec.name,
        observation_shape=spec.observation_shape,
        num_actions=spec.num_actions,
        network=policy.record().model_copy(update={"curriculum": tuple(curriculum)}).model_dump(mode="json"),
        steps=steps,
        parent=parent,
        temperature=policy.temperature,
        created_by=created_by,
    )
    return store.save(policy.tensors(), manifest)


def is_team(manifest: Manifest) -> bool:
    """Whether a checkpoint holds a team rather than a single agent."""
    return manifest.network.get("kind") == "team"


def load_team(
    path: Path, arena: Arena, device: torch.device | str = "cpu", temperature: float | None = None
) -> TeamPolicy:
    """The team in a checkpoint.

    Args:
        path: the file; one that carries a checkpoint's name must also have its content.
        arena: the arena that it is to play.
        device: where it computes.
        temperature: overrides the checkpoint's own.

    Raises:
        CheckpointMisfitError: of a single agent, or made for another arena or team size.
        CheckpointError: missing or damaged, or its tensors are not those of its network.
    """
    parameters, manifest = read_checkpoint(path)
    if not is_team(manifest):
        held = "a team for each role" if manifest.network.get("kind") == "roles" else "a single agent"
        raise CheckpointMisfitError(path, f"holds {held} of {manifest.arena}, no team")
    try:
        record = TeamRecord.model_validate(manifest.network)
    except ValidationError as error:
        raise undescribed(path, error) from error
    check_fit(path, manifest, (record,), arena.spec)
    chosen = manifest.temperature if temperature is None else temperature
    return team_of(path, record, parameters, arena, chosen, device)


def undescribed(path: Path, error: ValidationError) -> CheckpointError:
    """That the manifest of a checkpoint is none of teams."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in ("network", *first["loc"]))
    return CheckpointError(path, f"its manifest describes no team: {where}: {first['msg']}")


def check_fit(path: Path, manifest: Manifest, records: Sequence[TeamRecord], spec: ArenaSpec) -> None:
    """Make sure that the teams in a checkpoint play an arena.

    Raises:
        CheckpointMisfitError: they do not; the message says what they play and what would fit.
    """
    sizes = [len(team) for team in spec.teams]
    fits = (
        manifest.arena == spec.name
        and len(records) in (1, len(sizes))
        and all(record.team < len(sizes) and record.agents == sizes[record.team] for record in records)
        and tuple(manifest.observation_shape) == spec.observation_shape
        and manifest.num_actions == spec.num_actions
    )
    if not fits:
        plays = " and ".join(f"team {record.team} of {record.agents}" for record in records)
        raise CheckpointMisfitError(
            path,
            f"plays {manifest.arena} as {plays} (observation {list(manifest.observation_shape)}, "
            f"{manifest.num_actions} actions), not {spec.name} with teams of {', '.join(map(str, sizes))} (observation "
            f"{list(spec.observation_shape)}, {spec.num_actions} actions): what was trained in {spec.name} with the "
            "same options fits",
        )


def team_of(
    path: Path,
    record: TeamRecord,
    parameters: Parameters,
    arena: Arena,
    temperature: float,
    device: torch.device | str,
) -> TeamPolicy:
    """The team that a record describes, with the weights that it was saved with.

    Raises:
        CheckpointError: they are not those of its network; `path` is where they come from.
    """
    setup = TeamSetup(arena, record.team, record.sharing, record.agent_ids)
    network = TeamNetwork(record.shape, setup.input_size, setup.num_actions)
    check_tensors(parameters, network.layout.shapes(setup.stack), path)
    weights = torch.zeros(setup.stack, network.layout.width)
    network.layout.pack(parameters, weights)
    return TeamPolicy(setup, network, weights.to(device), temperature, record.algorithm)
