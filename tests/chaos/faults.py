"""What is done to a league, drawn from a seed: a generator that knows nothing of how it is done."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from enum import StrEnum
from itertools import count
from typing import NamedTuple

from tests.chaos.processes import Kind

LEASE = 2.0  # seconds for which an evaluator may be silent
SILENCE = 60.0  # seconds after which the supervisor takes a process for hung: one that starts takes long under load
CLIENT_TIMEOUT = 1.0  # seconds for which a client waits for an answer of Redis


class Action(StrEnum):
    """What is done to a process."""

    KILL = "kill"  # SIGKILL
    FREEZE = "freeze"  # SIGSTOP, and SIGCONT some time later
    RESTART = "restart"  # SIGTERM: it ends in order, and is started again


class Fault(NamedTuple):
    """One thing that happens.

    Attributes:
        after: seconds since the one before it.
        kind: to what kind of process.
        which: chooses among those of the kind.
        action: what happens.
        seconds: for which it is frozen.
        aimed: seconds after the beginning of its next write at which it is killed; None kills it at once.
    """

    after: float
    kind: Kind
    which: int
    action: Action
    seconds: float = 0.0
    aimed: float | None = None


FREEZES: dict[Kind, tuple[float, float]] = {
    Kind.SUPERVISOR: (1.0, 3.0),
    Kind.REDIS: (1.5 * CLIENT_TIMEOUT, 3.5 * CLIENT_TIMEOUT),  # every client gives up and asks again
    Kind.LEARNER: (0.5, 3.0 * LEASE),
    Kind.EVALUATOR: (1.1 * LEASE, 3.0 * LEASE),  # its lease is somebody else's when it wakes
    Kind.RATER: (0.5, 3.0 * LEASE),
    Kind.NURSERY: (0.3, 2.0),
    Kind.BOT: (0.3, 1.5),
}
"""Seconds, from and to, by kind."""

_ONE_OF_EACH = [(kind, action) for kind in Kind for action in (Action.KILL, Action.FREEZE)]
AIMED = (Kind.LEARNER, Kind.RATER)
WRITE = 0.12  # seconds: a learner's state is four flushes to the disk
_KILLS = {"supervisor": 2, "redis": 5, "learner": 4, "evaluator": 5, "rater": 4, "nursery": 2, "bot": 2}
_FREEZES = {"supervisor": 1, "redis": 3, "learner": 2, "evaluator": 4, "rater": 3, "nursery": 1, "bot": 2}
_RESTARTS = {"supervisor": 1, "redis": 1, "learner": 1, "evaluator": 1}
_DECK = [
    (Kind(name), action)
    for action, cards in ((Action.KILL, _KILLS), (Action.FREEZE, _FREEZES), (Action.RESTART, _RESTARTS))
    for name, number in cards.items()
    for _ in range(number)
]


def faults(seed: int, pace: float, only: Collection[Kind] = tuple(Kind)) -> Iterator[Fault]:
    """Faults without end: first every kind of process is killed once and frozen once, then they come from a deck.

    Args:
        seed: of the order, of the victims and of all times.
        pace: mean seconds between two.
        only: to these kinds.
    """
    rng = random.Random(seed)
    for dealt in count():
        cards = [card for card in (_DECK if dealt else _ONE_OF_EACH) if card[0] in only]
        rng.shuffle(cards)
        for kind, action in cards:
            after, which = rng.uniform(0.2, 1.8) * pace, rng.getrandbits(16)
            seconds = rng.uniform(*FREEZES[kind]) if action is Action.FREEZE else 0.0
            aimed = rng.uniform(0.0, WRITE) if kind in AIMED and action is Action.KILL and which % 5 < 3 else None
            yield Fault(after, kind, which, action, seconds, aimed)
