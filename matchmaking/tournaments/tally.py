"""Points and tie-breaks of encounters that were played."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from matchmaking.tournaments.core import Encounter, Place, Results, mirrored, points, ranked

WINS_FIRST = ("sonneborn_berger", "wins", "direct")
"""Tie-breaks where everybody meets the same opponents."""


@dataclass(slots=True)
class Tally:
    """What a player has reached.

    Attributes:
        wins, draws, losses: matches.
        points: of matches: a win is 1, a draw 1/2.
        won, drawn, lost: encounters.
        against: points by opponent.
        met: opponents in the order of meeting, one entry an encounter, with 1, 1/2 or 0 for what came of it.
    """

    wins: int = 0
    draws: int = 0
    losses: int = 0
    won: int = 0
    drawn: int = 0
    lost: int = 0
    against: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    met: list[tuple[str, float]] = field(default_factory=list)

    @property
    def points(self) -> float:
        return self.wins + 0.5 * self.draws

    @property
    def matches(self) -> int:
        return self.wins + self.draws + self.losses

    @property
    def encounter_points(self) -> float:
        return self.won + 0.5 * self.drawn

    def add(self, opponent: str, outcomes: str) -> None:
        """One encounter, from this player's view."""
        own = points(outcomes)
        result = 0.5 if 2 * own == len(outcomes) else float(2 * own > len(outcomes))
        self.wins += outcomes.count("w")
        self.draws += outcomes.count("d")
        self.losses += outcomes.count("l")
        self.won += result == 1.0
        self.drawn += result == 0.5
        self.lost += result == 0.0
        self.against[opponent] += own
        self.met.append((opponent, result))


def tally(players: Iterable[str], encounters: Iterable[Encounter], results: Results) -> dict[str, Tally]:
    """What each player has reached in those encounters that have a result."""
    tallies = {player: Tally() for player in players}
    for encounter in encounters:
        outcomes = results.get(encounter.id)
        if outcomes is not None:
            tallies[encounter.a].add(encounter.b, outcomes)
            tallies[encounter.b].add(encounter.a, mirrored(outcomes))
    return tallies


def sonneborn_berger(player: Tally, strength: Mapping[str, float], size: float) -> float:
    """The points that a player made, each worth what its opponent has reached (Sonneborn and Berger, 1886).

    Args:
        player: whose.
        strength: what each opponent has reached.
        size: points that the unit of `strength` stands for, such as the matches of an encounter.
    """
    return sum(own / size * strength[other] for other, own in player.against.items())


def crossing_table(
    players: Sequence[str], encounters: Sequence[Encounter], results: Results, *, by_share: bool = False
) -> list[Place]:
    """Order by points of matches, then by `WINS_FIRST`; `direct` are the points against those of equal points.

    Args:
        players: in the order of their seeds.
        encounters: all of the tournament.
        results: what was played.
        by_share: take the share of the points that were to be had, 0 to 1, where not all play as much.
    """
    tallies = tally(players, encounters, results)

    def reached(player: Tally) -> float:
        return player.points / max(player.matches, 1) if by_share else player.points

    strength = {player: reached(own) for player, own in tallies.items()}
    level: defaultdict[float, list[str]] = defaultdict(list)
    for player in players:
        level[strength[player]].append(player)
    size = max((2.0 * encounter.pairs for encounter in encounters), default=1.0)
    rows = []
    for player in players:
        own = tallies[player]
        direct = sum(own.against[other] for other in level[strength[player]] if other in own.against)
        tie_breaks = sonneborn_berger(own, strength, size), float(own.wins), direct
        rows.append((player, strength[player], tie_breaks, ""))
    return ranked(rows)
