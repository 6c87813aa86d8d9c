"""How long a run has trained, over all its resumptions, and how much is left.

Kept as facts of the run: time counts while learners work; a limit that was given on
resumption outlives another one.
"""

from __future__ import annotations

from typing import NamedTuple

from matchmaking.store import Store

TRAINED, LIMIT = "trained_seconds", "limit_seconds"
SAVE_EVERY = 5.0  # seconds: what a kill -9 of the supervisor forgets at the most


class TrainingTime(NamedTuple):
    """Seconds.

    Attributes:
        elapsed: trained so far.
        left: until the limit, never negative; None without a limit.
    """

    elapsed: float
    left: float | None


def training_time(store: Store, duration: float | None) -> TrainingTime:
    """What the run in Redis knows of its time.

    Args:
        store: the run.
        duration: the configured limit; one that was given later comes before it.
    """
    facts = store.facts
    elapsed = float(facts.get(TRAINED, 0.0))
    limit = float(facts[LIMIT]) if LIMIT in facts else duration
    return TrainingTime(elapsed, None if limit is None else max(limit - elapsed, 0.0))


class TrainingClock:
    """Counts the time while learners work.

    Args:
        store: where it is kept.
        duration: the configured limit in seconds, from the run's first start; None for none.
        more: a new limit, from now.
    """

    def __init__(self, store: Store, duration: float | None, more: float | None = None) -> None:
        self._store = store
        self._elapsed, left = training_time(store, duration)
        if more is not None:
            left = more
            store.set_fact(LIMIT, repr(self._elapsed + more))
        self._limit = None if left is None else self._elapsed + left
        self._saved = self._elapsed
        self._then: float | None = None

    @property
    def time(self) -> TrainingTime:
        """The time as it stands."""
        return TrainingTime(self._elapsed, None if self._limit is None else max(self._limit - self._elapsed, 0.0))

    @property
    def over(self) -> bool:
        """Whether the limit is reached."""
        return self.time.left == 0.0

    def tick(self, now: float, working: bool) -> None:
        """Let the time since the last tick count if learners are `working`; `now` is of a monotonic clock."""
        if working and self._then is not None:
            self._elapsed += now - self._then
        self._then = now if working else None
        if self._elapsed - self._saved >= SAVE_EVERY:
            self.save()

    def save(self) -> None:
        """Make the time durable."""
        self._store.set_fact(TRAINED, repr(self._elapsed))
        self._saved = self._elapsed
