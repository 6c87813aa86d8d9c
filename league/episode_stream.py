"""Finished episodes on their way into the payoff: folded by what was trained, sent by the clock.

The payoff decays by the batch, and opponents are chosen by the payoff. So the iterations whose episodes make one batch
are counted, and only the sending waits for the clock: each batch is a report of its own there, with a number that is
kept with the learner's saved state. Whatever is trained again after a kill is then reported again under the numbers
that it had, and Redis, which has seen them, counts it once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import JsonValue

from league.training import added_up
from matchmaking.population import Population
from matchmaking.records import EpisodeCount
from matchmaking.run_records import Ticket
from matchmaking.store import Store

BATCH_SAMPLES = 65_536  # learner samples of a process that make a batch: about a second's on one core
MOST_ITERATIONS = 8  # in a batch, so that a slow arena's payoff is not old


def iterations_a_batch(samples: int) -> int:
    """How many iterations of so many learner samples make a batch."""
    return min(MOST_ITERATIONS, -(-BATCH_SAMPLES // samples))


class EpisodeStream:
    """The episodes that one learner process finishes.

    Args:
        store: the run.
        population: holds the payoff rows of the process's learners, which take the same batches as Redis.
        client: name of the stream, one for each learner process of a run.
        every: iterations in a batch.
    """

    def __init__(self, store: Store, population: Population, client: str, every: int) -> None:
        self._store, self._population = store, population
        self._client, self._every = client, every
        self._open: list[EpisodeCount] = []
        self._iterations = 0
        self._unsent: list[list[EpisodeCount]] = []
        self._sent = 0

    def add(self, counts: Sequence[EpisodeCount]) -> None:
        """Take the episodes of one iteration, which may be the last one of a batch."""
        self._open += counts
        self._iterations += 1
        if self._iterations >= self._every:
            self.close()

    def close(self) -> None:
        """End the batch here: the payoff learns of it."""
        rows, self._open, self._iterations = added_up(self._open), [], 0
        for row in rows:
            self._population.record(row.player, row.opponent, row.wins, row.draws, row.losses)
        if rows:
            self._unsent.append(rows)

    def send(self) -> None:
        """Report the batches that have ended, in one write: each costs the server a flush to the disk."""
        self._store.report_stream(self._unsent, Ticket(self._client, self._sent + 1))
        self._sent += len(self._unsent)
        self._unsent = []

    def state(self) -> dict[str, JsonValue]:
        """What is needed to go on, once everything was sent."""
        assert not self._unsent, "a state that is ahead of Redis would leave a gap in the log"
        rows: list[JsonValue] = [row.model_dump() for row in added_up(self._open)]
        return {"sent": self._sent, "iterations": self._iterations, "open": rows}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        self._sent, self._iterations = state["sent"], state["iterations"]
        self._open = [EpisodeCount.model_validate(row) for row in state["open"]]
        self._unsent = []

    @property
    def lost(self) -> int:
        """Batches that were sent and that Redis does not have: it was set back to an older state."""
        return max(0, self._sent - self._store.reported(self._client))

    def follow(self) -> None:
        """Number what comes from behind the last batch that Redis has: what is trained now is not what was lost."""
        self._sent = max(self._sent, self._store.reported(self._client))
