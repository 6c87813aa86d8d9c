"""Potentials for shaping, by arena: how near a team is to its goal."""

from __future__ import annotations

import difflib
from collections.abc import Callable

import torch
from torch import Tensor

from arenas.core import Arena, State
from arenas.shaping import Potential


def uncovered(state: State) -> Tensor:
    """Spread: minus the sum over the landmarks of the distance of the nearest agent."""
    return -torch.cdist(state["landmark"], state["position"]).amin(dim=2).sum(dim=1)


def to_gather(state: State) -> Tensor:
    """Foraging: minus the share of the food that is left, times how far the agents are from meeting at one food.

    That is the smallest, over the food left, of the agents' mean distance in steps. Nothing left is 0, the most.
    """
    agents, foods = state["agents"], state["foods"]
    steps = (agents[:, :, None, :2] - foods[:, None, :, :2]).abs().sum(dim=3).float().mean(dim=1)  # [B, F]
    there = foods[..., 2] > 0
    nearest = torch.where(there, steps, torch.inf).amin(dim=1)
    share = foods[..., 2].sum(dim=1) / state["spawned"].clamp(min=1)
    return -torch.where(there.any(dim=1), share * nearest, 0.0)


POTENTIALS: dict[str, dict[str, Potential]] = {
    "foraging": {"gather": to_gather},
    "spread": {"cover": uncovered},
}
"""By the arena's name, then by their own."""


def find(arena: Arena, name: str, weight: float = 1.0) -> Potential:
    """A potential of an arena, times a weight.

    Raises:
        ValueError: the arena has none of that name; the message says which there are.
    """
    known = POTENTIALS.get(arena.spec.name, {})
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        if known:
            hint = f"did you mean {near[0]}? " if near else ""
            raise ValueError(f"{arena.spec.name} has no potential {name!r}: {hint}it has {', '.join(known)}")
        raise ValueError(f"{arena.spec.name} has no potential: there are some of {', '.join(POTENTIALS)}")
    return _weighted(known[name], weight)


def _weighted(potential: Potential, weight: float) -> Callable[[State], Tensor]:
    return lambda state: weight * potential(state)
