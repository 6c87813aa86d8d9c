"""Which learner process hosts which players."""

from __future__ import annotations

from collections.abc import Sequence

from matchmaking.records import Player, Role

_ORDER = (Role.MAIN_AGENT, Role.TEAM, Role.MAIN_EXPLOITER, Role.LEAGUE_EXPLOITER)


def hosting(learners: Sequence[Player], processes: int) -> list[list[Player]]:
    """Deal learners out to processes, main agents first and the first processes getting the fewest: one main agent and
    two exploiters on two cores give the main agent a core of its own.

    Args:
        learners: in the order of registration, which is kept within a role.
        processes: how many there are; never more than there are learners are used.
    """
    ordered = sorted(learners, key=lambda player: _ORDER.index(player.role) if player.role else len(_ORDER))
    processes = max(1, min(processes, len(ordered)))
    small, larger = divmod(len(ordered), processes)
    result: list[list[Player]] = []
    for process in range(processes):
        size = small + (process >= processes - larger)
        start = sum(len(part) for part in result)
        result.append(ordered[start : start + size])
    return result
