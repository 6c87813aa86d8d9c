"""Greedy test episodes, as the field evaluates teams, and their returns on every scale that is in use.

Papers differ silently in what they call the return of a team (`Returns`): all are recorded, each under its name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from pydantic import BaseModel, ConfigDict
from scipy.special import stdtrit
from torch import Tensor

from agents.teams.core import TeamSetup
from arenas.core import Arena
from arenas.match import Actor, play_matches
from arenas.random import derive_seeds

EVALUATION_STREAM = 0x7EA5  # mixed into a seed: test episodes are never those of training
LEVEL = 0.95  # of an interval


class Published(NamedTuple):
    """A scale that a paper publishes returns on.

    Attributes:
        name: whose scale.
        convert: from the sum over agents.
        holds: whether the arena, with its options, is the paper's task.
    """

    name: str
    convert: Callable[[float], float]
    holds: Callable[[Arena], bool]


def _is_spread(arena: Arena) -> bool:
    spec = arena.spec
    return spec.num_agents == 3 and spec.max_steps == 25 and getattr(arena, "local_ratio", None) == 0.5


PUBLISHED = {
    # mpe2 leaves out what the original fines an agent for touching itself, and halves the rest: S -> 2 S - 75.
    "spread": Published("EPyMARL (Papoudakis et al. 2021), MPE simple_spread", lambda s: 2 * s - 75, _is_spread),
    "foraging": Published("EPyMARL (Papoudakis et al. 2021), LBF", lambda s: s, lambda arena: True),
}
"""For arenas of a published benchmark, its scale."""


class Evaluation(BaseModel):
    """What some greedy test episodes gave, each figure the mean over episodes of one trained team.

    Attributes:
        steps: environment steps that it had been trained for.
        updates: gradient steps.
        seconds: of training, without evaluations.
        episodes: test episodes.
        return_sum: of the team: the sum over its agents, as the arena rewards them.
        return_per_agent: the same divided by the number of agents.
        return_published: on the published scale, where there is one.
        published_scale: whose scale that is.
        return_deviation: standard deviation of `return_sum` over the episodes.
        length: steps of an episode.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int
    updates: int
    seconds: float
    episodes: int
    return_sum: float
    return_per_agent: float
    return_published: float | None
    published_scale: str | None
    return_deviation: float
    length: float


def evaluate(
    setup: TeamSetup, policy: Actor, episodes: int, seed: int, *, steps: int = 0, updates: int = 0, seconds: float = 0.0
) -> Evaluation:
    """Play test episodes of a one-team arena.

    Args:
        setup: the team.
        policy: what plays; greedy, if the figures are to be compared with published ones.
        episodes: how many.
        seed: the same seed gives the same episodes, so evaluations during a training are comparable.
        steps: to be recorded.
        updates: to be recorded.
        seconds: to be recorded.
    """
    arena = setup.arena
    played = play_matches(arena, [policy], episode_seeds(seed, episodes))
    returns = played.returns[:, list(setup.agents)].sum(dim=1).double()
    mean = float(returns.mean())
    scale = published_scale(arena)
    return Evaluation(
        steps=steps,
        updates=updates,
        seconds=round(seconds, 3),
        episodes=episodes,
        return_sum=mean,
        return_per_agent=mean / setup.num_agents,
        return_published=None if scale is None else scale.convert(mean),
        published_scale=None if scale is None else scale.name,
        return_deviation=float(returns.std(correction=0)),
        length=float(played.lengths.double().mean()),
    )


def episode_seeds(seed: int, episodes: int) -> Tensor:
    """int64 [episodes]: of the test episodes that belong to a seed of a training."""
    return derive_seeds(seed ^ EVALUATION_STREAM, episodes)


def published_scale(arena: Arena) -> Published | None:
    """The published scale of an arena, where it is the paper's task."""
    scale = PUBLISHED.get(arena.spec.name)
    return scale if scale is not None and scale.holds(arena) else None


class Interval(BaseModel):
    """Mean over seeds and its 95 % interval (Student's t; None for a single seed)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float
    low: float | None
    high: float | None
    seeds: int


def over_seeds(values: Sequence[float]) -> Interval:
    """The interval of one figure a seed.

    Raises:
        ValueError: there is none.
    """
    mean, low, high = student(values)
    return Interval(mean=mean, low=low, high=high, seeds=len(values))


def student(values: Sequence[float]) -> tuple[float, float | None, float | None]:
    """Mean of independent values and the ends of its 95 % interval by Student's t; None for a single value.

    Raises:
        ValueError: there is none.
    """
    if not values:
        raise ValueError("nothing to average over")
    figures = torch.tensor(values, dtype=torch.float64)
    mean, count = float(figures.mean()), len(values)
    if count == 1:
        return mean, None, None
    half = float(stdtrit(count - 1, (1 + LEVEL) / 2)) * float(figures.std()) / math.sqrt(count)
    return mean, mean - half, mean + half
