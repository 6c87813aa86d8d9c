"""One worker process of the pool behind `arenas.pettingzoo`: it steps its share of the environments over shared memory.

The pool runs this file by its path (`python -P env_worker.py CONTROL MEMORY LIFELINE`, three file descriptors), so that
a worker never imports torch or the rest of the package: it starts in a fraction of a second and stays small.

Control is a stream socket. The first line from the pool is the configuration in JSON; after that each byte is a command
and each byte back says that it is done, or `!` followed by a traceback. The end of the stream ends the worker. A second
descriptor, the lifeline, is watched by a thread: it ends the worker even inside an environment's step when the parent
is gone (killed, say), so a pool leaves no orphans. Nothing is pickled; the arrays of a batch are in one memory mapping.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import mmap
import os
import signal
import socket
import sys
import threading
import traceback
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

STEP, RESET, VIEW, RENDER = b"s", b"r", b"v", b"p"
DONE, FAILED = b".", b"!"
TERMINATED, TRUNCATED = 1, 2
PICTURE_BYTES = 1 << 16


class Arrays(NamedTuple):
    """The shared arrays of `B` environments; [N] and [1] alike are called seats: one to act, or all agents.

    Attributes:
        observation: float32 [B, seats, D].
        action_mask: bool [B, seats, A].
        view: float32 [B, D], what `viewer` sees, on demand.
        rewards: float32 [B, N].
        actions: int64 [B, seats].
        turn: int64 [B], the agent to move.
        seeds: int64 [B], for the next reset.
        ended: uint8 [B]: 0, TERMINATED or TRUNCATED.
        selected: bool [B]: the environments that a command is for.
        viewer: int64 [1], the agent of a VIEW.
        picture: uint8 [PICTURE_BYTES], UTF-8 text of a RENDER, filled up with zeros; empty where there is no text.
    """

    observation: NDArray[np.float32]
    action_mask: NDArray[np.bool_]
    view: NDArray[np.float32]
    rewards: NDArray[np.float32]
    actions: NDArray[np.int64]
    turn: NDArray[np.int64]
    seeds: NDArray[np.int64]
    ended: NDArray[np.uint8]
    selected: NDArray[np.bool_]
    viewer: NDArray[np.int64]
    picture: NDArray[np.uint8]


@dataclass(frozen=True)
class Layout:
    """Where the arrays lie in the mapping. `width` is the length D of a flattened observation."""

    batch: int
    agents: int
    seats: int
    width: int
    actions: int

    def _fields(self) -> list[tuple[tuple[int, ...], Any]]:
        b, s = self.batch, self.seats
        return [
            ((b, s, self.width), np.float32),
            ((b, s, self.actions), np.bool_),
            ((b, self.width), np.float32),
            ((b, self.agents), np.float32),
            ((b, s), np.int64),
            ((b,), np.int64),
            ((b,), np.int64),
            ((b,), np.uint8),
            ((b,), np.bool_),
            ((1,), np.int64),
            ((PICTURE_BYTES,), np.uint8),
        ]

    @property
    def size(self) -> int:
        """Bytes of the mapping; every array starts on a cache line of its own."""
        return sum(_padded(shape, dtype) for shape, dtype in self._fields())

    def arrays(self, buffer: mmap.mmap) -> Arrays:
        """The arrays as views of the mapping."""
        views, offset = [], 0
        for shape, dtype in self._fields():
            views.append(np.ndarray(shape, dtype, buffer, offset))
            offset += _padded(shape, dtype)
        return Arrays(*views)


def _padded(shape: tuple[int, ...], dtype: Any) -> int:
    size = int(np.prod(shape)) * int(np.dtype(dtype).itemsize)
    return (size + 63) // 64 * 64


@dataclass(frozen=True)
class Recipe:
    """How to make an environment: `kind` is "aec" or "parallel"; `registered` says who knows the id, PettingZoo's
    registry or else a module of its own (`mpe2/simple_spread_v3` is `mpe2.simple_spread_v3`)."""

    id: str
    kind: str
    registered: bool
    options: dict[str, Any]

    def make(self) -> Any:
        """The environment, without the wrappers that only check what the pool guarantees."""
        if self.registered:
            pettingzoo = importlib.import_module("pettingzoo")
            env = pettingzoo.make(self.kind, self.id, **self.options)
        else:
            module = importlib.import_module(self.id.replace("/", "."))
            env = (module.env if self.kind == "aec" else module.parallel_env)(**self.options)
        return strip_checks(env)


def strip_checks(env: Any) -> Any:
    """Take PettingZoo's checking wrappers off.

    They guard against callers who break the order or play illegal actions. Here only legal actions are played, and an
    illegal one is a fault, not a loss: TerminateIllegalWrapper would end the game with -1 for one side and 0 for the
    other. They cost up to half of the time of a step.
    """
    wrappers = importlib.import_module("pettingzoo.utils.wrappers")
    conversions = importlib.import_module("pettingzoo.utils.conversions")
    checks = (wrappers.OrderEnforcingWrapper, wrappers.AssertOutOfBoundsWrapper, wrappers.TerminateIllegalWrapper)
    while type(env) in checks:
        env = env.env
    if type(env) is conversions.aec_to_parallel_wrapper:
        env.aec_env = strip_checks(env.aec_env)
    return env


class Codec:
    """Writes observations and masks of any discrete-action environment into rows of one common width.

    A Box observation is flattened row by row (C order); Discrete becomes one-hot; other spaces are flattened by
    `gymnasium.spaces.flatten`. Agents whose spaces are smaller than the largest are filled up with zeros, and actions
    that an agent does not have are masked.
    """

    def __init__(self, env: Any) -> None:
        spaces = importlib.import_module("gymnasium.spaces")
        self._flatten = spaces.flatten
        self.agents: list[Any] = list(env.possible_agents)
        self._observations = [_inner(env.observation_space(agent), spaces) for agent in self.agents]
        self._plain = [isinstance(space, spaces.Box) for space in self._observations]
        self._starts = [
            int(space.start) if isinstance(space, spaces.Discrete) else None for space in self._observations
        ]
        action_spaces = [env.action_space(agent) for agent in self.agents]
        for agent, space in zip(self.agents, action_spaces, strict=True):
            if not isinstance(space, spaces.Discrete) or int(space.start) != 0:
                raise TypeError(
                    f"agent {agent} has the action space {space}; an arena needs Discrete(n) from 0 (continuous "
                    "actions are not supported: take the environment's option for discrete ones, where it has one)"
                )
        self.counts = [int(space.n) for space in action_spaces]
        self.num_actions = max(self.counts)
        self.legal = np.arange(self.num_actions)[None, :] < np.array(self.counts)[:, None]  # [N, A]
        self.widths = [int(spaces.flatdim(space)) for space in self._observations]
        shapes = {tuple(space.shape) if isinstance(space, spaces.Box) else None for space in self._observations}
        common = shapes.pop() if len(shapes) == 1 else None
        self.shape: tuple[int, ...] = common if common else (max(self.widths),)

    def observe(self, agent: int, seen: Any, row: NDArray[np.float32]) -> None:
        """Write what `agent` (an index) saw into `row` [D]."""
        if isinstance(seen, dict) and "observation" in seen:
            seen = seen["observation"]
        width, start = self.widths[agent], self._starts[agent]
        if start is not None:
            row[:] = 0
            row[int(seen) - start] = 1
            return
        flat = seen if self._plain[agent] else self._flatten(self._observations[agent], seen)
        if width == len(row):
            row[:] = np.asarray(flat).ravel()
        else:
            row[:width] = np.asarray(flat).ravel()
            row[width:] = 0

    def mask(self, agent: int, seen: Any, info: dict[str, Any], row: NDArray[np.bool_]) -> None:
        """Write the legal actions of `agent` into `row` [A]."""
        mask = seen.get("action_mask") if isinstance(seen, dict) else None
        if mask is None:
            mask = info.get("action_mask")
        if mask is None:
            row[:] = self.legal[agent]
        elif self.counts[agent] == len(row):
            row[:] = mask
        else:
            row[: self.counts[agent]] = mask
            row[self.counts[agent] :] = False


def _inner(space: Any, spaces: Any) -> Any:
    """The space of the observation proper: {"observation", "action_mask"} is PettingZoo's convention."""
    return space["observation"] if isinstance(space, spaces.Dict) and "observation" in space.spaces else space


