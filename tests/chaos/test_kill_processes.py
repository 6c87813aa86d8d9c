"""Kills and interrupts of a real league: it goes on, and nothing is lost or counted twice."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from league.access import opened
from matchmaking.rating_store import RatingState
from matchmaking.rebuild import rebuild
from matchmaking.records import Counters, Kind, LearnerStatus, MatchResult, Player
from matchmaking.server import EmbeddedServer
from matchmaking.store import Row, Store
from tests.chaos import processes
from tests.chaos.target import COMEBACK, NAME, RealLeague
from tests.league.supervised import alive, until

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.timeout(400),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]
START = (
    "start",
    "rock_paper_scissors",
    "--name",
    NAME,
    "--device",
    "cpu",
    "--set",
    "run.tensorboard=false",
    "--set",
    "learners.processes=1",
    "--set",
    "evaluation.share=1.0",
    "--set",
    "evaluation.closing_seconds=2",
    "--set",
    "roles.main_agent.max_steps=20_000",
    "--set",
    "roles.main_agent.min_steps=10_000",
)


class Recorded(NamedTuple):
    """What a run has in Redis."""

    players: list[Player]
    matches: list[MatchResult]
    episodes: list[list[Row]]
    payoff: dict[tuple[int, int], Counters]
    ratings: RatingState
    statuses: dict[str, LearnerStatus]


@pytest.fixture
def league(tmp_path: Path) -> Iterator[RealLeague]:
    made = RealLeague(tmp_path)
    yield made
    made.close()


def under_way(store: Store, matches: int = 3) -> bool:
    """Whether everybody trains and matches are rated: scripted players are, before a learner has started."""
    statuses = store.processes.statuses()
    trained = len(statuses) == 3 and all(status.steps > 0 and status.episodes > 0 for status in statuses.values())
    return trained and store.queue.num_matches() >= matches and store.ratings.position() >= matches


def pid_of(store: Store, name: str, other_than: int = 0) -> int | None:
    """Process id of a process that gives signs of life."""
    for beat in store.processes.heartbeats():
        if beat.process == name and beat.pid != other_than and alive(beat.pid):
            return beat.pid
    return None


def recorded_by(league: RealLeague) -> Recorded:
    """What is in Redis once the league has ended; the logs must give what is derived from them."""
    with opened(league.run) as matchmaker:
        store = matchmaker.store
        assert rebuild(store).exact, "payoff and ratings are what a replay of the logs gives"
        return Recorded(
            store.players(),
            store.queue.matches(),
            store.episode_rows(0, store.episode_reports()),
            store.payoff_pairs(),
            store.ratings.state(),
            store.processes.statuses(),
        )


def left_over(league: RealLeague) -> list[str]:
    """Command lines of processes that belong to the run and still live."""
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())
    lines = (processes.words(pid) for pid in pids if pid != os.getpid() and alive(pid))
    redis = ["redis"] if EmbeddedServer(league.run.redis).running() else []
    return [*(line for line in lines if str(league.root) in line), *redis]


def check_logs(recorded: Recorded) -> None:
    """What must be true of any run, whatever happened to it."""
    ids = [result.id for result in recorded.matches]
    assert len(set(ids)) == len(ids), "each match is in the log once"
    assert recorded.ratings.position == len(ids), "each match is rated once"
    games = sum(len(result.outcomes) for result in recorded.matches)
    assert sum(rating.games for rating in recorded.ratings.ratings.values()) == 2 * games
    names = [player.name for player in recorded.players]
    assert len(set(names)) == len(names)
    for learner in (player for player in recorded.players if player.kind is Kind.LEARNER):
        own = [player for player in recorded.players if player.parent == learner.id]
        assert [player.version for player in own] == [str(number) for number in range(len(own))], "no number is skipped"
        assert [player.steps for player in own] == sorted(player.steps for player in own), "steps never fall"
        assert recorded.statuses[learner.id].generation == len(own)


def test_whatever_is_killed_comes_back_and_the_run_goes_on_to_its_end(league: RealLeague) -> None:
    league.call(*START, "--for", "12s")
    victims = ("learner-0", "evaluator-0", "rater-0")
    with league.watched() as store:
        until(lambda: under_way(store), "training and rated matches", COMEBACK)
        before = {}
        for name in victims:
            before[name] = until(lambda name=name: pid_of(store, name), f"{name} at work", COMEBACK)  # type: ignore[misc]
            os.kill(before[name], signal.SIGKILL)
        for name, pid in before.items():
            until(lambda name=name, pid=pid: pid_of(store, name, pid), f"another {name}", COMEBACK)  # type: ignore[misc]
    assert league.ended() == 0, league.output()
    for name in victims:
        assert league.output().count(f"{name} was killed by SIGKILL; starting it again") == 1, league.output()
    assert left_over(league) == []
    recorded = recorded_by(league)
    check_logs(recorded)
    assert {player.kind for player in recorded.players} == {Kind.LEARNER, Kind.FROZEN, Kind.SCRIPTED}
    assert all(status.steps > 0 for status in recorded.statuses.values())


def test_an_interrupted_run_resumes_with_everything_it_had(league: RealLeague) -> None:
    league.call(*START)
    with league.watched() as store:
        until(lambda: under_way(store), "training and rated matches", COMEBACK)
    league.interrupt()
    assert league.ended() == 130, league.output()
    assert left_over(league) == []
    stopped = recorded_by(league)
    check_logs(stopped)

    league.call("resume", NAME, "--for", "1s")
    with league.watched() as store:
        until(lambda: pid_of(store, "learner-0"), "a learner at work", COMEBACK)
        now = store.processes.statuses()
        assert all(now[player].steps >= status.steps for player, status in stopped.statuses.items())
    assert league.ended() == 0, league.output()
    assert left_over(league) == []
    ended = recorded_by(league)
    check_logs(ended)
    assert ended.players[: len(stopped.players)] == stopped.players
    assert ended.matches[: len(stopped.matches)] == stopped.matches
    assert ended.episodes[: len(stopped.episodes)] == stopped.episodes
    assert len(ended.episodes) > len(stopped.episodes)
    for player, status in stopped.statuses.items():
        assert ended.statuses[player].steps > status.steps
        assert ended.statuses[player].episodes > status.episodes
