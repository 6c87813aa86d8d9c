"""Potentials for shaping, by arena: how near each team is to its goal."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from arenas.core import Arena, ArenaSpec, State
from arenas.games.soccer import OFF
from arenas.shaping import Potential
from arenas.spelling import did_you_mean

Measure = Callable[[State, ArenaSpec], Tensor]
"""float32 [B, teams], of the states of an arena."""


def uncovered(state: State, _: ArenaSpec) -> Tensor:
    """Spread: minus the sum over the landmarks of the distance of the nearest agent."""
    return -torch.cdist(state["landmark"], state["position"]).amin(dim=2).sum(dim=1, keepdim=True)


def to_gather(state: State, _: ArenaSpec) -> Tensor:
    """Foraging: minus the share of the food that is left, times how far the agents are from meeting at one food.

    That is the smallest, over the food left, of the agents' mean distance in steps. Nothing left is 0, the most.
    """
    agents, foods = state["agents"], state["foods"]
    steps = (agents[:, :, None, :2] - foods[:, None, :, :2]).abs().sum(dim=3).float().mean(dim=1)  # [B, F]
    there = foods[..., 2] > 0
    nearest = torch.where(there, steps, torch.inf).amin(dim=1)
    share = foods[..., 2].sum(dim=1) / state["spawned"].clamp(min=1)
    return -torch.where(there.any(dim=1), share * nearest, 0.0)[:, None]


def ball_ahead(state: State, spec: ArenaSpec) -> Tensor:
    """Soccer: how far the ball is up the pitch, from -1 at the own end line to 1 at the other's; 0 once it is out."""
    columns = spec.observation_shape[2]
    column = state["ball"] % (columns + 2) - 1  # cells are numbered with a rim of one cell
    ahead = torch.where(state["ball"] == OFF, 0.0, 2 * column / (columns - 1) - 1)
    return torch.stack((ahead, -ahead), dim=1)


def chase(state: State, spec: ArenaSpec) -> Tensor:
    """Tag: the sum over the prey of the nearest predator's distance, for the predators with a minus."""
    predators, prey = (state["position"][:, list(team)] for team in spec.teams)
    away = torch.cdist(prey, predators).amin(dim=2).sum(dim=1)
    return torch.stack((-away, away), dim=1)


POTENTIALS: dict[str, dict[str, Measure]] = {
    "foraging": {"gather": to_gather},
    "soccer": {"ball": ball_ahead},
    "spread": {"cover": uncovered},
    "tag": {"chase": chase},
}
"""By the arena's name, then by their own."""


def find(arena: Arena, name: str, weight: float = 1.0) -> Potential:
    """A potential of an arena, times a weight.

    Raises:
        ValueError: the arena has none of that name; the message says which there are.
    """
    known = POTENTIALS.get(arena.spec.name, {})
    if name not in known:
        if known:
            hint = did_you_mean(name, known, after=" ")
            raise ValueError(f"{arena.spec.name} has no potential {name!r}: {hint}it has {', '.join(known)}")
        raise ValueError(f"{arena.spec.name} has no potential: there are some of {', '.join(POTENTIALS)}")
    measure, spec = known[name], arena.spec
    return lambda state: weight * measure(state, spec)
