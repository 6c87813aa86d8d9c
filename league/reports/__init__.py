"""The tables and figures of a run: what exports, plots and the command line show."""

from __future__ import annotations

from collections.abc import Callable

from league.export import Dataset
from league.reports.board import leaderboard
from league.reports.tables import crosstable_of_run, matches, payoff, ratings
from matchmaking.service import Matchmaker

TABLES: dict[str, Callable[[Matchmaker], Dataset]] = {
    "leaderboard": leaderboard,
    "crosstable": crosstable_of_run,
    "payoff": payoff,
    "ratings": ratings,
    "matches": matches,
}
"""The tables that can be exported, by the name of their file."""
