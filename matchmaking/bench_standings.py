"""How long the published board takes: from the log in Redis, and from records that were read before.

A pairing holds many matches, so the log of a million matches has 31,250 results of 32; it is measured too as 500,000
results of 2, the worst there can be. The figures are medians of rounds in which the cases take turns.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from matchmaking.bradley_terry import ELO, fit, probabilities
from matchmaking.counts import aggregate
from matchmaking.records import Kind, MatchResult, Player
from matchmaking.server import EmbeddedServer, connect
from matchmaking.service import Matchmaker
from matchmaking.standings import StandingsSettings, board, standings
from matchmaking.store import Store

_SPREAD = 200.0  # of the players' strength, in points
_DRAW = -1.0
_CHUNK = 5000


def random_log(players: int, matches: int, a_result: int, seed: int = 0) -> list[MatchResult]:
    """A log of matches between random players, from the model that the board fits; `a_result` matches a result."""
    rng = np.random.default_rng(seed)
    strength = rng.normal(0.0, _SPREAD / ELO, players)
    size = matches // a_result
    a = rng.integers(players, size=size)
    b = (a + 1 + rng.integers(players - 1, size=size)) % players
    delta = np.broadcast_to((strength[a] - strength[b])[:, None], (size, a_result))
    win, draw, _ = probabilities(delta, _DRAW)
    point = rng.random(delta.shape)
    letters = np.where(point < win, "w", np.where(point < win + draw, "d", "l"))
    return [
        MatchResult(id=f"m_{n:016x}", a=f"p_{i:012x}", b=f"p_{j:012x}", seed=n, outcomes="".join(row), worker="bench")
        for n, (i, j, row) in enumerate(zip(a.tolist(), b.tolist(), letters.tolist(), strict=True))
    ]


def bench_standings(
    rounds: int = 3, sizes: tuple[tuple[int, int], ...] = ((128, 100_000), (512, 1_000_000))
) -> dict[str, float]:
    """Measure.

    Args:
        rounds: how often; each figure is the median.
        sizes: players and matches of each case.

    Returns:
        In seconds, for N players and 32 or 2 matches a result: `N_players_32_a_result_from_redis_s` and
        `..._from_records_s`; of the latter, for 32, `N_players_count_s` (the log into counts), `N_players_fit_s` and
        `N_players_board_of_counts_s` (the fit, Nash, alpha-rank and the rows). Each also as `..._cpu_s`, the time
        of this process alone: on a busy machine it is the figure to read (the server's part, reading, is not in it).
    """
    with tempfile.TemporaryDirectory(prefix="league-bench-") as folder:
        server = EmbeddedServer(Path(folder))
        server.start()
        try:
            return _measure(server.url, rounds, sizes)
        finally:
            server.stop()


def _measure(url: str, rounds: int, sizes: tuple[tuple[int, int], ...]) -> dict[str, float]:
    cases: dict[str, Callable[[], object]] = {}
    stores = []
    for players, matches in sizes:
        members = [Player(id=f"p_{n:012x}", name=f"player-{n}", kind=Kind.FROZEN) for n in range(players)]
        for a_result in (32, 2):
            log = random_log(players, matches, a_result)
            store = Store.create(url, f"bench-{players}-{a_result}", "bench")
            stores.append(store)
            for member in members:
                store.register(member)
            _write(store, log)
            name = f"{players}_players_{a_result}_a_result"
            cases[f"{name}_from_redis"] = Matchmaker(store).standings
            cases[f"{name}_from_records"] = partial(standings, log, members)
            if a_result == 32:
                counts = aggregate(log)
                cases[f"{players}_players_count"] = partial(aggregate, log)
                cases[f"{players}_players_fit"] = partial(fit, counts)
                cases[f"{players}_players_board_of_counts"] = partial(board, counts, members, {}, StandingsSettings())
    times: dict[str, list[float]] = {f"{name}_{unit}": [] for name in cases for unit in ("s", "cpu_s")}
    for _ in range(rounds):
        for name, call in cases.items():
            started, used = time.perf_counter(), time.process_time()
            call()
            times[f"{name}_s"].append(time.perf_counter() - started)
            times[f"{name}_cpu_s"].append(time.process_time() - used)
    for store in stores:
        store.close()
    return {name: float(np.median(seconds)) for name, seconds in times.items()}


def _write(store: Store, log: list[MatchResult]) -> None:
    """Put results into the log as they are: what is measured is reading."""
    with connect(store.session.url) as client:
        for start in range(0, len(log), _CHUNK):
            client.rpush(
                store.session.key("matches"), *(result.model_dump_json() for result in log[start : start + _CHUNK])
            )
