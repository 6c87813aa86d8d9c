"""What a run leaves behind: its tables as files in `exports/`, and nothing half-written."""

from __future__ import annotations

import time
from contextlib import suppress

from league.export import FORMATS, Format, render
from league.files import replace_text
from league.reports import TABLES
from league.runs import RunFolder
from matchmaking.service import Matchmaker
from matchmaking.store import Store

FORMS: dict[str, tuple[Format, ...]] = {
    "leaderboard": FORMATS,
    "crosstable": ("csv", "html"),
    "payoff": ("csv",),
    "ratings": ("csv",),
    "matches": ("csv",),
    "bots": ("csv",),
}
"""What is written, and in what."""


DEAD = 5.0  # seconds after which nobody writes a file of tensors any more, once the learners have ended


def remove_drafts(run: RunFolder) -> None:
    """Remove what killed learners were writing; no learner of the run is at work."""
    for folder in (run.checkpoints, run.checkpoints / "live"):
        for path in folder.glob("*.tmp"):
            with suppress(FileNotFoundError):  # somebody who submits a checkpoint has just put it in place
                if time.time() - path.stat().st_mtime > DEAD:
                    path.unlink()


def write_exports(run: RunFolder, store: Store) -> None:
    """Write the tables into the run's folder, over those of an earlier ending."""
    matchmaker = Matchmaker(store)
    for name, forms in FORMS.items():
        data = TABLES[name](matchmaker, run)
        for form in forms:
            replace_text(run.exports / f"{name}.{form}", render(data, form))
