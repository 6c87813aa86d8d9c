"""The matchmaker: the verbs with which learners, evaluators, the rater and people talk to a run.

The verbs are few. Whatever else is stored (facts, heartbeats, commands, rating curves) is reached through
`Matchmaker.store`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from matchmaking.bot_records import BotState
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
from matchmaking.schedule import Games, Pairs, Scheduler, informative
from matchmaking.spelling import did_you_mean
from matchmaking.store import Store

if TYPE_CHECKING:
    from matchmaking.standings import Board, StandingsSettings

LEASE_SECONDS = 30.0
"""How long a pairing stays with a worker that gives no sign of life."""

MAX_TRIES = 3
"""How often a pairing may break off by a fault before it is given up."""

MAX_EXPIRIES = 5
"""How many leases on a pairing may expire before it is given up: it kills its workers, or takes longer than a lease."""


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
        *,
        bot_pairs: int = 4,
        left_out: Callable[[], Collection[str]] = tuple,
    ) -> None:
        """A matchmaker on a run.

        Args:
            store: the run.
            scheduler: says which rated matches to play next.
            pairs: seat-swapped pairs of matches in each pairing.
            rng: source of ids and seeds; by default the system's entropy, since two planners must not draw the same.
            bot_pairs: seat-swapped pairs of matches in each pairing where a submitted bot takes part.
            left_out: ids of players that cannot play now; bots that are not active are left out anyway.
        """
        self.store = store
        self.pairs = Pairs(pairs, bot_pairs)
        self._scheduler = scheduler
        self._rng = rng or random.SystemRandom()
        self._left_out = left_out
        self._games = Games()
        self._read = 0
        self._dropped: set[str] = set()
        self._known = 0  # players that have been looked at for newcomers

    # Players.

    def register(self, player: Player) -> Player:
        """Register a player once; see `Store.register`."""
        return self.store.register(player)

    def players(self, since: int = 0) -> list[Player]:
        """The players in the order of registration from number `since` on."""
        return self.store.players(since)

    def find(self, name: str) -> Player:
        """The player that a person means: by id, by name, or by a role, which means its newest frozen player.

        The name under which a bot was submitted means its newest version that is active.

        Raises:
            UnknownPlayerError: nobody; the message gives the nearest name.
        """
        players = self.store.players()
        bot = self.store.bots.newest(name)
        wanted = name if bot is None else bot.player
        for player in players:
            if wanted in (player.id, player.name):
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
        pairings = list(islice(self._pairings(self._games_so_far()), count))
        return pairings if queue.enqueue(pairings, at_most) else []

    def lease(self, worker: str, seconds: float = LEASE_SECONDS, ahead: int = 8) -> Lease | None:
        """The right to play a pairing; when none waits, `ahead` new ones are planned first.

        Whoever joined the league since this matchmaker last looked, and has not met anybody, does not wait behind what
        is queued already. What waits for a player that is matched no more is dropped, and so is a pairing on which
        `MAX_EXPIRIES` leases have expired.

        Returns:
            None where there is nothing to play: fewer than two players can be rated.
        """
        if ahead > 0:
            self._seat_newcomers()
        lease = self._lease(worker, seconds)
        if lease is None and ahead > 0:
            self.plan(ahead)
            lease = self._lease(worker, seconds)
        return lease

    def _lease(self, worker: str, seconds: float) -> Lease | None:
        queue = self.store.queue
        lease = queue.lease(worker, seconds)
        out = self._out() if lease is not None else ()
        while lease is not None and (reason := _hopeless(lease, out)):
            queue.abort(lease, reason, give_up_after=1)
            lease = queue.lease(worker, seconds)
        return lease

    def _seat_newcomers(self) -> None:
        """Put a pairing of each player that has just come at the head of the queue."""
        joined = self.store.players(since=self._known)
        self._known += len(joined)
        if not joined or not self.store.queue.waiting():
            return
        games = self._games_so_far()
        new = {player.id for player in joined if player.kind is not Kind.LEARNER and not games.last(player.id)}
        if new:
            pairings = [each for each in islice(self._pairings(games), len(new)) if each.a in new or each.b in new]
            self.store.queue.enqueue(pairings, first=True)

    def _pairings(self, games: Games) -> Iterator[Pairing]:
        out = self._out()
        players = [player for player in self.store.players() if player.id not in out]
        return self._scheduler(players, self.ratings(), games, self.pairs, self._rng)

    def _out(self) -> Collection[str]:
        """Ids of the players that are not matched."""
        inactive = {bot.player for bot in self.store.bots.all().values() if bot.state is not BotState.ACTIVE}
        return inactive.union(self._left_out())

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

    def abort(self, lease: Lease, reason: str, drop: bool = False, *, fault: bool = True) -> bool:
        """End a lease without a result. Rates nobody.

        Args:
            lease: of the pairing.
            reason: why, in one line.
            drop: give the pairing up for good.
            fault: whether it says something about the pairing. It goes to the end of the queue, behind all others, and
                at the `MAX_TRIES`-th fault it is given up. A worker that only stops gives it back without.

        Returns:
            False where the lease was not the caller's any more.
        """
        return self.store.queue.abort(lease, reason, give_up_after=1 if drop else MAX_TRIES if fault else 0)

    def ratings(self) -> dict[str, Rating]:
        """The live ratings by player; players without a rated match are missing."""
        return self.store.ratings.state().ratings

    def matches(self, since: int = 0) -> list[MatchResult]:
        """The log of rated matches from number `since` on."""
        return self.store.queue.matches(since)

    def standings(self, settings: StandingsSettings | None = None, roles: Sequence[str] = ()) -> Board:
        """The published board of everyone who can be rated, fitted from the whole log of matches.

        Args:
            settings: when a row is established.
            roles: of the arena's two teams, where they are not alike: everybody is rated by role as well.
        """
        # Imported here: the fit brings scipy, and learners and `league status` must start without it.
        from matchmaking.standings import standings

        rated = [player for player in self.players() if player.kind is not Kind.LEARNER]
        return standings(self.store.queue.log(), rated, self.ratings(), settings, roles)

    def _games_so_far(self) -> Games:
        """What was played, given up, and what is about to be played; of the log only what is new is read."""
        queue = self.store.queue
        for result in queue.log(since=self._read):
            self._games.add(result.a, result.b, len(result.outcomes))
            self._read += 1
        for dropped in queue.dropped():
            if dropped.id not in self._dropped:
                self._dropped.add(dropped.id)
                tried = 2 * dropped.pairs * MAX_TRIES  # it cost so much time: others come first now
                self._games.add(dropped.a, dropped.b, tried, rated=False)
        games = Games(self._games)
        for pairing in queue.pending():
            games.add(pairing.a, pairing.b, 2 * pairing.pairs, rated=False)
        return games


def _hopeless(lease: Lease, out: Collection[str]) -> str:
    """Why a pairing that was handed out is not to be played; empty where it is. In `out` are those matched no more."""
    for player in (lease.pairing.a, lease.pairing.b):
        if player in out:
            return f"{player} is matched no more"
    return f"{lease.expiries} leases on it expired" if lease.expiries >= MAX_EXPIRIES else ""


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
    return f"no player {name!r} in this run: {did_you_mean(name, names, '`league players` lists them')}"
