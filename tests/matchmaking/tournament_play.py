"""Tournaments played out with made-up results."""

from __future__ import annotations

import random
from collections.abc import Callable

from matchmaking.tournaments.core import Encounter, Format

Play = Callable[[Encounter], str]
"""The outcomes of an encounter, from a's view."""


def names(count: int) -> list[str]:
    return [f"p{number}" for number in range(1, count + 1)]


def stronger_seed(encounter: Encounter) -> str:
    """The player with the smaller number wins everything."""
    return ("w" if int(encounter.a[1:]) < int(encounter.b[1:]) else "l") * (2 * encounter.pairs)


def at_random(seed: int, draws: bool = True) -> Play:
    """Any letters, the same for an encounter each time."""

    def play(encounter: Encounter) -> str:
        rng = random.Random(f"{seed} {encounter.id}")
        return "".join(rng.choice("wdl" if draws else "wl") for _ in range(2 * encounter.pairs))

    return play


def play_out(tournament: Format, play: Play, order: random.Random | None = None) -> dict[str, str]:
    """Play everything, in the order of the plan or in any; what was fixed once stays as it was.

    Returns:
        The results of a tournament that is finished.
    """
    results: dict[str, str] = {}
    before: tuple[Encounter, ...] = ()
    while True:
        plan = tournament.plan(results)
        assert len({encounter.id for encounter in plan.encounters}) == len(plan.encounters)
        assert set(before) <= set(plan.encounters), "results change nothing of what was fixed"
        before = plan.encounters
        waiting = plan.open(results)
        if not waiting:
            assert plan.finished
            return results
        encounter = order.choice(waiting) if order else waiting[0]
        assert {encounter.a, encounter.b} <= set(tournament.players) and encounter.a != encounter.b
        results[encounter.id] = play(encounter)
