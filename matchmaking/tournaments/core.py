"""The vocabulary of tournaments: who meets whom, what came of it, who is ahead.

A format is a pure function from the results so far to the encounters that are fixed by them. It knows nothing of how
they are played, and it keeps nothing: a tournament that breaks off goes on from the results that were written down.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Kinds(StrEnum):
    """The formats, by the names of the command line."""

    ROUND_ROBIN = "round-robin"
    GAUNTLET = "gauntlet"
    SWISS = "swiss"
    KNOCKOUT = "knockout"


class TournamentError(ValueError):
    """Players or options of which no such tournament can be made; the message says what would be right."""


@dataclass(frozen=True, slots=True)
class Encounter:
    """Two players who play some seat-swapped pairs of matches against each other.

    Attributes:
        id: unique in the tournament, such as `r2.1`: the first encounter of round 2.
        round: counted from 1.
        a: the one who is named first.
        b: the other.
        pairs: seat-swapped pairs of matches.
        label: what it is called, such as `round 2` or `semi-final`.
    """

    id: str
    round: int
    a: str
    b: str
    pairs: int
    label: str


Results = Mapping[str, str]
"""Outcomes by encounter: two letters a pair from a's view, as in `MatchResult.outcomes`."""


@dataclass(frozen=True, slots=True)
class Bye:
    """A player who has no opponent in a round, or needs none.

    Attributes:
        round: counted from 1.
        player: who.
    """

    round: int
    player: str


@dataclass(frozen=True, slots=True)
class Place:
    """A player's place.

    Attributes:
        rank: from 1; players whom nothing separates share one.
        player: who.
        points: what the format ranks by.
        tie_breaks: what decides between equal points, the first one first; names as in `Format.tie_breaks`.
        note: what else a reader has to know, such as `lost the final`.
    """

    rank: int
    player: str
    points: float
    tie_breaks: tuple[float, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the results so far fix.

    Attributes:
        encounters: all that are fixed, played ones too, in the order in which they are to be played.
        byes: those who sit out.
        notes: decisions that were not made by the matches, in words, such as a tie that the seeding decided.
        finished: whether no more encounters can follow those that are fixed, once these are played.
    """

    encounters: tuple[Encounter, ...]
    byes: tuple[Bye, ...] = ()
    notes: tuple[str, ...] = ()
    finished: bool = False

    def open(self, results: Results) -> list[Encounter]:
        """The encounters that can be played now."""
        return [encounter for encounter in self.encounters if encounter.id not in results]


class Format(Protocol):
    """A kind of tournament with its players."""

    @property
    def players(self) -> tuple[str, ...]:
        """All players, in the order of their seeds."""

    @property
    def tie_breaks(self) -> tuple[str, ...]:
        """What decides between equal points, such as `buchholz`."""

    @property
    def expected(self) -> int:
        """How many encounters there will be; ties of a knockout add to it."""

    def plan(self, results: Results) -> Plan:
        """What these results fix. Results of encounters that are not fixed are not looked at."""

    def table(self, results: Results) -> list[Place]:
        """The order of the players by these results, the best first."""


def points(outcomes: str) -> float:
    """Points of a: a win is 1, a draw 1/2."""
    return outcomes.count("w") + 0.5 * outcomes.count("d")


def mirrored(outcomes: str) -> str:
    """The same matches from b's view, in the order in which they were played."""
    return outcomes.translate(str.maketrans("wl", "lw"))


MOST_ENCOUNTERS = 100_000
MOST_PAIRS = 1_000_000


def check_size(encounters: int, pairs: int) -> None:
    """See that a tournament can be planned, before it is.

    Raises:
        TournamentError: it has too many encounters, or encounters that nobody could play.
    """
    if not 1 <= pairs <= MOST_PAIRS:
        raise TournamentError(f"an encounter has 1 to {MOST_PAIRS:,} pairs of matches, not {pairs:,}")
    if not 1 <= encounters <= MOST_ENCOUNTERS:
        raise TournamentError(f"a tournament has 1 to {MOST_ENCOUNTERS:,} encounters, not {encounters:,}")


def check_players(players: Sequence[str], least: int = 2) -> tuple[str, ...]:
    """The players as a tuple.

    Raises:
        TournamentError: there are too few, or one is named twice.
    """
    twice = sorted(player for player, times in Counter(players).items() if times > 1)
    if twice:
        raise TournamentError(f"{', '.join(map(repr, twice))} is named twice: every player enters once")
    if len(players) < least:
        raise TournamentError(f"a tournament needs at least {least} players, not {len(players)}")
    return tuple(players)


def ranked(rows: Sequence[tuple[str, float, tuple[float, ...], str]]) -> list[Place]:
    """Places of (player, points, tie-breaks, note), the highest points first; equal rows share a rank.

    Players of equal rank stand in the order in which they were given, which is that of their seeds.
    """
    ordered = sorted(rows, key=lambda row: (-row[1], *(-value for value in row[2])))
    places: list[Place] = []
    for number, (player, own, tie_breaks, note) in enumerate(ordered, 1):
        above = places[-1] if places else None
        same = above is not None and (above.points, above.tie_breaks) == (own, tie_breaks)
        rank = above.rank if above is not None and same else number
        places.append(Place(rank, player, own, tie_breaks, note))
    return places
