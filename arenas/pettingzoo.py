"""PettingZoo both ways: its environments as arenas, and arenas as its environments.

`from_pettingzoo("classic/connect_four-v3")` is an `Arena` whose environments live in worker processes behind shared
memory (`arenas.env_pool`); `aec_env` and `parallel_env` make a PettingZoo environment of an arena
(`arenas.to_pettingzoo`).
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import pkgutil
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from arenas.core import ArenaSpec, State, Step, Turns
from arenas.env_pool import ArenaFault, EnvPool, default_workers
from arenas.env_worker import RENDER, RESET, STEP, TERMINATED, TRUNCATED, VIEW, Codec, Layout, Recipe
from arenas.foreign import ForeignArena, NoArenaError, seeds_of, teams_of
from arenas.registry import ArenaLoadError, ArenaOptionError, UnknownArenaError
from arenas.spelling import did_you_mean
from arenas.to_pettingzoo import aec_env, parallel_env

__all__ = ["ArenaFault", "PettingZooArena", "aec_env", "from_pettingzoo", "parallel_env"]

PREFIX = "pettingzoo:"
MAX_STEPS = 10_000  # where an environment does not say how long an episode can be
BOARDS = {"connect_four_v3": 42, "tictactoe_v3": 9}
"""Games that end by a full board at the latest, and no time limit can end."""


class PettingZooArena(ForeignArena):
    """A PettingZoo environment as an arena.

    One batch is alive at a time: `reset` starts the episodes of a new batch and ends those of the last one. The tensors
    of a state are copies that stay readable, but a game can only go on from its newest state.

    Rewards are those of the step (AEC's `rewards`), not cumulative ones. An episode is over when every agent is; it is
    truncated when one of the agents that were the last to end was truncated and not terminated. An agent of a parallel
    environment that leaves before the others may then only play action 0 and is rewarded nothing; asked for the view of
    one that has left a sequential environment, `observe` shows zeros.

    State: `observation` [B, *shape] or [B, N, *shape], `action_mask` likewise, `turn` int64 [B] and `serial` int64 [B],
    the number of commands that an environment has followed.
    """

    def __init__(self, recipe: Recipe, spec: ArenaSpec, workers: int, timeout: float) -> None:
        super().__init__(spec)
        self._recipe, self._num_workers, self._timeout = recipe, workers, timeout
        self._pool: EnvPool | None = None

    @property
    def pool(self) -> EnvPool:
        """The workers of the batch that is alive.

        Raises:
            ArenaFault: there is none.
        """
        if self._pool is None or self._pool.closed:
            raise ArenaFault(f"{self.spec.name} has no running environments: call reset first")
        return self._pool

    def reset(self, uniforms: Tensor) -> State:
        batch = len(uniforms)
        if self._pool is None or self._pool.closed or len(self._pool.arrays.turn) != batch:
            self.close()
            self._pool = EnvPool(
                self._recipe, self._layout(batch), self._num_workers, self.spec.max_steps, self._timeout
            )
        self._serials.begin(batch)
        self._device = uniforms.device
        return self._restart(torch.ones(batch, dtype=torch.bool), uniforms)

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        moves = torch.ones(len(self._serials.now), dtype=torch.bool) if live is None else live.cpu()
        self._serials.require_newest(state, moves)
        pool = self.pool
        arrays = pool.arrays
        np.copyto(arrays.actions, actions.cpu().numpy().reshape(arrays.actions.shape))
        arrays.rewards[:] = 0
        arrays.ended[:] = 0
        pool.run(STEP, moves.numpy())
        self._serials.advance(moves)
        ended = self._copy(arrays.ended)
        return Step(self._state(), self._copy(arrays.rewards), ended == TERMINATED, ended == TRUNCATED)

    def render(self, state: State, index: int) -> str:
        chosen = torch.arange(len(self._serials.now)) == index
        self._serials.require_newest(state, chosen)
        self.pool.run(RENDER, chosen.numpy())
        text = bytes(self.pool.arrays.picture).rstrip(b"\0").decode(errors="replace")
        return text or super().render(state, index)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def _layout(self, batch: int) -> Layout:
        spec = self.spec
        seats = spec.num_agents if spec.turns is Turns.SIMULTANEOUS else 1
        return Layout(batch, spec.num_agents, seats, int(np.prod(spec.observation_shape)), spec.num_actions)

    def _restart(self, ended: Tensor, uniforms: Tensor) -> State:
        np.copyto(self.pool.arrays.seeds, seeds_of(uniforms).numpy())
        self.pool.run(RESET, ended.numpy())
        self._serials.advance(ended)
        return self._state()

    def _state(self) -> State:
        arrays, spec = self.pool.arrays, self.spec
        batch = len(self._serials.now)
        seats = (spec.num_agents,) if spec.turns is Turns.SIMULTANEOUS else ()
        return {
            "observation": self._copy(arrays.observation).view(batch, *seats, *spec.observation_shape),
            "action_mask": self._copy(arrays.action_mask).view(batch, *seats, spec.num_actions),
            "turn": self._copy(arrays.turn),
            "serial": self._serials.now.to(self._device),
        }

    def _seen_by(self, agent: int, observation: Tensor, rows: Tensor) -> Tensor:
        self.pool.arrays.viewer[0] = agent
        self.pool.run(VIEW, rows.numpy())
        view = self._copy(self.pool.arrays.view).view_as(observation)
        there = rows.to(self._device).view(-1, *([1] * (observation.dim() - 1)))
        return torch.where(there, view, observation)


def from_pettingzoo(
    name: str,
    /,
    *,
    api: Literal["aec", "parallel"] | None = None,
    workers: int | None = None,
    teams: Sequence[Sequence[int]] | None = None,
    max_steps: int | None = None,
    timeout: float = 120.0,
    **options: Any,
) -> PettingZooArena:
    """Make an arena of a PettingZoo environment with discrete actions.

    Args:
        name: an id of PettingZoo's registry (`classic/connect_four-v3`) or the path of a module that has `env` or
            `parallel_env` (`mpe2/simple_spread_v3`), with or without `pettingzoo:` in front.
        api: "aec" (one agent a step) or "parallel" (all agents together); by default parallel where the environment has
            both.
        workers: number of worker processes; by default one for each core that this process may use.
        teams: indices of the agents of each team; by default every agent is a team of its own.
        max_steps: longer episodes are truncated; by default what the environment says (its `max_cycles`), else 10,000.
        timeout: seconds without an answer from a worker that count as a fault.
        options: passed to the environment; anything that JSON can hold.

    Raises:
        UnknownArenaError: no such environment; the message has the nearest name.
        ArenaOptionError: it does not take an option, or not that value.
        ArenaLoadError: a module that it needs is not installed.
        NoArenaError: its agents are not known beforehand, or its actions are not discrete.
    """
    identity = name.removeprefix(PREFIX)
    try:
        options = json.loads(json.dumps(options))
    except TypeError as error:
        raise ArenaOptionError(f"{name}: options must be numbers, strings, lists or tables ({error})") from error
    recipe = _find(identity, api, options)
    env = _make(f"{PREFIX}{identity}", recipe)
    try:
        spec = _describe(f"{PREFIX}{identity}", env, recipe, teams, max_steps)
    finally:
        env.close()
    return PettingZooArena(recipe, spec, workers or default_workers(), timeout)


def _find(identity: str, api: str | None, options: dict[str, Any]) -> Recipe:
    registration = importlib.import_module("pettingzoo.env_registry.registration")
    exceptions = importlib.import_module("pettingzoo.env_registry.exceptions")
    registries = {"aec": registration.aec_registry, "parallel": registration.parallel_registry}
    kinds = {}
    for kind, registry in registries.items():
        try:
            kinds[kind] = registration.find_spec(registry, identity).id
        except (exceptions.PettingZooRegistryError, ValueError):  # a version of 5,000 digits is no number for Python
            continue
    registered = bool(kinds)
    if not registered:
        module = _module(identity, sorted({*registries["aec"], *registries["parallel"]}))
        functions = {"aec": "env", "parallel": "parallel_env"}
        kinds = {kind: identity for kind, function in functions.items() if hasattr(module, function)}
    kind = api or ("parallel" if "parallel" in kinds else "aec")
    if kind not in kinds:
        has = " or ".join(repr(each) for each in kinds) or "neither env nor parallel_env"
        raise ArenaOptionError(f"{PREFIX}{identity} has no {kind!r} interface: it has {has}")
    return Recipe(kinds[kind], kind, registered, options)


def _make(name: str, recipe: Recipe) -> Any:
    """An environment to describe. Environments check their options by whatever means their authors like."""
    exceptions = importlib.import_module("pettingzoo.env_registry.exceptions")
    try:
        return recipe.make()
    except exceptions.FailedToImport as error:
        raise ArenaLoadError(f"{name} cannot be loaded: {error.__cause__}. {error}") from error
    except (TypeError, ValueError, AssertionError) as error:
        if recipe.options:
            raise ArenaOptionError(f"{name} could not be made with {recipe.options}: {error}") from error
        raise ArenaLoadError(f"{name} could not be made: {type(error).__name__}: {error}") from error


def _module(identity: str, known: list[str]) -> Any:
    """The module of an environment that is not in PettingZoo's registry."""
    path = identity.replace("/", ".")
    package = path.split(".", maxsplit=1)[0]
    found = importlib.util.find_spec(package) if "/" in identity and package.isidentifier() else None
    if found is not None:
        try:
            return importlib.import_module(path)
        except ModuleNotFoundError as error:
            if error.name != path:
                raise ArenaLoadError(f"{PREFIX}{identity} needs {error.name}, which is not installed") from error
        known += [f"{package}/{each.name}" for each in pkgutil.iter_modules(found.submodule_search_locations or [])]
    installed = f"is the package {package} installed?"
    advice = did_you_mean(identity, known, otherwise=installed, shown=lambda near: f"{PREFIX}{near}")
    raise UnknownArenaError(f"no environment {identity!r} in PettingZoo's registry or among the modules; {advice}")


def _describe(
    name: str, env: Any, recipe: Recipe, teams: Sequence[Sequence[int]] | None, max_steps: int | None
) -> ArenaSpec:
    if not getattr(env, "possible_agents", None):
        raise NoArenaError(f"{name} does not say which agents it can have (possible_agents); an arena needs to know")
    try:
        codec = Codec(env)
    except TypeError as error:
        raise NoArenaError(f"{name}: {error}") from error
    agents = tuple(str(agent) for agent in codec.agents)
    label = str(env.metadata.get("name", name))
    limit = max_steps or _longest(env, label, len(agents) if recipe.kind == "aec" else 1)
    return ArenaSpec(
        name=name,
        agents=agents,
        teams=teams_of(name, teams, len(agents)),
        observation_shape=codec.shape,
        num_actions=codec.num_actions,
        turns=Turns.SEQUENTIAL if recipe.kind == "aec" else Turns.SIMULTANEOUS,
        max_steps=limit,
        reset_uniforms=1,
        truncates=limit < BOARDS.get(label, limit + 1),
        pure=False,
        description=f"the PettingZoo environment {label}",
    )


def _longest(env: Any, label: str, steps_a_cycle: int) -> int:
    """An upper bound on the steps of an episode."""
    cycles = getattr(env.unwrapped, "max_cycles", None)
    if isinstance(cycles, int) and cycles > 0:
        return cycles * steps_a_cycle
    return BOARDS.get(label, MAX_STEPS)
