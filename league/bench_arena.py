"""What a bot's own process costs: the way there and back for a move, a start, an end; Connect Four matches a second.

All of it on one core, in one process pinned to it, as an evaluator is: waking another core costs more than the way
there and back. Cases take turns and the median counts.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

import arenas
from agents.bots.actor import BotActor
from agents.bots.core import BotFailedError, Clocks
from agents.bots.nursery import Nursery
from agents.bots.process import BotProcess
from agents.bots.source import BotSource, load_source
from arenas.match import play_pairs
from league.bench import Figures
from league.cores import idlest_cores

KAGGLE = 47.7
"""connectx games a second of kaggle-environments with its built-in agents, measured once on the machine on which this
project was built (2 cores, Debian 12, Python 3.11): a figure to compare with on that machine, a direction elsewhere."""
ROUNDS, MOVES, STARTS, ENDS = 9, 1000, 15, 5
LANES, PAIRS, PLAYED = 32, 64, 7
CLOCKS = Clocks(start=30.0, move=5.0, bank=0.0)
ALLOWED = 0.2  # seconds a move for the bot that never answers
RANDOM = """
from random import Random

class Bot:
    def __init__(self, spec):
        pass

    def reset(self, seed, agent):
        self.dice = Random(seed)

    def act(self, observation, action_mask, clock):
        legal = action_mask.nonzero()[0]
        return legal[int(self.dice.random() * len(legal))]
"""
LOOP = RANDOM.replace("legal =", "while True: pass\n        legal =")


def bench_arena() -> Figures:
    """Measure, in a process that is pinned to the idlest core.

    Returns:
        `isolation_us`: what a move costs more in a process of its own, and the two that it is the difference of;
        `start_ms`; `deadline_to_death_ms`, the longest; `matches_per_s` between two isolated bots; Kaggle's figure.
    """
    done = subprocess.run([sys.executable, "-m", "league.bench_arena"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the benchmark's process ended with {done.returncode}: {done.stderr.strip()}")
    figures: Figures = json.loads(done.stdout)
    return figures


def measure() -> Figures:
    """All figures."""
    arena = arenas.make("connect_four")
    with tempfile.TemporaryDirectory() as folder, Nursery() as nursery:
        random, loop = (_bot(Path(folder), name, code) for name, code in (("random", RANDOM), ("loop", LOOP)))
        apart, inside = _moves(nursery, random, arena.spec.observation_shape, arena.spec.num_actions)
        rates = list(_matches(nursery, random))
        return {
            "layers": "; ".join(" ".join(line.split()[:2]) for line in nursery.layers()),
            "isolation_us": apart - inside,
            "move_isolated_us": apart,
            "move_in_process_us": inside,
            "start_ms": 1000 * statistics.median(_starts(nursery, random)),
            "deadline_to_death_ms": 1000 * max(_ends(nursery, loop)),
            "matches_at_once": float(LANES),
            "matches_per_s": statistics.median(rates),
            "best_round_matches_per_s": max(rates),
            "kaggle_connectx_matches_per_s": f"{KAGGLE} (kaggle-environments, built-in agents; measured once, 2 cores)",
            "times_kaggle": statistics.median(rates) / KAGGLE,
        }


def _bot(folder: Path, name: str, code: str) -> BotSource:
    file = folder / f"{name}.py"
    file.write_text(code, encoding="utf-8")
    return load_source(file)


@contextmanager
def _running(nursery: Nursery, source: BotSource, clocks: Clocks = CLOCKS) -> Iterator[BotProcess]:
    process = nursery.start(source, arenas.make("connect_four").spec, clocks)
    try:
        process.reset(None, 1, "player_0")
        yield process
    finally:
        process.kill()


def _moves(nursery: Nursery, source: BotSource, shape: tuple[int, ...], actions: int) -> tuple[float, float]:
    """Median microseconds of a move in a process of its own, and in this one."""
    observation, mask = np.zeros(shape, np.float32), np.ones(actions, np.bool_)
    names: dict[str, object] = {}
    exec(RANDOM, names)  # our own code, above
    bot = names["Bot"](None)  # type: ignore[operator]
    bot.reset(1, "player_0")
    apart, inside = [], []
    with _running(nursery, source) as process:
        for _ in range(ROUNDS):
            for _ in range(MOVES):
                begun = time.perf_counter()
                process.act(observation, mask, 0)
                apart.append(time.perf_counter() - begun)
            for _ in range(MOVES):
                begun = time.perf_counter()
                bot.act(observation, mask, None)
                inside.append(time.perf_counter() - begun)
    return 1e6 * statistics.median(apart), 1e6 * statistics.median(inside)


def _starts(nursery: Nursery, source: BotSource) -> Iterator[float]:
    """Seconds until a bot is ready to play, the nursery being up."""
    spec = arenas.make("connect_four").spec
    for _ in range(STARTS):
        begun = time.perf_counter()
        process = nursery.start(source, spec, CLOCKS)
        yield time.perf_counter() - begun
        process.kill()


def _ends(nursery: Nursery, source: BotSource) -> Iterator[float]:
    """Seconds from its deadline until a bot that loops for ever is gone."""
    observation, mask = np.zeros((2, 6, 7), np.float32), np.ones(7, np.bool_)
    for _ in range(ENDS):
        with _running(nursery, source, Clocks(start=30.0, move=ALLOWED, bank=0.0)) as process:
            begun = time.perf_counter()
            try:
                process.act(observation, mask, 0)
            except BotFailedError:
                if Path(f"/proc/{process.pid}").exists():
                    raise
                yield time.perf_counter() - begun - ALLOWED


def _matches(nursery: Nursery, source: BotSource) -> Iterator[float]:
    """Connect Four matches a second between two bots of random legal moves, by round."""
    arena = arenas.make("connect_four")
    first, second = (BotActor(nursery, source, arena.spec, CLOCKS, name=name) for name in ("first", "second"))
    for number in range(PLAYED + 1):
        begun = time.perf_counter()
        played = play_pairs(arena, first, second, PAIRS, number, batch=LANES)
        seconds = time.perf_counter() - begun
        if played.forfeits:
            raise RuntimeError(f"a bot failed: {first.failures + second.failures}")
        if number:  # the first one starts the processes
            yield 2 * PAIRS / seconds
    first.close()
    second.close()


if __name__ == "__main__":
    os.sched_setaffinity(0, idlest_cores()[:1])
    torch.set_num_threads(1)
    print(json.dumps(measure()))
