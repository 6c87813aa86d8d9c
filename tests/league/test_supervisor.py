"""The supervisor with fake learners and evaluators, the real rater and a real Redis."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from league.clock import training_time
from matchmaking.bot_records import BotRecord, BotState
from matchmaking.records import Kind, Player
from matchmaking.run_records import Command
from matchmaking.server import EmbeddedServer
from matchmaking.store import Store
from tests.league.supervised import SupervisedRun, alive, until

Start = Callable[..., SupervisedRun]


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Start]:
    """Makes supervised runs; they are started by the test."""
    made: list[SupervisedRun] = []

    def make(**settings: object) -> SupervisedRun:
        made.append(SupervisedRun(tmp_path / str(len(made)), **settings))
        return made[-1]

    yield make
    for run in made:
        run.close()


def stored(run: SupervisedRun) -> tuple[EmbeddedServer, Store]:
    """The store of a run that has ended."""
    server = EmbeddedServer(run.run.redis)
    server.start()
    return server, Store.open(server.url, run.run.name)


def test_a_run_ends_at_its_time_limit_in_order(supervised: Start) -> None:
    run = supervised(run={"duration": 1.0})
    run.start()
    pids = [run.started("learner-0"), run.started("evaluator-0"), run.heard("rater-0")]
    code, output = run.wait()
    assert code == 0, output
    assert "its limit is reached" in output
    assert run.events("learner-0")[1:] == ["finish"], (
        "a learner is asked to finish, not to stop: it freezes a last copy"
    )
    assert run.events("evaluator-0")[1:] == ["finish"]
    assert not any(alive(pid) for pid in pids)
    assert not EmbeddedServer(run.run.redis).running()
    exports = {path.name for path in run.run.exports.iterdir()}
    assert exports >= {f"leaderboard.{form}" for form in ("csv", "json", "md", "html")} | {
        "payoff.csv",
        "ratings.csv",
        "matches.csv",
    }
    server, store = stored(run)
    assert 1.0 <= training_time(store, 1.0).elapsed < 3.0
    assert training_time(store, 1.0).left == 0.0
    assert [(player.name, player.kind) for player in store.players()] == [
        ("main_agent-1", Kind.LEARNER),
        ("main_exploiter-1", Kind.LEARNER),
        ("league_exploiter-1", Kind.LEARNER),
        ("random", Kind.SCRIPTED),
    ]
    store.close()
    server.stop()


def test_a_run_ends_when_all_learners_have_their_steps(supervised: Start) -> None:
    run = supervised(run={"steps": 500}, learners={"processes": 2})
    run.start()
    code, output = run.wait()
    assert code == 0, output
    assert len(run.events("learner-0")) == len(run.events("learner-1")) == 2, "nobody was started twice"
    assert "starting it again" not in output


@pytest.mark.parametrize("name", ["learner-0", "evaluator-0", "rater-0"])
def test_what_is_killed_is_started_again(supervised: Start, name: str) -> None:
    run = supervised()
    run.start()
    first = run.heard(name)
    os.kill(first, signal.SIGKILL)
    second = run.heard(name, other_than=first)
    assert second != first
    run.send(signal.SIGINT)
    code, output = run.wait()
    assert code == 130
    assert f"{name} was killed by SIGKILL; starting it again" in output


def test_redis_is_started_again_and_nothing_else(supervised: Start) -> None:
    run = supervised()
    run.start()
    learner = run.heard("learner-0")
    redis = run.redis_pid()
    assert redis is not None
    os.kill(redis, signal.SIGKILL)
    until(lambda: not alive(redis) and run.redis_pid(), "another Redis")
    assert run.heard("learner-0") == learner, "processes wait for Redis, they do not die of it"
    run.send(signal.SIGINT)
    code, output = run.wait()
    assert code == 130
    assert "Redis does not answer; starting it again" in output
    assert "Redis answers again" in output
    assert len(run.events("learner-0")) == 2


def test_a_learner_that_keeps_dying_ends_the_run_with_its_log(supervised: Start) -> None:
    run = supervised(learners={"processes": 2})
    run.behave("learner-0", "die")
    run.start()
    code, output = run.wait()
    assert code == 1
    assert "error: learner-0 ended with exit code 1, 3 times in a row" in output
    assert "RuntimeError: the fake learner has a fault" in output
    assert run.events("learner-1")[-1] == "stop", "the others save what they have"
    assert not EmbeddedServer(run.run.redis).running()


def test_a_hanging_learner_is_killed_and_started_again(supervised: Start) -> None:
    run = supervised()
    run.behave("learner-0", "hang")
    run.start(silence=6.0)
    first = run.heard("learner-0")
    second = run.heard("learner-0", other_than=first)
    assert not alive(first)
    assert second != first
    run.send(signal.SIGTERM)
    code, output = run.wait()
    assert code == 130
    assert "learner-0 gave no sign of life for 6 s and was killed; starting it again" in output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_interrupt_ends_the_run_in_order(supervised: Start, number: signal.Signals) -> None:
    run = supervised()
    run.start()
    pids = [run.heard("learner-0"), run.heard("evaluator-0"), run.heard("rater-0")]
    run.send(number)
    code, output = run.wait()
    assert code == 130, output
    assert run.events("learner-0")[-1] == "stop"
    assert run.events("evaluator-0")[-1] == "stop"
    assert not any(alive(pid) for pid in pids)
    assert not EmbeddedServer(run.run.redis).running()
    assert (run.run.exports / "leaderboard.json").exists()


def test_two_interrupts_end_the_run_at_once(supervised: Start) -> None:
    run = supervised()
    run.behave("learner-0", "stubborn")
    run.start()
    pid = run.heard("learner-0")
    run.heard("evaluator-0")
    run.send(signal.SIGINT)
    until(lambda: run.events("evaluator-0")[-1] == "stop", "the first interrupt at work")
    assert alive(pid)
    run.send(signal.SIGINT)
    before = time.monotonic()
    code, output = run.wait()
    assert time.monotonic() - before < 5
    assert code == 130
    assert "stopped at once" in output
    assert not alive(pid)
    assert not EmbeddedServer(run.run.redis).running()


def test_a_stop_command_ends_the_run_without_a_fault(supervised: Start) -> None:
    run = supervised()
    run.start()
    run.heard("learner-0")
    store = run.store()
    store.processes.send(Command(target="all", name="stop"))
    store.close()
    code, output = run.wait()
    assert code == 0, output
    assert run.events("learner-0")[-1] == "stop"


def test_nothing_outlives_a_killed_supervisor_and_the_next_one_goes_on(supervised: Start) -> None:
    run = supervised(run={"duration": 600.0})
    run.behave("learner-0", "hang")  # it looks at nothing any more: only the kernel can end it
    run.start()
    pids = [run.heard("learner-0"), run.heard("evaluator-0"), run.heard("rater-0"), run.redis_pid() or 0]
    run.send(signal.SIGKILL)
    until(lambda: not any(alive(pid) for pid in pids), "the end of everything that it started")
    run.start()
    assert run.heard("learner-0", other_than=pids[0]) != pids[0]
    store = run.store()
    assert len(store.players()) == 4, "nobody is registered twice"
    store.close()
    run.send(signal.SIGINT)
    code, output = run.wait()
    assert code == 130, output


def test_a_run_has_one_supervisor(supervised: Start) -> None:
    run = supervised()
    run.start()
    learner = run.heard("learner-0")
    first = run.process
    assert first is not None
    run.start()
    code, output = run.wait()
    assert code == 2
    assert f"run 'test' is running already (process {first.pid})" in output
    assert alive(learner)
    run.process = first
    run.send(signal.SIGINT)
    assert run.wait()[0] == 130


def test_what_is_left_of_the_time_goes_on_after_a_stop(supervised: Start) -> None:
    run = supervised(run={"duration": 600.0})
    run.start()
    run.heard("learner-0")
    time.sleep(0.5)
    run.send(signal.SIGINT)
    run.wait()
    server, store = stored(run)
    first = training_time(store, 600.0)
    store.close()
    server.stop()
    assert 0.3 < first.elapsed < 20
    run.start()
    run.heard("learner-0")
    time.sleep(0.5)
    run.send(signal.SIGINT)
    run.wait()
    server, store = stored(run)
    second = training_time(store, 600.0)
    store.close()
    server.stop()
    assert first.elapsed + 0.3 < second.elapsed < 40
    assert second.left == 600.0 - second.elapsed


def test_a_run_without_time_left_only_does_what_was_left_to_do(supervised: Start) -> None:
    run = supervised(run={"duration": 0.5})
    for time_around in (1, 2):
        run.start()
        code, output = run.wait()
        assert code == 0, output
        assert run.events("evaluator-0")[1::2] == ["finish"] * time_around
    assert len(run.events("learner-0")) == 2, "nobody trains beyond the limit"


def test_the_supervisor_imports_no_torch() -> None:
    code = "import sys, league.supervisor; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_arena_without_learners_runs_its_time_and_tells_who_is_left_out(supervised: Start) -> None:
    nobody = {"main_agent": 0, "main_exploiter": 0, "league_exploiter": 0}
    run = supervised(players=nobody, run={"duration": 4.0})
    run.start()
    run.started("evaluator-0")
    store = run.store()
    bot = Player(id="p_bot", name="clumsy", kind=Kind.BOT, version="0" * 64)
    record = BotRecord(player=bot.id, lineage="clumsy", author="a", language="python", entry="bot:act", size=1)
    assert store.bots.enter(bot, record, supersedes=None, entered=0)
    store.bots.set_state(bot.id, BotState.SUSPENDED, "it failed 5 matches in a row")
    store.close()
    code, output = run.wait()
    assert code == 0, output
    assert "clumsy joins the pool\n" in output
    assert "clumsy gets no more matches: suspended: it failed 5 matches in a row" in output
    assert "its limit is reached" in output
    assert run.events("learner-0") == []
    assert run.events("evaluator-0")[1:] == ["finish"]
    server, store = stored(run)
    assert training_time(store, None).elapsed >= 4.0, "time counts while evaluators work"
    store.close()
    server.stop()
