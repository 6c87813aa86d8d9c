"""Swiss system: in every round players of equal points meet, and nobody meets twice while that can be avoided.

The pairing of a round is exact: it has as few repeated meetings as any pairing of these players can have. Players are
taken from the top; each gets the first opponent of its order of preference that leaves the others such a pairing, which
is known from a maximum matching of those who have not met (`matching`). So within that bound the pairing is the
first in lexicographic order of preferences, as a tournament director would find by hand.

Preferences: an opponent of the nearest points; among those the one half a score group below (first of the upper half
against first of the lower half, as in FIDE's Dutch system). With an odd number of players the lowest player who had no
bye yet sits out, unless only another choice avoids a repeated meeting; nobody gets a second bye while another had none.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from matchmaking.tournaments.core import (
    Bye,
    Encounter,
    Place,
    Plan,
    Results,
    TournamentError,
    check_players,
    check_size,
    ranked,
)
from matchmaking.tournaments.matching import Matching
from matchmaking.tournaments.tally import sonneborn_berger, tally

Met = Mapping[frozenset[int], int]
"""How often two players have met, by their numbers; who has not met is missing."""


class Swiss:
    """A Swiss tournament.

    Points are those of encounters: 1 for more points of matches than the opponent's, 1/2 for as many. A bye is worth 1.
    Tie-breaks are Buchholz (the points of all opponents; a bye counts as an opponent with as many points as oneself,
    FIDE's Tie-Break Regulations of 2023, article 16.4), Sonneborn-Berger, and the points of matches.

    Args:
        players: in the order of their seeds.
        pairs: seat-swapped pairs of matches in each encounter.
        rounds: how many; by default as many as a knockout would have.

    Raises:
        TournamentError: there are fewer than two players, one is named twice, or there are more rounds than opponents.
    """

    tie_breaks = ("buchholz", "sonneborn_berger", "match_points")

    def __init__(self, players: Sequence[str], pairs: int, rounds: int | None = None) -> None:
        self.players = check_players(players)
        most = len(players) - 1 + len(players) % 2
        self.rounds = math.ceil(math.log2(len(players))) if rounds is None else rounds
        if not 1 <= self.rounds <= most:
            raise TournamentError(
                f"a swiss tournament of {len(players)} players has 1 to {most} rounds, not {rounds}: "
                "after that everybody has met everybody (--format round-robin plays all of them)"
            )
        check_size(self.rounds * (len(players) // 2), pairs)
        self._pairs = pairs

    @property
    def expected(self) -> int:
        """How many encounters there are."""
        return self.rounds * (len(self.players) // 2)

    def plan(self, results: Results) -> Plan:
        """The rounds so far and the next one, which is fixed when all encounters before it have results."""
        encounters: list[Encounter] = []
        byes: list[Bye] = []
        notes: list[str] = []
        for number in range(1, self.rounds + 1):
            if any(encounter.id not in results for encounter in encounters):
                return Plan(tuple(encounters), tuple(byes), tuple(notes))
            pairing, bye = self._next_round(encounters, byes, results)
            known = {frozenset((encounter.a, encounter.b)) for encounter in encounters}
            for place, (a, b) in enumerate(pairing, 1):
                encounters.append(Encounter(f"r{number}.{place}", number, a, b, self._pairs, f"round {number}"))
                if frozenset((a, b)) in known:
                    notes.append(f"round {number}: {a} and {b} meet again, as no pairing without a repeat is left")
            byes += [Bye(number, bye)] if bye is not None else []
        return Plan(tuple(encounters), tuple(byes), tuple(notes), finished=True)

    def table(self, results: Results) -> list[Place]:
        """By points of encounters and byes, then by the tie-breaks of the class."""
        plan = self.plan(results)
        tallies = tally(self.players, plan.encounters, results)
        points = self._points(plan.encounters, plan.byes, results)
        byes = Counter(bye.player for bye in plan.byes if self._over(bye.round, plan.encounters, results))
        rows = []
        for player in self.players:
            own = tallies[player]
            buchholz = sum(points[other] for other, _ in own.met) + byes[player] * points[player]
            crossed = sonneborn_berger(own, points, 2.0 * self._pairs) + byes[player] * points[player]
            rows.append((player, points[player], (buchholz, crossed, own.points), ""))
        return ranked(rows)

    def _next_round(
        self, encounters: Sequence[Encounter], byes: Sequence[Bye], results: Results
    ) -> tuple[list[tuple[str, str]], str | None]:
        points = self._points(encounters, byes, results)
        order = sorted(self.players, key=lambda player: -points[player])  # stable: equals stay in the order of seeds
        place = {player: number for number, player in enumerate(order)}
        met = Counter(frozenset((place[encounter.a], place[encounter.b])) for encounter in encounters)
        had = Counter(place[bye.player] for bye in byes)
        pairing, bye = pair_round([points[player] for player in order], met, [had[n] for n in range(len(order))])
        return [(order[a], order[b]) for a, b in pairing], None if bye is None else order[bye]

    def _points(self, encounters: Sequence[Encounter], byes: Sequence[Bye], results: Results) -> dict[str, float]:
        tallies = tally(self.players, encounters, results)
        points = {player: own.encounter_points for player, own in tallies.items()}
        for bye in byes:
            if self._over(bye.round, encounters, results):
                points[bye.player] += 1.0
        return points

    def _over(self, number: int, encounters: Sequence[Encounter], results: Results) -> bool:
        """Whether a round is over: a bye is worth nothing before, so nobody leads by it while the others play."""
        return all(encounter.id in results for encounter in encounters if encounter.round == number)


def pair_round(points: Sequence[float], met: Met, byes: Sequence[int]) -> tuple[list[tuple[int, int]], int | None]:
    """Pair one round.

    Args:
        points: of each player, in the order of their ranks: the highest first.
        met: how often two players have met.
        byes: how often each player has sat out.

    Returns:
        The meetings, by number of the players, and who sits out, if anybody.
    """
    players = range(len(points))
    fresh = [[other for other in players if other != one and not met.get(frozenset((one, other)))] for one in players]
    matching = Matching(fresh)
    bye = None
    if len(points) % 2:
        fewest = min(byes)
        lowest_first = [player for player in reversed(players) if byes[player] == fewest]
        matching, bye = _sits_out(matching, lowest_first)
    left = [player for player in players if player != bye]
    repeats = len(left) // 2 - matching.pairs
    pairing = []
    while left:
        one = left.pop(0)
        for other in _preferred(one, left, points, met):
            again = bool(met.get(frozenset((one, other))))
            rest = matching.without(one, other)
            if len(left) // 2 - rest.pairs <= repeats - again:
                break
        else:
            raise AssertionError("a maximum matching of all leaves a pairing of the rest")
        pairing.append((one, other))
        left.remove(other)
        matching, repeats = rest, repeats - again
    return pairing, bye


def _sits_out(matching: Matching, candidates: Sequence[int]) -> tuple[Matching, int]:
    """The first candidate without whom the others have the largest matching, and that matching."""
    best: tuple[Matching, int] | None = None
    for player in candidates:
        rest = matching.without(player)
        if best is None or rest.pairs > best[0].pairs:
            best = rest, player
        if rest.pairs == (len(matching.mate) - 1) // 2:  # nobody meets again: no other choice is better
            break
    assert best is not None  # there is a player with the fewest byes
    return best


def _preferred(one: int, others: Sequence[int], points: Sequence[float], met: Met) -> list[int]:
    """The opponents of a player, the best one first: of nearest points, half a score group below.

    The others stand below the player, in the order of their points: the further down from the middle of its own score
    group, the further away in points.
    """
    group = [other for other in others if points[other] == points[one]]
    opposite = group[(len(group) - 1) // 2] if group else one  # with the player itself: the first of the lower half

    def distance(other: int) -> tuple[int, int, int]:
        return met.get(frozenset((one, other)), 0), abs(other - opposite), other

    return sorted(others, key=distance)
