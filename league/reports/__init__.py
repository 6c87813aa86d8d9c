"""The tables and figures of a run: what exports, plots and the command line show."""

from __future__ import annotations

from collections.abc import Callable

from league.export import Dataset
from league.reports.board import leaderboard
from league.reports.bot_table import bots
from league.reports.replay_table import replays
from league.reports.tables import crosstable_of_run, matches, payoff, ratings
from league.runs import RunFolder
from matchmaking.service import Matchmaker

TABLES: dict[str, Callable[[Matchmaker, RunFolder], Dataset]] = {
    "leaderboard": leaderboard,
    "crosstable": lambda matchmaker, _: crosstable_of_run(matchmaker),
    "ratings": lambda matchmaker, _: ratings(matchmaker),
    "payoff": lambda matchmaker, _: payoff(matchmaker),
    "matches": lambda matchmaker, _: matches(matchmaker),
    "replays": lambda matchmaker, run: replays(matchmaker, run.replays),
    "bots": lambda matchmaker, _: bots(matchmaker),
}
"""The tables that can be exported, by the name of their file."""
