"""One player, or a few, against a whole field: how strong is a newcomer?"""

from __future__ import annotations

from collections.abc import Sequence

from matchmaking.tournaments.core import Encounter, Place, Plan, Results, TournamentError, check_players, check_size
from matchmaking.tournaments.tally import WINS_FIRST, crossing_table


class Gauntlet:
    """Each challenger meets each player of the field; neither challengers nor the field meet among themselves.

    Args:
        players: in the order of their seeds; the challengers first.
        pairs: seat-swapped pairs of matches in each encounter.
        challengers: how many challengers there are.

    Raises:
        TournamentError: nobody is left for the field, there is no challenger, or somebody is named twice.
    """

    tie_breaks = WINS_FIRST

    def __init__(self, players: Sequence[str], pairs: int, challengers: int = 1) -> None:
        self.players = check_players(players)
        if not 1 <= challengers < len(players):
            raise TournamentError(
                f"a gauntlet of {len(players)} players has 1 to {len(players) - 1} challengers, not {challengers}"
            )
        check_size(challengers * (len(players) - challengers), pairs)
        self.challengers = self.players[:challengers]
        field = self.players[challengers:]
        # In round n the i-th challenger meets the (n + i)-th of the field, so that all get on at the same pace.
        self._encounters: list[Encounter] = []
        for number in range(1, len(field) + 1):
            for place, challenger in enumerate(self.challengers, 1):
                opponent = field[(number + place - 2) % len(field)]
                self._encounters.append(
                    Encounter(f"r{number}.{place}", number, challenger, opponent, pairs, f"round {number}")
                )

    @property
    def expected(self) -> int:
        """How many encounters there are."""
        return len(self._encounters)

    def plan(self, results: Results) -> Plan:
        """All encounters, from the start."""
        return Plan(tuple(self._encounters), finished=True)

    def table(self, results: Results) -> list[Place]:
        """By the share of points: the field has fewer encounters than the challengers."""
        return crossing_table(self.players, self._encounters, results, by_share=True)
