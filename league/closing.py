"""What a run leaves behind for people: its tables as files in `exports/`."""

from __future__ import annotations

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


def write_exports(run: RunFolder, store: Store) -> None:
    """Write the tables into the run's folder, over those of an earlier ending."""
    matchmaker = Matchmaker(store)
    for name, forms in FORMS.items():
        data = TABLES[name](matchmaker, run)
        for form in forms:
            replace_text(run.exports / f"{name}.{form}", render(data, form))
