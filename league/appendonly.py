"""Going on with what is left of an embedded Redis's append-only file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from league.errors import StateMismatchError
from league.files import replace_bytes
from league.lock import run_lock
from league.runs import RunFolder
from league.watermark import Watermark
from matchmaking.appendonly import Condition, condition, files
from matchmaking.server import EmbeddedServer


def accept(run: RunFolder) -> Iterator[str]:
    """Go on with what is left of a run's Redis: cut off what cannot be read of its file, and forget what it once had.

    The whole file is kept beside it.

    Yields:
        What is done, in one line each.

    Raises:
        RunBusyError: the run is running.
        ServerStartError: a file cannot be looked through to its end.
        StateMismatchError: what is left makes no sense without what is lost.
    """
    with run_lock(run):
        if run.config().redis is None and not EmbeddedServer(run.redis).running():
            yield from _cut(files(run.redis))
        Watermark(run).forget()


def _cut(paths: list[Path]) -> Iterator[str]:
    """Cut off the first byte that cannot be read and all that was written after it, be it in other files."""
    cuts: list[tuple[Condition, int]] = []
    for path in paths:
        found = condition(path) if path.is_file() else Condition(path, 0, 0, "it is missing")
        if found is None:
            continue
        if found.snapshot:
            raise StateMismatchError(
                f"{path}: {found.snapshot}; what was written after this file makes no sense without it: "
                "`league restore` puts a backup in its place"
            )
        sound = 0 if cuts else found.sound
        if sound < found.size:
            cuts.append((found, sound))
    for (path, size, *_), sound in reversed(cuts):  # the first at the end: until then the next call finds it torn
        content = path.read_bytes()
        aside = path.with_name(f"{path.name}.damaged")
        replace_bytes(aside, content, 0o600)
        replace_bytes(path, content[:sound], 0o600)
        yield f"{path}: cut off {size - sound:,} of {size:,} bytes; the whole file is {aside}"
