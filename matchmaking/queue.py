"""Pairings to be played: the queue, the leases on it, and the log of rated matches that comes out of it.

A pairing is in one of these states, and only the scripts move it:

    queued --lease--> leased --report--> in the log of matches (for good)
      ^                 |  \\--abort, given up--> dropped (for good)
      +--expiry, abort--+

Keys: `queue` list of ids; `pairings` id -> record while queued or leased; `leases` sorted set of ids by deadline;
`holders` id -> "token worker" of the newest lease; `requests` worker -> its last request, so that a repeated request
gets the same lease; `tries` id -> how often it broke off by a fault, `expiries` id -> how often its lease expired, both
while it is not played; `dropped` id -> why it was given up.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence

from matchmaking.intact import intact
from matchmaking.logs import Log
from matchmaking.records import Forfeit, Lease, MatchResult, Pairing
from matchmaking.run_records import Dropped, Reported
from matchmaking.session import Session


class MatchQueue:
    """Verbs on the queue of one run.

    Attributes:
        results: the log of rated matches, as it is stored.
    """

    def __init__(self, session: Session, results: Log) -> None:
        self._session = session
        self.results = results

    def enqueue(self, pairings: Iterable[Pairing], at_most: int | None = None, *, first: bool = False) -> int:
        """Queue pairings; an id that was queued, played or dropped before is left out.

        Args:
            pairings: what to play.
            at_most: add nothing where the queue holds more than this many: several planners do not pile up work.
            first: put them before all that wait, the last of them first.

        Returns:
            How many were added.
        """
        arguments = [text for pairing in pairings for text in (pairing.id, pairing.model_dump_json())]
        keys = ["queue", "pairings", "match_index", "dropped"]
        limit = -1 if at_most is None else at_most
        return int(self._session.call("enqueue", keys, limit, "LPUSH" if first else "RPUSH", *arguments))

    def lease(self, worker: str, seconds: float) -> Lease | None:
        """The right to play the next pairing for `seconds`; None where there is none to play."""
        keys = ["run", "queue", "pairings", "leases", "holders", "requests", "expiries"]
        answer = self._session.call("lease", keys, worker, secrets.token_hex(8), seconds)
        if answer is None:
            return None
        with intact(self._session.run, "pairings"):
            text, token, deadline, expiries = answer
            pairing = Pairing.model_validate_json(text)
            return Lease(pairing=pairing, token=token, worker=worker, deadline=float(deadline), expiries=expiries)

    def extend(self, lease: Lease, seconds: float) -> Lease | None:
        """Heartbeat of a lease: its deadline is `seconds` from now; None where the lease is lost."""
        deadline = self._session.call(
            "extend", ["queue", "leases", "holders", "expiries"], lease.pairing.id, lease.token, seconds
        )
        return None if deadline is None else lease.model_copy(update={"deadline": float(deadline)})

    def report(self, lease: Lease, outcomes: str, forfeits: Sequence[Forfeit] = ()) -> Reported:
        """Write the outcomes of a leased pairing into the log of rated matches, once.

        A lease that has expired still counts until the pairing is handed out again.
        """
        pairing = lease.pairing
        result = MatchResult(
            id=pairing.id,
            a=pairing.a,
            b=pairing.b,
            seed=pairing.seed,
            outcomes=outcomes,
            forfeits=tuple(forfeits),
            worker=lease.worker,
            finished=self._session.now(),
        )
        keys = ["queue", "pairings", "leases", "holders", "matches", "match_index", "tries", "expiries"]
        answer: bytes = self._session.call("report_match", keys, pairing.id, lease.token, result.model_dump_json())
        return Reported(answer.decode())

    def abort(self, lease: Lease, reason: str, give_up_after: int = 0) -> bool:
        """End a lease without a result: the pairing goes to the end of the queue, or out of it for good. Rates nobody.

        Args:
            lease: of the pairing.
            reason: why, in one line.
            give_up_after: it is given up where it has been aborted so many times, this one included; 0 never gives it
                up, and is not counted.

        Returns:
            False where the lease was not the caller's any more.
        """
        pairing = lease.pairing
        record = Dropped(
            id=pairing.id, a=pairing.a, b=pairing.b, pairs=pairing.pairs, worker=lease.worker, reason=reason
        )
        keys = ["queue", "pairings", "leases", "holders", "dropped", "tries", "expiries"]
        return bool(self._session.call("abort", keys, pairing.id, lease.token, record.model_dump_json(), give_up_after))

    def waiting(self) -> int:
        """How many pairings are queued, those on lease not counted."""
        return int(self._session.read("LLEN", "queue"))

    def pending(self) -> list[Pairing]:
        """The pairings that are queued or on lease, in no particular order."""
        texts = self._session.read("HVALS", "pairings")
        with intact(self._session.run, "pairings"):
            return [Pairing.model_validate_json(text) for text in texts]

    def dropped(self) -> list[Dropped]:
        """The pairings that were given up, in no particular order."""
        stored: Mapping[bytes, bytes] = self._session.read("HGETALL", "dropped")
        with intact(self._session.run, "dropped"):
            return [Dropped.model_validate_json(text) for text in stored.values()]

    def matches(self, since: int = 0, count: int | None = None) -> list[MatchResult]:
        """The log of rated matches from number `since` on, at most `count` of them."""
        texts = self.results.read(since, count)
        with intact(self._session.run, "matches"):
            return [MatchResult.model_validate_json(text) for text in texts]

    def log(self, chunk: int = 5000, since: int = 0) -> Iterator[MatchResult]:
        """The log of rated matches from number `since` on, piece by piece: a long one is never in memory at once."""
        while results := self.matches(since, chunk):
            yield from results
            since += len(results)

    def num_matches(self) -> int:
        """How many results the log of rated matches holds."""
        return self.results.length()