class Sequential:
    """An AEC environment in row `row` of the arrays."""

    def __init__(self, recipe: Recipe, row: int, arrays: Arrays, max_steps: int) -> None:
        self.env = recipe.make()
        self._codec = Codec(self.env)
        self._index = {agent: number for number, agent in enumerate(self._codec.agents)}
        self._row, self._arrays, self._max_steps, self._steps = row, arrays, max_steps, 0
        self._observation, self._mask = arrays.observation[row, 0], arrays.action_mask[row, 0]

    def reset(self, seed: int) -> None:
        self.env.reset(seed=seed)
        self._steps = 0
        self._publish()

    def step(self) -> None:
        env = self.env
        env.step(int(self._arrays.actions[self._row, 0]))
        self._steps += 1
        self._reward()
        ended = self._ended()
        # A dead agent has to step with None before a living one can move; the rewards of those steps count as well.
        while not ended and (env.terminations[env.agent_selection] or env.truncations[env.agent_selection]):
            env.step(None)
            self._reward()
            ended = self._ended()
        self._arrays.ended[self._row] = ended or (TRUNCATED if self._steps >= self._max_steps else 0)
        self._publish()

    def view(self, agent: int) -> None:
        name, row = self._codec.agents[agent], self._arrays.view[self._row]
        if name in self.env.agents:
            self._codec.observe(agent, self.env.observe(name), row)
        else:
            row[:] = 0

    def _reward(self) -> None:
        for agent, reward in self.env.rewards.items():
            if reward:
                self._arrays.rewards[self._row, self._index[agent]] += reward

    def _ended(self) -> int:
        env = self.env
        if env.agents and True not in env.terminations.values() and True not in env.truncations.values():
            return 0
        flags = [(env.terminations[agent], env.truncations[agent]) for agent in env.agents]
        if not all(terminated or truncated for terminated, truncated in flags):
            return 0
        return TRUNCATED if any(truncated and not terminated for terminated, truncated in flags) else TERMINATED

    def _publish(self) -> None:
        env = self.env
        name = env.agent_selection
        if name not in env.infos:  # every agent has left: the last observation stays
            return
        agent = self._index[name]
        seen = env.observe(name)
        self._arrays.turn[self._row] = agent
        self._codec.observe(agent, seen, self._observation)
        self._codec.mask(agent, seen, env.infos[name], self._mask)


