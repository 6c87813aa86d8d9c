"""How far a run's Redis had come, written down outside of Redis, so that what it loses is noticed.

Redis recovers from a torn append-only file by dropping its end, and a server that somebody emptied, or that was brought
back from an older copy, answers like any other. The supervisor writes every few seconds how long the logs are, which
only grow; a run whose logs are shorter than that is not gone on with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from league.errors import StateMismatchError
from league.files import replace_text
from league.runs import RunFolder
from matchmaking.store import Store

FILE = "watermark.json"
SCHEMA = 1
WORDS = {
    "players": "players",
    "episodes": "reports of episodes",
    "matches": "results of rated matches",
    "rated": "results in the ratings",
}


def measured(store: Store) -> dict[str, int]:
    """How long the logs of a run are."""
    return {
        "players": len(store.players()),
        "episodes": store.episode_reports(),
        "matches": store.queue.num_matches(),
        "rated": store.ratings.position(),
    }


class Watermark:
    """What is written down for one run.

    Args:
        run: its folder.
    """

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._written: Mapping[str, int] = {}

    @property
    def path(self) -> Path:
        return self._run.path / FILE

    def read(self) -> dict[str, int] | None:
        """What was written down last; None where nothing was.

        Raises:
            StateMismatchError: the file is something else.
        """
        try:
            table = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError:
            table = None
        if isinstance(table, dict) and table.get("schema") == SCHEMA:
            numbers = {name: number for name in WORDS if isinstance(number := table.get(name), int)}
            if len(numbers) == len(WORDS):
                return numbers
        raise StateMismatchError(f"{self.path} is damaged: delete it if Redis has lost nothing that you know of")

    def write(self, store: Store) -> None:
        """Write down how far Redis has come, on the disk when this returns; nothing where it has come no further."""
        now = measured(store)
        if now != self._written:
            replace_text(self.path, json.dumps({"schema": SCHEMA, **now}) + "\n")
            self._written = now

    def sweep(self) -> None:
        """Remove what a killed writer has left; only for whoever holds the run."""
        for draft in self._run.path.glob(f".{FILE}.*"):
            draft.unlink(missing_ok=True)

    def lost(self, store: Store | None) -> list[str]:
        """What Redis had and has no longer, a line each; None stands for a Redis that does not know the run."""
        before = self.read()
        if before is None:
            return []
        now = dict.fromkeys(WORDS, 0) if store is None else measured(store)
        return [
            f"{before[name] - now[name]} of {before[name]} {words}"
            for name, words in WORDS.items()
            if now[name] < before[name]
        ]

    def check(self, store: Store | None) -> None:
        """Refuse a run of which Redis has lost something.

        Raises:
            StateMismatchError: it has, and what would bring it back.
        """
        if lost := self.lost(store):
            name = self._run.name
            raise StateMismatchError(
                f"Redis has lost what it had of run {name!r}: {', '.join(lost)}; `league restore` makes a run of a "
                f"backup, `league rebuild {name} --accept-loss` goes on with what is left"
            )

    def forget(self) -> None:
        """Take what Redis has for all that there is."""
        self.path.unlink(missing_ok=True)
