"""Stored replays: `replays/PAIRING.jsonl.gz` holds the matches of one pairing, a line each.

A file is written beside its place before the result is reported, and put in place afterwards: a result whose report was
taken has its replays, also where the process was killed between the two, and no other result's stand in their place.
"""

from __future__ import annotations

import gzip
import io
import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from arenas.replay import MatchRecord, ReplayError
from league.config import KeptMoves
from matchmaking.packing import unpacked
from matchmaking.records import Kind

SUFFIX = ".jsonl.gz"
LARGEST = 256 * 1024**2  # bytes of the matches of a pairing
LOOK_EVERY = 50  # replays that are stored between two looks at what all of them take
_DRAFT = re.compile(r"\.(?P<pairing>.+)\.[^.]+\.draft")


def are_kept(which: KeptMoves, kinds: Iterable[Kind]) -> bool:
    """Whether the moves of players of these kinds are kept by a run's setting or a tournament's."""
    return which == "all" or (which == "bots" and Kind.BOT in kinds)


def pairing_of_draft(name: str) -> str | None:
    """The id of the pairing whose matches a file of this name holds before they stand; None for any other file."""
    found = _DRAFT.fullmatch(name)
    return found["pairing"] if found else None


class ReplayStore:
    """The replays of one run, or of one tournament.

    Args:
        folder: where they lie.
        budget: bytes that they may take; beyond it the oldest go. None keeps all.
    """

    def __init__(self, folder: Path, budget: int | None = None) -> None:
        self._folder = folder
        self._budget = budget
        self._kept = 0

    def draft(self, pairing: str, worker: str, records: Sequence[MatchRecord]) -> None:
        """Write the matches of a pairing down, on the disk when this returns, but not yet for everybody."""
        self._folder.mkdir(parents=True, exist_ok=True)
        text = "".join(f"{record.model_dump_json()}\n" for record in records)
        with self._draft(pairing, worker).open("wb") as file:
            file.write(gzip.compress(text.encode(), mtime=0))
            file.flush()
            os.fsync(file.fileno())

    def keep(self, pairing: str, worker: str) -> None:
        """The pairing's result is in the log: its matches stand."""
        self._draft(pairing, worker).replace(self._place(pairing))
        self._kept += 1
        if self._kept % LOOK_EVERY == 1:
            self.prune()

    def prune(self) -> None:
        """Let the oldest go, as many as it takes to be within the budget."""
        if self._budget is None:
            return
        files = []
        for path in self._folder.glob(f"*{SUFFIX}"):
            with suppress(FileNotFoundError):  # another evaluator was faster
                facts = path.stat()
                files.append((facts.st_mtime_ns, path, facts.st_size))
        over = sum(size for _, _, size in files) - self._budget
        for _, path, size in sorted(files):
            if over <= 0:
                return
            path.unlink(missing_ok=True)
            over -= size

    def discard(self, pairing: str, worker: str) -> None:
        """The result was not taken: its matches are nobody's."""
        self._draft(pairing, worker).unlink(missing_ok=True)

    def load(self, pairing: str, worker: str = "") -> list[MatchRecord] | None:
        """The matches of a pairing; None where they are not stored.

        Args:
            pairing: its id.
            worker: who reported its result: what it wrote and could not put in place counts.

        Raises:
            ReplayError: the file is damaged.
        """
        for path in (self._place(pairing), self._draft(pairing, worker)):
            try:
                content = unpacked(path.read_bytes(), LARGEST)
                return [MatchRecord.model_validate_json(line) for line in io.BytesIO(content)]
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:  # of the compression, or of a record
                raise ReplayError(f"{path} is damaged: {' '.join(str(error).split())}") from error
        return None

    def drafts(self, worker: str) -> set[str]:
        """Ids of the pairings that a worker has written down and not put in place."""
        ending = f".{worker}.draft"
        return {path.name[1:].removesuffix(ending) for path in self._folder.glob(f".*{ending}")}

    def stored(self) -> set[str]:
        """Ids of the pairings whose matches are stored."""
        return {path.name.removesuffix(SUFFIX) for path in self._folder.glob(f"*{SUFFIX}") if path.name[0] != "."}

    def _place(self, pairing: str) -> Path:
        if not pairing or pairing[0] == "." or set(pairing) & {"/", "\0"}:
            raise ReplayError(f"{pairing!r} is no id of a pairing")
        return self._folder / f"{pairing}{SUFFIX}"

    def _draft(self, pairing: str, worker: str) -> Path:
        place = self._place(pairing)
        return place.with_name(f".{pairing}.{worker or 'nobody'}.draft")
