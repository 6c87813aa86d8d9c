"""What durability costs: the matchmaker's verbs, and a league's work, under each of Redis' `appendfsync` policies.

`always` is what a league's own server uses: nothing is acknowledged before it is on the disk. `everysec` may lose the
last second in a power failure, `no` whatever the kernel has not written yet. The policies take turns on one server, so
that a machine that slows down slows all of them.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import cycle
from pathlib import Path

import arenas
from league.bench_learner import Case, bench_run
from league.config import LeagueConfig
from league.evaluator import Evaluator
from league.learner import Learner
from league.process import Place, Process
from league.throttle import Throttle
from matchmaking.bench import bench_verbs
from matchmaking.server import EmbeddedServer, connect
from matchmaking.store import Store

POLICIES = ("always", "everysec", "no")
ROUNDS = 8
SLICE = 2.0  # seconds of each policy in a round
VERB = 0.3  # seconds of each verb
FROZEN = 8  # players that the learner meets and the evaluator plays

Paces = dict[str, list[float]]
"""Work a second by policy, a figure a round."""


def bench_redis(rounds: int = ROUNDS, seconds: float = SLICE, verb: float = VERB) -> dict[str, dict[str, float]]:
    """Measure.

    Args:
        rounds: in each of which every policy has its turn.
        seconds: of the league's work in a turn.
        verb: seconds for each verb.

    Returns:
        By policy: verbs a second (`matchmaking.bench`), learner samples and rated games a second as medians over the
        rounds, and the median of their ratios to `no` in the same round.
    """
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="league-bench-") as folder:
        server = EmbeddedServer(Path(folder))
        server.start()
        try:
            for policy in POLICIES:
                _set_policy(server.url, policy)
                figures[policy] = bench_verbs(server.url, verb)
        finally:
            server.stop()
    learner, evaluator = _league(rounds, seconds)
    for name, paces in (("learner_samples", learner), ("rated_games", evaluator)):
        for policy in POLICIES:
            ratios = [pace / plain for pace, plain in zip(paces[policy], paces["no"], strict=True)]
            figures[policy][f"{name}_per_second"] = statistics.median(paces[policy])
            figures[policy][f"{name}_over_no_ratio"] = statistics.median(ratios)
    return figures


def _set_policy(url: str, policy: str) -> None:
    with connect(url) as client:
        client.config_set("appendfsync", policy)


class Turns:
    """Gives each policy its turn, and notes what was done in it.

    Args:
        url: of the server.
        rounds: how many turns each policy has.
        seconds: of a turn.

    Attributes:
        paces: what was done.
    """

    def __init__(self, url: str, rounds: int, seconds: float) -> None:
        self.paces: Paces = {policy: [] for policy in POLICIES}
        self._url, self._rounds, self._seconds = url, rounds, seconds
        self._order: Iterator[str] = cycle(POLICIES)
        self._policy = ""
        self._since, self._done = 0.0, 0

    @property
    def over(self) -> bool:
        """Whether every policy has had its turns."""
        return len(self.paces[POLICIES[-1]]) == self._rounds

    def note(self, done: int) -> None:
        """So much has been done so far, in all."""
        now = time.perf_counter()
        if self._policy and now - self._since < self._seconds:
            return
        if self._policy:
            self.paces[self._policy].append((done - self._done) / (now - self._since))
        self._policy = next(self._order)
        _set_policy(self._url, self._policy)
        self._since, self._done = time.perf_counter(), done


class _Measured(Process):
    """A learner's process that counts its samples at every sign of life, and stops itself in the end."""

    def __init__(self, place: Place, config: LeagueConfig, store: Store, turns: Turns) -> None:
        super().__init__("learner", place, config, store)
        self._turns = turns
        self.samples: Callable[[], int] = int

    def beat(self, status: str = "", numbers: Mapping[str, float] | None = None) -> None:
        super().beat(status, numbers)
        self._turns.note(self.samples())
        if self._turns.over:
            self.stop()


def _league(rounds: int, seconds: float) -> tuple[Paces, Paces]:
    """Samples of a learner, then games of an evaluator among the same players, on Connect Four."""
    config = Case(compiled=False).config()
    with bench_run(config, FROZEN) as (run, server, store):
        training = Turns(server.url, rounds, seconds)
        process = _Measured(Place(run, 0), config, store, training)
        learner = Learner(process)
        process.samples = lambda: sum(career.steps for career in learner.careers.values())
        learner.run()
        playing = Turns(server.url, rounds, seconds)
        _play(Process("evaluator", Place(run, 0), config, store), playing)
    return training.paces, playing.paces


def _play(process: Process, turns: Turns) -> None:
    arena = arenas.make(process.config.arena)
    evaluator = Evaluator(process, arena, Throttle(1.0))
    try:
        games = 0
        while not turns.over:
            turns.note(games)
            evaluator.play_next()
            games += 2 * process.config.evaluation.pairs
    finally:
        evaluator.close()
        arena.close()