class Simultaneous:
    """A parallel environment in row `row` of the arrays.

    An agent that has left keeps its last observation, may only play action 0 (which goes nowhere) and is rewarded
    nothing until the episode ends for all.
    """

    def __init__(self, recipe: Recipe, row: int, arrays: Arrays, max_steps: int) -> None:
        self.env = recipe.make()
        self._codec = Codec(self.env)
        self._index = {agent: number for number, agent in enumerate(self._codec.agents)}
        self._row, self._arrays, self._max_steps, self._steps = row, arrays, max_steps, 0

    def reset(self, seed: int) -> None:
        observations, infos = self.env.reset(seed=seed)
        self._steps = 0
        self._arrays.observation[self._row] = 0
        self._publish(observations, infos)

    def step(self) -> None:
        env, arrays, row = self.env, self._arrays, self._row
        actions = {agent: int(arrays.actions[row, self._index[agent]]) for agent in env.agents}
        observations, rewards, terminations, truncations, infos = env.step(actions)
        self._steps += 1
        for agent, reward in rewards.items():
            arrays.rewards[row, self._index[agent]] = reward
        # Agents that reported an end are gone, whether or not the environment has taken them off its list already.
        alive = [agent for agent in env.agents if not (terminations.get(agent) or truncations.get(agent))]
        if not alive:
            limit = any(truncations[agent] and not terminations.get(agent) for agent in truncations)
            arrays.ended[row] = TRUNCATED if limit else TERMINATED
        elif self._steps >= self._max_steps:
            arrays.ended[row] = TRUNCATED
        self._publish(observations, infos)

    def _publish(self, observations: dict[Any, Any], infos: dict[Any, dict[str, Any]]) -> None:
        arrays, row = self._arrays, self._row
        acting = set(self.env.agents)
        for agent, name in enumerate(self._codec.agents):
            if name in observations:
                self._codec.observe(agent, observations[name], arrays.observation[row, agent])
            if name in acting and name in observations:
                self._codec.mask(agent, observations[name], infos.get(name, {}), arrays.action_mask[row, agent])
            else:
                arrays.action_mask[row, agent] = False
                arrays.action_mask[row, agent, 0] = True


