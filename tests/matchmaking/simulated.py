"""Logs of rated matches drawn from the Davidson model with known strengths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from matchmaking.bradley_terry import ELO
from matchmaking.pfsp import Floats
from matchmaking.records import Kind, MatchResult, Player


def members(count: int) -> list[Player]:
    return [Player(id=f"p{number:03}", name=f"name-{number}", kind=Kind.FROZEN, version="0") for number in range(count)]


def result(number: int, a: str, b: str, outcomes: str) -> MatchResult:
    return MatchResult(id=f"m{number}", a=a, b=b, seed=number, outcomes=outcomes)


def simulated_log(
    elo: Floats | Sequence[float],
    results: int,
    pairs: int,
    rng: np.random.Generator,
    seat: float = 40.0,
    kappa: float = -1.0,
) -> list[MatchResult]:
    """`results` pairings of random players of these strengths, `pairs` seat-swapped pairs each."""
    strength = np.asarray(elo) / ELO
    first = rng.integers(len(strength), size=results)
    second = (first + 1 + rng.integers(len(strength) - 1, size=results)) % len(strength)
    swap = np.tile([1.0, -1.0], pairs)  # a in seat 0, then a in seat 1
    delta = (strength[first] - strength[second])[:, None] + swap * seat / ELO
    win, draw, loss = np.exp(delta / 2), np.full_like(delta, np.exp(kappa)), np.exp(-delta / 2)
    point = rng.random(delta.shape) * (win + draw + loss)
    letters = np.where(point < win, "w", np.where(point < win + draw, "d", "l"))
    return [
        result(number, f"p{a:03}", f"p{b:03}", "".join(row))
        for number, (a, b, row) in enumerate(zip(first, second, letters, strict=True))
    ]
