"""Everybody meets everybody."""

from __future__ import annotations

from collections.abc import Sequence

from matchmaking.tournaments.core import Bye, Encounter, Place, Plan, Results, check_players, check_size
from matchmaking.tournaments.tally import WINS_FIRST, crossing_table


def circle(players: int) -> list[list[tuple[int, int]]]:
    """Rounds in which each of `players` meets each other once, by the circle method (Kirkman 1847).

    One place stays and the others move on by one each round; with an odd number of players the place that stays is
    nobody, and whoever meets it sits out. A round holds each player at most once.

    Returns:
        For each round the meetings, by number of the player; players - 1 rounds, or players where that is odd.
    """
    size = players + players % 2
    rounds = []
    for shift in range(size - 1):
        order = [size - 1, *((shift + place) % (size - 1) for place in range(size - 1))]
        meetings = [(order[place], order[size - 1 - place]) for place in range(size // 2)]
        rounds.append([(min(pair), max(pair)) for pair in meetings if max(pair) < players])
    return rounds


class RoundRobin:
    """Everybody meets everybody `cycles` times, seats swapped in every pair of matches.

    Args:
        players: in the order of their seeds.
        pairs: seat-swapped pairs of matches in each encounter.
        cycles: how often two players meet.

    Raises:
        TournamentError: there are fewer than two players, one is named twice, or that would be too large.
    """

    tie_breaks = WINS_FIRST

    def __init__(self, players: Sequence[str], pairs: int, cycles: int = 1) -> None:
        self.players = check_players(players)
        check_size(len(players) * (len(players) - 1) // 2 * cycles, pairs)
        rounds = circle(len(players)) * cycles
        self._encounters: list[Encounter] = []
        self._byes: list[Bye] = []
        for number, meetings in enumerate(rounds, 1):
            for place, (a, b) in enumerate(meetings, 1):
                self._encounters.append(
                    Encounter(f"r{number}.{place}", number, players[a], players[b], pairs, f"round {number}")
                )
            met = {index for pair in meetings for index in pair}
            self._byes += [Bye(number, player) for index, player in enumerate(players) if index not in met]

    @property
    def expected(self) -> int:
        """How many encounters there are."""
        return len(self._encounters)

    def plan(self, results: Results) -> Plan:
        """All encounters, from the start."""
        return Plan(tuple(self._encounters), tuple(self._byes), finished=True)

    def table(self, results: Results) -> list[Place]:
        """By points; ties by Sonneborn-Berger, wins, and what they scored against each other."""
        return crossing_table(self.players, self._encounters, results)
