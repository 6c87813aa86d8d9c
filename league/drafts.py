"""What becomes of the replays that an evaluator had written when it was killed."""

from __future__ import annotations

from league.replays import ReplayStore
from league.runs import RunFolder
from matchmaking.store import Store


def settle_replays(run: RunFolder, store: Store, worker: str) -> None:
    """Decide on the replays that an evaluator wrote and was killed over; only it may ask, while it plays nothing.

    They stand where the result that they belong to is in the log, and go where that is another's or the pairing was
    given up. Where the pairing is still to be played they stay: a report may be on its way.
    """
    replays = ReplayStore(run.replays)
    drafts = replays.drafts(worker)
    if not drafts:
        return
    reported = {result.id: result.worker for result in store.queue.log() if result.id in drafts}
    given_up = {dropped.id for dropped in store.queue.dropped()}
    for pairing in sorted(drafts):
        if reported.get(pairing) == worker:
            replays.keep(pairing, worker)
        elif pairing in reported or pairing in given_up:
            replays.discard(pairing, worker)
