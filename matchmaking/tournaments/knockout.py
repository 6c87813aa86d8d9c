"""Knockout: who loses is out, or with double elimination who loses twice.

The bracket is the usual one: seed 1 can meet seed 2 in the final only, seeds 3 and 4 in a semi-final, and so on; where
the number of players is no power of two, the highest seeds have no opponent in the first round. A tie is played on, one
seat-swapped pair at a time, up to a cap; then the higher seed goes on, and the plan says so. In the grand final of a
double elimination that is the player who has not lost yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from matchmaking.tournaments.core import Bye, Encounter, Place, Plan, Results, check_players, check_size, points, ranked

NOBODY = ""
"""In a seat of the bracket: an opponent that there is not."""

MORE_PAIRS = 4
"""Pairs that are played on after a tie before the seeding decides."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a player of a node comes from: a seed, or the winner or loser of an earlier node."""

    kind: Literal["seed", "winner", "loser"]
    of: str


@dataclass(frozen=True, slots=True)
class Node:
    """A place in the bracket where two players meet.

    Attributes:
        id: such as `r1.3`, or `l2.1` in the losers' bracket.
        round: counted from 1 in the order of play.
        label: what it is called.
        first, second: who plays; on equal seeds, which there are not, nothing else tells them apart.
        out: whether the loser is out.
        final: whether the first one goes on where the cap of a tie is reached: it has not lost yet.
    """

    id: str
    round: int
    label: str
    first: Source
    second: Source
    out: bool = True
    final: bool = False


def seeding(size: int) -> list[int]:
    """Seeds from 1 in the order of the bracket's lines, for a power of two: `[1, 4, 2, 3]` for 4."""
    order = [1]
    while len(order) < size:
        lines = 2 * len(order) + 1
        order = [seed for one in order for seed in (one, lines - one)]
    return order


class Knockout:
    """Single or double elimination.

    Args:
        players: in the order of their seeds.
        pairs: seat-swapped pairs of matches in each encounter.
        double: whether one is out at the second loss only. The grand final is then played again where the player from
            the losers' bracket wins it, for both have lost once.
        more_pairs: pairs that are played on after a tie.

    Raises:
        TournamentError: there are fewer than two players, or one is named twice.
    """

    tie_breaks: tuple[str, ...] = ()

    def __init__(
        self, players: Sequence[str], pairs: int, *, double: bool = False, more_pairs: int = MORE_PAIRS
    ) -> None:
        self.players = check_players(players)
        check_size(2 * len(players), pairs)
        self._seed = {player: number for number, player in enumerate(players, 1)}
        self._pairs = pairs
        self._more = more_pairs
        self._double = double
        size = 1 << (len(players) - 1).bit_length()
        self._nodes = double_bracket(size) if double else winners_bracket(size)

    @property
    def expected(self) -> int:
        """How many encounters there are without ties, and without a second grand final: one a loss."""
        return (2 if self._double else 1) * (len(self.players) - 1)

    def plan(self, results: Results) -> Plan:
        """The encounters whose two players are known."""
        return _Walk(self, results).plan()

    def table(self, results: Results) -> list[Place]:
        """By how far a player came; those who went out in the same round share a rank."""
        walk = _Walk(self, results)
        walk.plan()
        rows = []
        for player in self.players:
            gone = walk.out.get(player)
            stage = float(gone[0].round if gone else self._nodes[-1].round + 1)
            note = f"lost the {gone[0].label} to {gone[1]}" if gone else "winner" if walk.finished else "still in"
            rows.append((player, stage, (), note))
        return ranked(rows)


