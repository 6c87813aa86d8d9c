"""The matchmaker: the verbs with which learners, evaluators, the rater and people talk to a run.

The verbs are few. Whatever else is stored (facts, heartbeats, commands, rating curves) is reached through
`Matchmaker.store`.
"""

from __future__ import annotations

import difflib
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from matchmaking.errors import MatchmakingError, UnknownPlayerError
from matchmaking.records import (
    Counters,
    EpisodeCount,
    Forfeit,
    Kind,
    Lease,
    MatchResult,
    Pairing,
    Player,
    Rating,
    Role,
)
from matchmaking.run_records import Reported, Ticket
from matchmaking.schedule import Scheduler, informative
from matchmaking.store import Store

if TYPE_CHECKING:
    from matchmaking.standings import Board, StandingsSettings

LEASE_SECONDS = 30.0
"""How long a pairing stays with a worker that gives no sign of life."""


class Matchmaker:
    """Records in, pairings out.

    Attributes:
        store: the run.
        pairs: seat-swapped pairs of matches in each pairing that is planned.
    """

    def __init__(
        self,
        store: Store,
        scheduler: Scheduler = informative,
        pairs: int = 16,
        rng: random.Random | None = None,
    ) -> None:
        """A matchmaker on a run.

        Args:
            store: the run.
            scheduler: says which rated matches to play next.
            pairs: seat-swapped pairs of matches in each pairing.
            rng: source of ids and seeds; by default the system's entropy, since two planners must not draw the same.
        """
        self.store = store
        self.pairs = pairs
        self._scheduler = scheduler
        self._rng = rng or random.SystemRandom()
        self._games: Counter[tuple[str, str]] = Counter()
        self._read = 0

    # Players.

    def register(self, player: Player) -> Player:
        """Register a player once; see `Store.register`."""
        return self.store.register(player)

    def players(self, since: int = 0) -> list[Player]:
        """The players in the order of registration from number `since` on."""
        return self.store.players(since)

    def find(self, name: str) -> Player:
        """The player that a person means: by id, by name, or by a role, which means its newest frozen player.

        Raises:
            UnknownPlayerError: nobody; the message gives the nearest name.
        """
        players = self.store.players()
        for player in players:
            if name in (player.id, player.name):
                return player
        for player in reversed(players):
            if player.kind is Kind.FROZEN and player.role is not None and player.role.value == name:
                return player
        raise UnknownPlayerError(_nobody(name, players))

    # Training.

    def report_episodes(self, counts: Iterable[EpisodeCount], ticket: Ticket | None = None) -> bool:
        """Count finished episodes into the payoff, once a ticket; see `Store.report_episodes`."""
        return self.store.report_episodes(counts, ticket)

    def payoff_row(self, player: str) -> dict[str, Counters]:
        """The decayed counters of a player against everyone it has met in training, by opponent."""
        return self.store.payoff_row(player)

    # Rated matches.

    def plan(self, count: int, at_most: int = 0) -> list[Pairing]:
        """Queue the `count` pairings that would teach most.

        Args:
            count: how many.
            at_most: do nothing where more than this many wait already.

        Returns:
            The pairings; empty where enough wait, or where fewer than two players can be rated.
        """
        queue = self.store.queue
        if queue.waiting() > at_most:
            return []
        games = self._games_so_far()
        for pairing in queue.pending():
            games[_pair(pairing.a, pairing.b)] += 2 * pairing.pairs
        players, ratings = self.store.players(), self.ratings()
        pairings = list(islice(self._scheduler(players, ratings, games, self.pairs, self._rng), count))
        return pairings if queue.enqueue(pairings, at_most) else []

    def lease(self, worker: str, seconds: float = LEASE_SECONDS, ahead: int = 8) -> Lease | None:
        """The right to play a pairing; when none waits, `ahead` new ones are planned first.

        Returns:
            None where there is nothing to play: fewer than two players can be rated.
        """
        lease = self.store.queue.lease(worker, seconds)
        if lease is None and ahead > 0:
            self.plan(ahead)
            lease = self.store.queue.lease(worker, seconds)
        return lease

    def heartbeat(self, lease: Lease, seconds: float = LEASE_SECONDS) -> Lease | None:
        """Keep a lease for another `seconds`; None where it is lost, and its pairing not worth finishing."""
        return self.store.queue.extend(lease, seconds)

    def report_match(self, lease: Lease, outcomes: str, forfeits: Sequence[Forfeit] = ()) -> Reported:
        """Report all matches of a leased pairing; first write wins.

        Args:
            lease: of the pairing.
            outcomes: two letters a pair from a's view.
            forfeits: the matches among them that a player lost because it failed; where both did, it is a draw.

        Raises:
            MatchmakingError: there are not exactly two outcomes for each pair, or a forfeit says something else than
                the outcome of its match.
        """
        expected = 2 * lease.pairing.pairs
        if len(outcomes) != expected:
            raise MatchmakingError(
                f"pairing {lease.pairing.id} has {expected} matches and the report {len(outcomes)} outcomes: "
                "report a pairing whole or abort it"
            )
        _check_forfeits(lease.pairing, outcomes, forfeits)
        return self.store.queue.report(lease, outcomes, forfeits)

    def abort(self, lease: Lease, reason: str, drop: bool = False) -> bool:
        """Give a pairing back, or drop it for good; see `MatchQueue.abort`. Rates nobody."""
        return self.store.queue.abort(lease, reason, drop)

    def ratings(self) -> dict[str, Rating]:
        """The live ratings by player; players without a rated match are missing."""
        return self.store.ratings.state().ratings

    def matches(self, since: int = 0) -> list[MatchResult]:
        """The log of rated matches from number `since` on."""
        return self.store.queue.matches(since)

    def standings(self, settings: StandingsSettings | None = None) -> Board:
        """The published board of everyone who can be rated, fitted from the whole log of matches."""
        # Imported here: the fit brings scipy, and learners and `league status` must start without it.
        from matchmaking.standings import standings

        rated = [player for player in self.players() if player.kind is not Kind.LEARNER]
        return standings(self.matches(), rated, self.ratings(), settings=settings)

    def _games_so_far(self) -> Counter[tuple[str, str]]:
        """Matches by pair over the whole log; only what is new is read."""
        for result in self.store.queue.matches(self._read):
            self._games[_pair(result.a, result.b)] += len(result.outcomes)
            self._read += 1
        return self._games.copy()


def _pair(a: str, b: str) -> tuple[str, str]:
    return (a, b) if a < b else (b, a)


def _check_forfeits(pairing: Pairing, outcomes: str, forfeits: Sequence[Forfeit]) -> None:
    failed: dict[int, set[str]] = {}
    for forfeit in forfeits:
        if forfeit.player not in (pairing.a, pairing.b):
            raise MatchmakingError(f"{forfeit.player} forfeits in pairing {pairing.id}, which it does not play")
        failed.setdefault(forfeit.match, set()).add(forfeit.player)
    for match, players in failed.items():
        right = "d" if len(players) == 2 else "l" if pairing.a in players else "w"
        if outcomes[match : match + 1] != right:
            raise MatchmakingError(
                f"match {match} of pairing {pairing.id} was forfeited by {' and '.join(sorted(players))}, "
                f"so its outcome is {right!r}, not {outcomes[match : match + 1]!r}"
            )


def _nobody(name: str, players: Sequence[Player]) -> str:
    names = [player.name for player in players] + [role.value for role in Role]
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "`league players` lists them"
    return f"no player {name!r} in this run: {hint}"
