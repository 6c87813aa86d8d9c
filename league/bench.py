"""The speed of this machine, by name: each benchmark gives figures whose unit is the end of their name."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import NamedTuple

from league.errors import InputError, suggestion

Figures = dict[str, float]


class Benchmark(NamedTuple):
    """Where a benchmark is (`module:function`, called without arguments), and its line for people."""

    where: str
    description: str


BENCHMARKS = {
    "learner": Benchmark("league.bench_learner:bench_learner", "training in a league on Connect Four, on one core"),
    "pfsp": Benchmark("matchmaking.bench_pfsp:bench_pfsp", "choosing opponents among 10,000 frozen players"),
    "redis": Benchmark("matchmaking.bench:bench_redis", "verbs a second and results a second through Redis"),
}


def run(name: str) -> Figures:
    """Measure.

    Raises:
        InputError: there is no benchmark of that name.
    """
    if name not in BENCHMARKS:
        raise InputError(f"no benchmark {name!r}; {suggestion(name, BENCHMARKS)}")
    module, function = BENCHMARKS[name].where.split(":")
    measure: Callable[[], Figures] = getattr(importlib.import_module(module), function)
    return measure()