class _Walk:
    """One pass through a bracket with the results so far."""

    def __init__(self, knockout: Knockout, results: Results) -> None:
        self._of = knockout
        self._results = results
        self._encounters: list[Encounter] = []
        self._byes: list[Bye] = []
        self._notes: list[str] = []
        self._winner: dict[str, str] = {}
        self._loser: dict[str, str] = {}
        self.out: dict[str, tuple[Node, str]] = {}
        self.finished = False

    def plan(self) -> Plan:
        nodes = self._of._nodes
        for node in nodes:
            first, second = self._player(node.first), self._player(node.second)
            if first is None or second is None:
                continue
            if node.id == RESET and self._winner.get(GRAND_FINAL) != second:
                if GRAND_FINAL in self._winner:
                    self._decide(node, first, NOBODY)  # it has won without a loss: there is nothing to play again
            elif NOBODY in (first, second):
                self._decide(node, first if second == NOBODY else second, NOBODY)
                if first != second:
                    self._byes.append(Bye(node.round, first if second == NOBODY else second))
            else:
                self._meet(node, first, second)
        self.finished = nodes[-1].id in self._winner
        return Plan(tuple(self._encounters), tuple(self._byes), tuple(self._notes), self.finished)

    def _player(self, source: Source) -> str | None:
        """Who comes from there: NOBODY where nobody does, None where it is not known yet."""
        if source.kind == "seed":
            number = int(source.of)
            return self._of.players[number - 1] if number <= len(self._of.players) else NOBODY
        return (self._winner if source.kind == "winner" else self._loser).get(source.of)

    def _decide(self, node: Node, winner: str, loser: str) -> None:
        self._winner[node.id], self._loser[node.id] = winner, loser
        if loser != NOBODY and (node.out or (node.id == GRAND_FINAL and loser == self._player(node.second))):
            self.out[loser] = node, winner

    def _meet(self, node: Node, first: str, second: str) -> None:
        """The encounter of a node, with as many more as its ties need."""
        lead = 0.0
        for extra in range(self._of._more + 1):
            name, pairs = (f"{node.id}+{extra}", 1) if extra else (node.id, self._of._pairs)
            label = f"{node.label}, more pairs" if extra else node.label
            self._encounters.append(Encounter(name, node.round, first, second, pairs, label))
            outcomes = self._results.get(name)
            if outcomes is None:
                return
            lead = 2 * points(outcomes) - len(outcomes)
            if lead:
                break
        winner = first if lead > 0 else second
        if not lead:
            seed = self._of._seed
            winner = first if node.final or seed[first] < seed[second] else second
            why = "has not lost before" if node.final else f"is seeded higher ({seed[first]} and {seed[second]})"
            pairs = self._of._more
            tie = f"still a tie after {pairs} more pairs" if pairs else "a tie"
            self._notes.append(f"{node.label}, {first} and {second}: {tie}; {winner} goes on, as it {why}")
        self._decide(node, winner, second if winner == first else first)


GRAND_FINAL, RESET = "gf", "gf2"
_NAMES = {1: "final", 2: "semi-final", 4: "quarter-final"}


def winners_bracket(size: int, *, out: bool = True) -> list[Node]:
    """The nodes of a single elimination of `size` lines, a power of two, in the order of play."""
    nodes: list[Node] = []
    lines = [Source("seed", str(seed)) for seed in seeding(size)]
    number = 0
    while len(lines) > 1:
        number += 1
        label = _NAMES.get(len(lines) // 2, f"round of {len(lines)}")
        round_ = [
            Node(f"r{number}.{place + 1}", number, label, lines[2 * place], lines[2 * place + 1], out)
            for place in range(len(lines) // 2)
        ]
        nodes += round_
        lines = [Source("winner", node.id) for node in round_]
    return nodes


def double_bracket(size: int) -> list[Node]:
    """The nodes of a double elimination of `size` lines, a power of two, in the order of play.

    After each round of the winners' bracket its losers drop into the losers' bracket, in the opposite order each time,
    so that those who have met do not meet again soon; then the losers' bracket halves itself.
    """
    upper = winners_bracket(size, out=False)
    rounds = [[node for node in upper if node.round == number] for number in range(1, upper[-1].round + 1)]
    nodes: list[Node] = []
    order, number = 0, 0
    survivors: list[Source] = []

    def lower(meetings: Sequence[tuple[Source, Source]]) -> list[Source]:
        nonlocal order, number
        order, number = order + 1, number + 1
        new = [
            Node(f"l{number}.{place}", order, f"losers' round {number}", one, other)
            for place, (one, other) in enumerate(meetings, 1)
        ]
        nodes.extend(new)
        return [Source("winner", node.id) for node in new]

    for drop, above in enumerate(rounds):
        order += 1
        nodes += [Node(node.id, order, f"winners' {node.label}", node.first, node.second, node.out) for node in above]
        losers = [Source("loser", node.id) for node in above]
        if drop % 2:
            losers.reverse()
        survivors = lower(list(zip(survivors, losers, strict=True))) if survivors else losers
        if len(survivors) > 1:
            survivors = lower(list(zip(survivors[0::2], survivors[1::2], strict=True)))
    champion, challenger = Source("winner", rounds[-1][0].id), survivors[0]
    nodes.append(Node(GRAND_FINAL, order + 1, "grand final", champion, challenger, out=False, final=True))
    nodes.append(Node(RESET, order + 2, "grand final, played again", champion, challenger))
    return nodes
