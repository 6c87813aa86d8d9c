"""What a run leaves behind for people: its tables as files in `exports/`."""

from __future__ import annotations

from collections.abc import Callable

from league import reports
from league.export import FORMATS, Dataset, Format, render, write
from league.runs import RunFolder
from matchmaking.service import Matchmaker
from matchmaking.store import Store

TABLES: dict[str, tuple[Callable[[Matchmaker], Dataset], tuple[Format, ...]]] = {
    "leaderboard": (reports.leaderboard, FORMATS),
    "payoff": (reports.payoff, ("csv",)),
    "ratings": (reports.ratings, ("csv",)),
    "matches": (reports.matches, ("csv",)),
}


def write_exports(run: RunFolder, store: Store) -> None:
    """Write the tables into the run's folder, over those of an earlier ending."""
    matchmaker = Matchmaker(store)
    for name, (table, formats) in TABLES.items():
        data = table(matchmaker)
        for form in formats:
            write(render(data, form), run.exports / f"{name}.{form}")
