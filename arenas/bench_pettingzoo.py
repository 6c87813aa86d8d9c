"""What the PettingZoo adapter costs, for `league bench pettingzoo`.

Two yardsticks of the environment itself, stepped by random legal play in plain loops in as many processes as the arena
has workers: as `pettingzoo.make` gives it (`random_play`), and without PettingZoo's checking wrappers (`bare_play`),
which the arena takes off as well. Beside them the arena with random actions and with a policy in the loop, and that
policy alone. This file is also the program of the yardsticks' processes, so torch is imported late.
"""

from __future__ import annotations

import importlib
import itertools
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

    from arenas.pettingzoo import PettingZooArena

HIDDEN = (128, 128)  # the hidden layers of the policy in the loop


def bench(
    name: str = "classic/connect_four-v3",
    seconds: float = 3.0,
    environments: int = 256,
    workers: int | None = None,
    rounds: int = 3,
) -> dict[str, Any]:
    """Measure an AEC environment as an arena.

    The parts take turns, `rounds` times, and the median of each counts: a busy machine changes its speed by the second.

    Args:
        name: an id that `from_pettingzoo` takes, of an environment with the AEC interface.
        seconds: how long each part of a round runs.
        environments: the size of the arena's batch.
        workers: processes; one for each core unless told otherwise.
        rounds: how often to measure.

    Returns:
        Agent steps a second: `random_play`, `bare_play`, `arena_random`, `arena_policy`, `policy_alone`; `ratio`, the
        arena with the policy over `random_play`; `bare_ratio`, over `bare_play`; and the arguments.
    """
    import torch

    from arenas.env_pool import default_workers
    from arenas.pettingzoo import from_pettingzoo

    workers = workers or default_workers()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # threads that spin would take the cores from the workers
    arena = from_pettingzoo(name, api="aec", workers=workers)
    policy = _policy(int(np.prod(arena.spec.observation_shape)), arena.spec.num_actions)
    identity = arena.spec.name.partition(":")[2]
    parts: dict[str, Callable[[], float]] = {
        "random_play": lambda: _plain_loops(identity, seconds, workers, bare=False),
        "bare_play": lambda: _plain_loops(identity, seconds, workers, bare=True),
        "arena_random": lambda: _arena_speed(arena, environments, seconds, None),
        "arena_policy": lambda: _arena_speed(arena, environments, seconds, policy),
        "policy_alone": lambda: _policy_speed(arena, environments, seconds, policy),
    }
    measured: dict[str, list[float]] = {part: [] for part in parts}
    try:
        for _ in range(rounds):
            for part, measure in parts.items():
                measured[part].append(measure())
    finally:
        arena.close()
        torch.set_num_threads(threads)
    figures: dict[str, Any] = {part: float(np.median(speeds)) for part, speeds in measured.items()}
    figures |= {
        "ratio": figures["arena_policy"] / figures["random_play"],
        "bare_ratio": figures["arena_policy"] / figures["bare_play"],
        "name": arena.spec.name,
        "environments": environments,
        "workers": workers,
        "policy": f"{'-'.join(map(str, (policy[0].in_features, *HIDDEN)))}-{arena.spec.num_actions + 1}",
    }
    return figures


def _policy(width: int, actions: int) -> torch.nn.Sequential:
    """A network with the policy's logits and a value as its outputs."""
    from torch import nn

    sizes = (width, *HIDDEN)
    layers: list[nn.Module] = []
    for into, out in itertools.pairwise(sizes):
        layers += [nn.Linear(into, out), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], actions + 1))


def _choose(policy: torch.nn.Sequential | None, observation: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Sampled actions, int64 [B]: Gumbel's trick on masked logits, or on a uniform policy."""
    import torch

    logits = torch.zeros(mask.shape) if policy is None else policy(observation.flatten(1))[:, :-1]
    gumbel = -torch.empty(mask.shape).exponential_().log()
    return torch.where(mask, logits + gumbel, -torch.inf).argmax(dim=1)


def _arena_speed(
    arena: PettingZooArena, environments: int, seconds: float, policy: torch.nn.Sequential | None
) -> float:
    import torch

    with torch.inference_mode():
        state, steps = arena.reset(torch.rand(environments, 1)), 0
        start = time.perf_counter()
        while time.perf_counter() < start + seconds:
            step = arena.step(state, _choose(policy, *arena.observe(state)))
            state = arena.renew(step.state, step.terminated | step.truncated, torch.rand(environments, 1))
            steps += environments
        return steps / (time.perf_counter() - start)


def _policy_speed(arena: PettingZooArena, environments: int, seconds: float, policy: torch.nn.Sequential) -> float:
    import torch

    with torch.inference_mode():
        seen, steps = arena.observe(arena.reset(torch.rand(environments, 1))), 0
        start = time.perf_counter()
        while time.perf_counter() < start + seconds:
            _choose(policy, *seen)
            steps += environments
        return steps / (time.perf_counter() - start)


def _plain_loops(identity: str, seconds: float, workers: int, *, bare: bool) -> float:
    """The speed of all the plain loops together, each as it says of itself: starting up does not count."""
    arguments = [identity, str(seconds), "bare" if bare else "made", json.dumps(sys.path)]
    command = [sys.executable, "-P", "-W", "ignore", str(Path(__file__)), *arguments]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(workers)]
    return sum(float(process.communicate()[0]) for process in processes)


def play_randomly(identity: str, seconds: float, *, bare: bool) -> float:
    """Agent steps a second of one environment: PettingZoo's loop over agents, with the cheapest choice there is."""
    worker = importlib.import_module("arenas.env_worker")
    pettingzoo = importlib.import_module("pettingzoo")
    env = pettingzoo.make("aec", identity)
    if bare:
        env = worker.strip_checks(env)
    steps = 0
    env.reset(seed=0)
    start = time.perf_counter()
    while time.perf_counter() < start + seconds:
        observation, _, terminated, truncated, info = env.last()
        if terminated or truncated:
            env.reset()
            continue
        mask = observation.get("action_mask") if isinstance(observation, dict) else info.get("action_mask")
        count = env.action_space(env.agent_selection).n
        env.step(random.choice(range(count) if mask is None else np.flatnonzero(mask).tolist()))
        steps += 1
    return steps / (time.perf_counter() - start)


if __name__ == "__main__":
    sys.path[:] = json.loads(sys.argv[4])
    sys.stdout.write(str(play_randomly(sys.argv[1], float(sys.argv[2]), bare=sys.argv[3] == "bare")))