class Worker:
    """Answers the pool's commands for environments `first` to `last` (not included)."""

    def __init__(self, control: socket.socket, arrays: Arrays, recipe: Recipe, config: dict[str, Any]) -> None:
        self._control, self._arrays = control, arrays
        self._first, self._last = config["first"], config["last"]
        self._busy: int | None = None  # the environment at work, for the report of a fault
        make = Sequential if recipe.kind == "aec" else Simultaneous
        rows = range(self._first, self._last)
        self._envs = [make(recipe, row, arrays, config["max_steps"]) for row in rows]

    def run(self) -> None:
        """Serve until the pool hangs up."""
        while command := self._control.recv(1):
            for row in np.flatnonzero(self._arrays.selected[self._first : self._last]).tolist():
                self._busy = self._first + row
                self._serve(command, self._envs[row], self._busy)
            self._busy = None
            self._control.send(DONE)
        for env in self._envs:
            env.env.close()

    def _serve(self, command: bytes, env: Sequential | Simultaneous, row: int) -> None:
        if command == STEP:
            env.step()
        elif command == RESET:
            env.reset(int(self._arrays.seeds[row]))
        elif command == VIEW and isinstance(env, Sequential):  # the others' views are all in the observation
            env.view(int(self._arrays.viewer[0]))
        elif command == RENDER:
            drawn = env.env.render() if getattr(env.env, "render_mode", None) == "ansi" else ""
            text = str(drawn).encode()[:PICTURE_BYTES]
            self._arrays.picture[:] = 0
            self._arrays.picture[: len(text)] = np.frombuffer(text, np.uint8)

    def where(self) -> str:
        """The environment at work."""
        return "" if self._busy is None else f"environment {self._busy}: "


def _report(control: socket.socket, kind: type[BaseException], error: BaseException, where: str) -> None:
    text = where + "".join(traceback.format_exception(kind, error, error.__traceback__)[-8:])
    with contextlib.suppress(OSError):  # the pool is gone already: there is nobody to tell
        control.sendall(FAILED + text.encode())


def _watch(lifeline: int) -> None:
    """End the process at once when the parent's end of the pipe closes."""
    os.read(lifeline, 1)
    os._exit(1)


def main(control_fd: int, memory_fd: int, lifeline_fd: int) -> None:
    """Serve one share of a batch; the descriptors come from `arenas.env_pool`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    os.dup2(2, 1)  # what an environment prints must not mix with the parent's output
    threading.Thread(target=_watch, args=(lifeline_fd,), daemon=True).start()
    control = socket.socket(fileno=control_fd)
    worker: Worker | None = None

    def report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        _report(control, kind, error, worker.where() if worker else "")

    sys.excepthook = report
    with control.makefile("rb", buffering=0) as stream:
        config = json.loads(stream.readline())
    sys.path[:] = config["path"]
    layout = Layout(**config["layout"])
    memory = mmap.mmap(memory_fd, layout.size)
    os.close(memory_fd)
    worker = Worker(control, layout.arrays(memory), Recipe(**config["recipe"]), config)
    control.send(DONE)
    worker.run()


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
