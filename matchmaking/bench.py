"""How fast the matchmaker's store is: verbs a second one by one, results a second in batches.

A result is one row of an episode report (player, opponent, seat, wins, draws, losses): the strict reading. A row
usually stands for several games, so games a second are several times as many.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from matchmaking.fold import RatingFold
from matchmaking.records import EpisodeCount, Heartbeat, Kind, Player
from matchmaking.server import connect
from matchmaking.service import Matchmaker
from matchmaking.store import Store

_GAMES_A_ROW = 6


def bench_verbs(url: str, seconds: float = 1.0, num_players: int = 1000) -> dict[str, float]:
    """Measure every verb for `seconds` on the server at `url`, under a run of its own that is removed in the end.

    Args:
        url: a server.
        seconds: time for each figure.
        num_players: registered players.

    Returns:
        Figures by name, a second each: verbs (`register`, `heartbeat`, `lease_report`, ...), `rows_128`, `rows_1024`,
        `rows_4096` (rows of episode reports, in calls of that many), `games_1024` (the games that those rows stand
        for); in milliseconds `payoff_row_ms` against all players.
    """
    store = Store.create(url, f"bench-{time.time_ns()}", "bench")
    try:
        matchmaker = Matchmaker(store, pairs=8)
        players = [Player(id=f"p_{i:012x}", name=f"player-{i}", kind=Kind.FROZEN) for i in range(num_players)]
        started = time.perf_counter()
        for player in players:
            store.register(player)
        figures = {"register": num_players / (time.perf_counter() - started)}
        beat = Heartbeat(process="bench", pid=1, status="measuring", numbers={"samples_per_second": 1.0})
        figures["heartbeat"] = _rate(lambda: store.processes.beat(beat), seconds)
        for rows in (128, 1024, 4096):
            report = partial(store.report_episodes, _counts(players, rows))
            figures[f"rows_{rows}"] = rows * _rate(report, seconds)
        figures["games_1024"] = _GAMES_A_ROW * figures["rows_1024"]
        figures["payoff_row_ms"] = 1000.0 / _rate(lambda: store.payoff_row(players[0].id), seconds)
        figures |= _rated_matches(matchmaker, seconds)
    finally:
        with connect(url) as client:
            for key in list(client.scan_iter(store.session.key("*"))):
                client.delete(key)
        store.close()
    return figures


def _counts(players: list[Player], rows: int) -> list[EpisodeCount]:
    """Rows of one learner against everyone from both seats, as a learner would report them."""
    return [
        EpisodeCount(
            player=players[0].id,
            opponent=players[1 + row // 2 % (len(players) - 1)].id,
            seat=row % 2,
            wins=3,
            draws=1,
            losses=2,
        )
        for row in range(rows)
    ]


def _rated_matches(matchmaker: Matchmaker, seconds: float) -> dict[str, float]:
    outcomes = "wl" * matchmaker.pairs.usual
    figures = {"plan": 64 * _rate(lambda: matchmaker.plan(64, at_most=1_000_000), seconds)}

    def play() -> None:
        lease = matchmaker.lease("bench", ahead=64)
        assert lease is not None
        matchmaker.report_match(lease, outcomes)

    figures["lease_report"] = _rate(play, seconds)
    fold = RatingFold(matchmaker.store)
    results = matchmaker.store.queue.num_matches()
    started = time.perf_counter()
    while fold.step():
        pass
    figures["fold_results"] = results / (time.perf_counter() - started)
    return figures


def _rate(call: Callable[[], object], seconds: float) -> float:
    """Calls a second, after one to warm up."""
    call()
    calls, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        call()
        calls += 1
    return calls / elapsed
