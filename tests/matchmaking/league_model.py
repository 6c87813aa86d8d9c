"""A league in memory, in a few lines: what Redis must hold and answer after any order of verbs.

Each method does to the model what a verb is to do to Redis, and returns what the verb is to answer. The clock is a
number; nothing is sent, stored or retried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from matchmaking.payoff import add
from matchmaking.ratings import update_ratings
from matchmaking.records import Counters, Kind, LearnerStatus, Lease, MatchResult, Pairing, Player, Rating
from matchmaking.run_records import Reported
from matchmaking.store import Row


@dataclass
class LeagueModel:
    """What is so, without saying how."""

    decay: float
    max_expiries: int
    now: float = 0.0
    players: list[Player] = field(default_factory=list)  # in the order of registration
    withdrawn: set[str] = field(default_factory=set)
    statuses: dict[str, LearnerStatus] = field(default_factory=dict)

    reports: list[list[Row]] = field(default_factory=list)  # the log of episodes
    reported: dict[str, int] = field(default_factory=dict)  # client -> number of its last report

    queue: list[str] = field(default_factory=list)
    pairings: dict[str, Pairing] = field(default_factory=dict)  # all that were ever queued
    deadlines: dict[str, float] = field(default_factory=dict)  # of leased pairings, the last one set at the end
    holders: dict[str, int] = field(default_factory=dict)  # pairing -> the token that may report
    ended: dict[int, str] = field(default_factory=dict)  # token -> how its lease ended
    log: list[tuple[str, str, int]] = field(default_factory=list)  # pairing, outcomes, token
    tries: dict[str, int] = field(default_factory=dict)
    expiries: dict[str, int] = field(default_factory=dict)  # pairing -> how often a lease on it has expired
    dropped: set[str] = field(default_factory=set)

    # Players.

    def named(self, name: str) -> Player | None:
        return next((player for player in self.players if player.name == name), None)

    def index(self, player: Player) -> int:
        return self.players.index(player)

    def of(self, *kinds: Kind) -> list[Player]:
        return [player for player in self.players if player.kind in kinds]

    # Training.

    def report(self, client: str, first: int, batches: Sequence[Sequence[Row]]) -> int:
        """How many of the batches were new."""
        last = self.reported.get(client, 0)
        new = [list(rows) for number, rows in enumerate(batches, start=first) if number > last]
        self.reports += new
        if new:
            self.reported[client] = first + len(batches) - 1
        return len(new)

    def payoff(self) -> dict[tuple[int, int], Counters]:
        """The log of episodes replayed; a pair as its lower index sees it."""
        pairs: dict[tuple[int, int], Counters] = {}
        for rows in self.reports:
            for mine, theirs, _, wins, draws, losses in rows:
                if mine != theirs and wins + draws + losses > 0:
                    counts = (wins, draws, losses) if mine < theirs else (losses, draws, wins)
                    pair = (min(mine, theirs), max(mine, theirs))
                    pairs[pair] = add(pairs.get(pair, Counters()), *counts, self.decay)
        return pairs

    # Rated matches.

    def known(self, pairing: str) -> bool:
        """Whether a pairing was ever queued: its id is used up then."""
        return pairing in self.pairings

    def enqueue(self, pairings: Sequence[Pairing]) -> int:
        new = [pairing for pairing in pairings if not self.known(pairing.id)]
        for pairing in new:
            self.pairings[pairing.id] = pairing
            self.queue.append(pairing.id)
        return len(new)

    def lease(self) -> Pairing | None:
        """The pairing that is handed out next; given up on the way: those of withdrawn players, and what wore out."""
        for name in sorted(self.deadlines, key=lambda name: self.deadlines[name])[::-1]:
            if self.deadlines[name] <= self.now:
                del self.deadlines[name]
                self.expiries[name] = self.expiries.get(name, 0) + 1
                self.queue.insert(0 if self.expiries[name] <= 2 else len(self.queue), name)
        while self.queue:
            pairing = self.pairings[self.queue.pop(0)]
            if pairing.id in self.holders:
                self._end(self.holders.pop(pairing.id), "expired")
            worn_out = self.expiries.get(pairing.id, 0) >= self.max_expiries
            if not worn_out and not self.withdrawn & {pairing.a, pairing.b}:
                return pairing
            self.dropped.add(pairing.id)
        return None

    def handed_out(self, lease: Lease, seconds: float) -> None:
        """A lease was given on what `lease` said."""
        self.holders[lease.pairing.id] = lease.token
        self._set_deadline(lease.pairing.id, seconds)

    def holds(self, lease: Lease) -> bool:
        return self.holders.get(lease.pairing.id) == lease.token

    def extend(self, lease: Lease, seconds: float) -> bool:
        if not self.holds(lease):
            return False
        if lease.pairing.id in self.queue:
            self.queue.remove(lease.pairing.id)
            self.expiries[lease.pairing.id] -= 1
        self._set_deadline(lease.pairing.id, seconds)
        return True

    def report_match(self, lease: Lease, outcomes: str) -> Reported:
        for pairing, _, token in self.log:
            if pairing == lease.pairing.id:
                return Reported.RECORDED if token == lease.token else Reported.DUPLICATE
        if not self.holds(lease):
            return Reported.REFUSED
        self._take_out(lease, "reported")
        self.log.append((lease.pairing.id, outcomes, lease.token))
        return Reported.RECORDED

    def abort(self, lease: Lease, give_up_after: int) -> bool:
        if not self.holds(lease):
            return False
        name = lease.pairing.id
        waiting = name in self.queue
        if give_up_after:
            self.tries[name] = self.tries.get(name, 0) + 1
        if 0 < give_up_after <= self.tries.get(name, 0):
            self._take_out(lease, "dropped")
            self.dropped.add(name)
        else:
            place = self.queue.index(name) if waiting else len(self.queue)
            self._take_out(lease, "aborted")
            self.queue.insert(place, name)
        return True

    def pending(self) -> set[str]:
        return {*self.queue, *self.deadlines}

    def ratings(self, results: Sequence[MatchResult]) -> dict[str, Rating]:
        """The ratings after some results, one after the other."""
        kinds = {player.id: player.kind for player in self.players}
        ratings: dict[str, Rating] = {}
        for result in results:
            before = {player: ratings.get(player, Rating()) for player in (result.a, result.b)}
            ratings |= update_ratings(before, result, kinds)
        return ratings

    def _set_deadline(self, name: str, seconds: float) -> None:
        self.deadlines.pop(name, None)
        self.deadlines[name] = self.now + seconds

    def _take_out(self, lease: Lease, how: str) -> None:
        name = lease.pairing.id
        self.deadlines.pop(name, None)
        if name in self.queue:
            self.queue.remove(name)
        self._end(self.holders.pop(name), how)

    def _end(self, token: int, how: str) -> None:
        assert token not in self.ended, f"lease {token} ended twice: {self.ended[token]}, then {how}"
        self.ended[token] = how
