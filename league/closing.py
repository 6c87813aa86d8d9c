"""What a run leaves behind for people: its tables as files in `exports/`."""

from __future__ import annotations

from league.export import FORMATS, Format, render
from league.files import replace_text
from league.reports import TABLES
from league.runs import RunFolder
from matchmaking.service import Matchmaker
from matchmaking.store import Store

FORMS: dict[str, tuple[Format, ...]] = {"leaderboard": FORMATS}
"""In what a table is written, where it is not csv alone."""


def write_exports(run: RunFolder, store: Store) -> None:
    """Write the tables into the run's folder, over those of an earlier ending."""
    matchmaker = Matchmaker(store)
    for name, table in TABLES.items():
        data = table(matchmaker)
        for form in FORMS.get(name, ("csv",)):
            replace_text(run.exports / f"{name}.{form}", render(data, form))
