"""The benchmark of the board runs and returns its figures; what was promised is measured by it when asked for."""

from __future__ import annotations

from collections import Counter

from matchmaking.bench_standings import bench_standings, random_log


def test_figures_come_back() -> None:
    figures = bench_standings(rounds=1, sizes=((8, 640),))
    cases = [f"{size}_a_result_from_{where}" for size in (32, 2) for where in ("redis", "records")]
    cases += ["count", "fit", "board_of_counts"]
    assert figures.keys() == {f"8_players_{case}_{unit}" for case in cases for unit in ("s", "cpu_s")}
    assert all(value > 0 for value in figures.values())


def test_the_log_is_of_the_size_that_was_asked_for() -> None:
    log = random_log(20, 2000, 32)
    assert {len(result.outcomes) for result in log} == {32}
    assert sum(len(result.outcomes) for result in log) == 1984  # whole results
    assert len({result.id for result in log}) == len(log)
    letters = Counter("".join(result.outcomes for result in log))
    assert letters["w"] > 500 and letters["l"] > 500 and letters["d"] > 100
    assert random_log(20, 2000, 32) == log
