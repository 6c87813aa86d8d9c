"""Which process hosts which learners."""

from __future__ import annotations

from league.hosting import hosting
from matchmaking.records import Kind, Player, Role


def learners(*roles: Role) -> list[Player]:
    return [Player(id=f"p{n}", name=f"n{n}", kind=Kind.LEARNER, role=role) for n, role in enumerate(roles)]


def test_main_agents_come_first_and_get_most_room() -> None:
    players = learners(Role.LEAGUE_EXPLOITER, Role.MAIN_EXPLOITER, Role.MAIN_AGENT)
    assert [[p.role for p in part] for part in hosting(players, 2)] == [
        [Role.MAIN_AGENT],
        [Role.MAIN_EXPLOITER, Role.LEAGUE_EXPLOITER],
    ]


def test_everybody_is_hosted_once() -> None:
    players = learners(*[Role.MAIN_AGENT] * 3, *[Role.MAIN_EXPLOITER] * 4)
    for processes in range(1, 10):
        parts = hosting(players, processes)
        assert sorted(p.id for part in parts for p in part) == [p.id for p in players]
        assert len(parts) == min(processes, len(players))
        assert all(parts)
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_nobody_to_host() -> None:
    assert hosting([], 2) == [[]]
