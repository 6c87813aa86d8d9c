"""The speed of this machine, by name: each benchmark gives figures whose unit is the end of their name."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from league.errors import InputError, suggestion

Figures = dict[str, float | str]
Rows = dict[str, Figures]
"""The figures of several things, each with the same ones: a table."""


class Benchmark(NamedTuple):
    """Where a benchmark is (`module:function`), its line for people, and whether a yardstick can run beside it."""

    where: str
    description: str
    takes_yardstick: bool = False


BENCHMARKS = {
    "arena": Benchmark("league.bench_arena:bench_arena", "isolated bots: a move, a start, an end, matches a second"),
    "arenas": Benchmark(
        "league.bench_arenas:bench_arenas", "environment steps a second of the native arenas beside their models"
    ),
    "learner": Benchmark(
        "league.bench_learner:bench_learner", "training in a league on Connect Four, on one core", True
    ),
    "pettingzoo": Benchmark("arenas.bench_pettingzoo:bench", "an environment of PettingZoo as an arena"),
    "pfsp": Benchmark("matchmaking.bench_pfsp:bench_pfsp", "choosing opponents among 10,000 frozen players"),
    "redis": Benchmark("league.bench_redis:bench_redis", "verbs and work a second, and what durability costs"),
    "teams": Benchmark("league.bench_teams:bench_teams", "training a team against 32 frozen teams beside one"),
    "standings": Benchmark("matchmaking.bench_standings:bench_standings", "the published board of a million matches"),
}


def run(name: str, yardstick: Path | None = None) -> Figures | Rows:
    """Measure.

    Args:
        name: of the benchmark.
        yardstick: a script of somebody else's that does the same work, for those that can run one.

    Raises:
        InputError: there is no benchmark of that name.
    """
    if name not in BENCHMARKS:
        raise InputError(f"no benchmark {name!r}; {suggestion(name, BENCHMARKS)}")
    module, function = BENCHMARKS[name].where.split(":")
    measure: Callable[..., Figures | Rows] = getattr(importlib.import_module(module), function)
    return measure(yardstick) if BENCHMARKS[name].takes_yardstick else measure()
