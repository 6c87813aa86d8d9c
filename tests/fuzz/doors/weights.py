"""Files of tensors: policies, teams, and the states that a process goes on from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

import arenas
from agents.checkpoint import CheckpointStore, Manifest
from agents.durable import CheckpointError, sha256
from agents.networks import Network
from agents.policy import load_agent
from agents.settings import NetworkConfig
from agents.state_store import StateStore
from agents.teams import registry
from agents.teams.all_roles import AllRoles, load_player, save_roles
from agents.teams.policy import save_team
from arenas.core import Arena
from arenas.match import play_matches
from league.errors import LeagueError
from tests.agents.teams.test_team_policy import policy
from tests.fuzz.core import Door
from tests.fuzz.mutate import json_text, tensors


@contextmanager
def checkpoint(scratch: Path) -> Iterator[Door]:
    arena = arenas.make("tic_tac_toe")
    spec, store, path = arena.spec, CheckpointStore(scratch), scratch / "policy.safetensors"
    samples = []
    for config in (NetworkConfig(hidden=(4,)), NetworkConfig(hidden=(4, 4), memory=3)):
        network = Network(config, spec.observation_shape, spec.num_actions)
        weights = network.layout.views(network.initial(torch.Generator().manual_seed(0)))
        manifest = Manifest(
            arena=spec.name, observation_shape=spec.observation_shape, num_actions=spec.num_actions,
            network=config.model_dump(mode="json"), steps=5, parent="p_1", created_by="fuzz",
        )  # fmt: skip
        sha = store.save({key: value[0] for key, value in weights.items()}, manifest)
        samples.append(store.path(sha).read_bytes())

    def enter(data: bytes) -> None:
        path.write_bytes(data)
        agent = load_agent(path, arena)
        play_matches(arena, [agent, agent], torch.zeros(1, dtype=torch.int64))

    yield Door(samples, tensors, (CheckpointError,), enter)


def _team_door(scratch: Path, arena: Arena, sample: bytes) -> Door:
    path = scratch / "team.safetensors"

    def enter(data: bytes) -> None:
        path.write_bytes(data)
        agent = load_player(path, arena)
        if len(arena.spec.teams) == 1:
            play_matches(arena, [agent], torch.zeros(1, dtype=torch.int64))

    return Door([sample], tensors, (CheckpointError,), enter)


@contextmanager
def team(scratch: Path) -> Iterator[Door]:
    arena = arenas.make("spread", max_cycles=2)
    store = CheckpointStore(scratch)
    yield _team_door(scratch, arena, store.path(save_team(store, policy(arena), 5)).read_bytes())


@contextmanager
def roles(scratch: Path) -> Iterator[Door]:
    arena = arenas.make("tag")
    store = CheckpointStore(scratch)
    sha = save_roles(store, AllRoles([policy(arena, team=index) for index in range(2)]), 5)
    yield _team_door(scratch, arena, store.path(sha).read_bytes())


@contextmanager
def pointer(scratch: Path) -> Iterator[Door]:
    store = StateStore(scratch)
    for number in range(2):
        store.save({"a": torch.full((2,), float(number))}, {"number": number})

    def enter(data: bytes) -> None:
        store.pointer.write_bytes(data)
        store.load()

    yield Door([store.pointer.read_bytes()], json_text, (CheckpointError,), enter)


def _put(store: StateStore, data: bytes) -> None:
    """Make `data` the current state, under its right name."""
    sha = sha256(data)
    for path in store.folder.glob(f"{store.name}-*"):
        path.unlink()
    store.path(sha).write_bytes(data)
    store.pointer.write_text(json.dumps({"schema": 1, "kept": [sha]}))


@contextmanager
def training_state(scratch: Path) -> Iterator[Door]:
    arena = arenas.make("spread", max_cycles=2)
    settings = registry.find("iql").settings()
    config = settings.model_validate({"network": {"hidden": [4], "memory": 3}, "buffer": 4, "batch": 2})
    learner = registry.make("iql", arena, config, environments=2, seed=0, device=torch.device("cpu"))
    for _ in range(3):
        learner.train_step()
    store = StateStore(scratch)
    store.save(learner.state(), {"evaluations": []})
    sample = store.path(store.kept()[0]).read_bytes()

    def enter(data: bytes) -> None:
        _put(store, data)
        saved = store.load()
        assert saved is not None
        learner.load_state(saved.tensors)

    yield Door([sample], tensors, (CheckpointError, ValueError), enter)


@contextmanager
def learner_state(scratch: Path) -> Iterator[Door]:
    from tests.league.learners import League

    league = League(scratch, {"players": {"main_agent": 1, "main_exploiter": 1}})
    try:
        learner = league.learner()
        learner.advance()
        learner.save()
        store = learner.states
        sample = store.path(store.kept()[0]).read_bytes()

        def enter(data: bytes) -> None:
            _put(store, data)
            learner._resume(learner._saved())

        yield Door([sample], tensors, (CheckpointError, LeagueError), enter)
    finally:
        league.close()
