"""An interrupted learner ends bit-equal to one that was never interrupted: weights, payoff, opponents, all else.

Whatever is not bit-equal by nature (seconds, process ids) is not compared; players are compared by name.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agents.compute import pick_precision
from league import learner as module
from league import learner_state, trainers
from league.access import opened
from league.errors import StateMismatchError
from matchmaking.records import Counters
from matchmaking.server import connect
from matchmaking.store import Store
from tests.chaos.target import NAME, RealLeague
from tests.league.interruptions import Choices, Outcome, kill_at, outcome, wild_clock, write_down_choices
from tests.league.learners import NEVER, KilledError, League, after, rules, steps, stop_after, train
from tests.league.supervised import ROOT, until
from tests.league.test_team_league import TEAMS

Start = Callable[..., League]

BOARD: dict[str, object] = {
    "arena": "connect_four",
    "network": {"hidden": [8], "memory": 4},
    "rollout": {
        "lanes": 4, "environments": 16, "horizon": 5, "hold": 3,
        "noisy_environments": 0.25, "opened_environments": 0.25,
    },
    "ppo": {"minibatch": 20, "mirror": True, "final_learning_rate": 1e-5, "schedule_steps": 2000},
}  # fmt: skip
"""Episodes and memories that span iterations, openings, noise, symmetries, schedules."""
LEAGUES: dict[str, dict[str, object]] = {
    "alphastar": {
        "run": steps(13),
        "roles": rules(
            main_agent=after(4), main_exploiter=after(2) | {"reset_probability": 1.0},
            league_exploiter=after(2) | {"reset_probability": 0.5},
        ),
    },
    "recurrent": BOARD | {
        "run": {"steps": 900, "tensorboard": False},
        "roles": rules(main_agent={"min_steps": 0, "max_steps": 200, "win_rate": 1.0}),
    },
    "teams": TEAMS,
    "openai_five": {
        "run": steps(14),
        "arena": "tic_tac_toe",
        "matchmaking": {"rule": "openai_five"},
        "roles": rules(
            main_agent=after(3), main_exploiter={"min_steps": 0, "max_steps": NEVER, "win_rate": 0.45},
        ),
    },
}  # fmt: skip


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Makes runs of different settings."""
    made: list[League] = []

    def make(settings: dict[str, object]) -> League:
        made.append(League(tmp_path / str(len(made)), settings))
        return made[-1]

    yield make
    for league in made:
        league.close()


def _end(league: League) -> Outcome:
    return outcome(league.store, league.run.checkpoints)


@pytest.mark.parametrize("name", LEAGUES)
def test_killed_at_any_write_it_ends_as_if_it_had_not_been(
    start: Start, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    choices: Choices = {}
    whole, parts = start(LEAGUES[name]), start(LEAGUES[name])
    monkeypatch.setattr(module, "time", wild_clock(0))
    uninterrupted = whole.learner()
    write_down_choices(uninterrupted, choices)
    uninterrupted.run()
    expected = _end(whole)
    assert len(expected.frozen) > 4
    assert len({names for lanes in choices.values() for names in lanes}) > 3

    rng, deaths = random.Random(name), 0
    while deaths < 100:
        monkeypatch.setattr(module, "time", wild_clock(deaths + 1))
        learner = parts.learner()
        write_down_choices(learner, choices)
        kill_at(learner, rng.randint(1, 12), done=rng.random() < 0.5)
        try:
            learner.run()
        except KilledError:
            deaths += 1
        else:
            break
    assert deaths >= 5
    assert _end(parts) == expected


def _interrupted(moments: int, samples: int, seed: int, league: str = "board") -> str:
    """What the driver says of two runs of one seed."""
    numbers = {"--moments": moments, "--samples": samples, "--seed": seed, "--league": league}
    words = [str(word) for pair in numbers.items() for word in pair]
    done = subprocess.run(
        [sys.executable, "-m", "tests.league.exact_resume", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{moments} interruptions" in done.stdout
    assert done.stdout.rstrip().endswith("bit-equal")
    assert "SIGKILL" in done.stdout
    assert "SIGTERM" in done.stdout
    return done.stdout


def test_a_process_that_is_killed_and_stopped_ends_as_if_it_had_not_been() -> None:
    said = _interrupted(moments=4, samples=12_000, seed=2)
    assert re.search(r": [1-9]\d* begun again", said), "a kill cost something, which was trained again"


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(3))
def test_a_long_run_interrupted_at_20_moments(seed: int) -> None:
    _interrupted(moments=20, samples=200_000, seed=seed)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_league_of_teams_interrupted_at_20_moments() -> None:
    _interrupted(moments=20, samples=20_000, seed=1, league="teams")


@pytest.mark.slow
@pytest.mark.chaos
@pytest.mark.timeout(3600)
def test_a_whole_league_whose_supervisor_is_killed_resumes_to_the_same_end(tmp_path: Path) -> None:
    """With evaluators and a rater at work, which may do what they like: no learner looks at what they do."""
    start = ["start", "rock_paper_scissors", "--name", NAME, "--device", "cpu", "--seed", "3", "--steps", "300_000"]
    settings = ("learners.processes=1", "rollout.environments=32", "run.tensorboard=false")
    for setting in (*settings, "evaluation.closing_seconds=1"):
        start += ["--set", setting]
    ends = []
    for kills in (0, 3):
        league = RealLeague(tmp_path / str(kills))
        try:
            league.call(*start)
            for number in range(kills):
                with league.watched() as store:
                    until(lambda s=store, n=number: _steps(s) > n * 45_000, "training", 1500.0)  # type: ignore[misc]
                league.kill()
                league.call("resume", NAME)
            assert league.ended(1500.0) == 0, league.output()
            with opened(league.run) as matchmaker:
                ends.append(outcome(matchmaker.store, league.run.checkpoints))
        finally:
            league.close()
    assert ends[0] == ends[1]


def _steps(store: Store) -> int:
    return min((status.steps for status in store.processes.statuses().values()), default=0)


def test_a_copy_that_was_made_and_not_registered_is_registered_at_the_next_start(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    league = start({"roles": rules(main_agent=after(2))})
    first = league.learner()
    monkeypatch.setattr(first.store, "register", _killed)
    with pytest.raises(KilledError):
        train(first, 2)
    assert league.names() == []
    second = league.learner()
    assert [copy.name for copy in second.entering] == ["main_agent-1.v0"]
    stop_after(second, 1)
    second.run()
    assert league.names() == ["main_agent-1.v0"], "it is no second copy, and the start makes none"
    assert league.store.players()[-1].id == second.population.players[-1].id
    assert league.learner().entering == []


def _killed(*_: object) -> None:
    raise KilledError


def _go_back(league: League, reports: int) -> None:
    """Let Redis forget that it has seen the last reports of the learner process."""
    store = league.store
    with connect(league.server.url) as client:
        client.hset(store.session.key("clients"), "learner-0", store.reported("learner-0") - reports)


def test_reports_that_redis_lost_are_said_and_its_payoff_counts(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    league = start({})
    first = league.learner()
    train(first, 8 * 4)
    first.save()
    _go_back(league, 2)
    second = league.learner()
    assert "Redis lacks the last 2 reports" in caplog.text
    assert second.trainer.iteration == 32
    train(second, 8)
    second.save()
    assert league.store.episode_reports() == 5, "what comes then is not taken for what was lost"


def test_on_another_machine_the_payoff_and_the_numbers_of_reports_are_those_of_redis(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    league = start({})
    first = league.learner()
    train(first, 8)
    first.save()
    train(first, 8)
    first.stream.send()  # played, and lost with the process
    monkeypatch.setattr(learner_state, "_processor", lambda: "another")
    second = league.learner()
    assert "the last bits will differ" in caplog.text
    for hosted in second.players:
        row = league.store.payoff_row(hosted.id)
        assert sum(counters.games for counters in row.values()) > 0
        assert {id: second.population.counters(hosted.id, id) for id in row} == row
    train(second, 8)
    second.stream.send()
    assert league.store.episode_reports() == 3, "both what was lost and what is played now was played"


def test_a_payoff_survives_to_the_bit_and_so_does_what_is_in_no_batch_yet(start: Start) -> None:
    league = start({"arena": "tic_tac_toe"})
    first = league.learner()
    train(first, 8 + 3)
    first.save()
    second = league.learner()
    for hosted in first.players:
        met, counters = first.population.row(hosted.id)
        again, same = second.population.row(hosted.id)
        assert met == again
        assert (counters == same).all()
        assert counters.any()
        assert second.population.counters(hosted.id, hosted.id) == Counters()
    for one in (first, second):
        train(one, 5)
        one.stream.send()
    assert first.stream.state() == second.stream.state()
    assert all((first.population.row(one.id)[1] == second.population.row(one.id)[1]).all() for one in first.players)
    assert league.store.episode_reports() == 2, "the second batch is the same for both, and was counted once"


def test_a_number_of_copies_that_nobody_can_count_to_is_refused_at_once(start: Start) -> None:
    learner = start({"roles": rules(main_agent=after(2))}).learner()
    train(learner, 2)
    player = next(each for each in learner.players if each.name == "main_agent-1")
    with pytest.raises(ValueError, match=rf"knows {2**62} frozen copies of .*, and main_agent-1.v1 is not in Redis"):
        learner_state.check_copies(learner.population, player, 2**62)


def test_a_state_without_its_redis_and_a_redis_without_its_state_are_refused(start: Start) -> None:
    league = start({"roles": rules(main_agent=after(2))})
    first = league.learner()
    train(first, 2)
    pointer = first.states.pointer
    older = pointer.read_bytes()
    train(first, 2)
    newer = pointer.read_bytes()
    pointer.write_bytes(older)
    with pytest.raises(
        StateMismatchError, match=r"knows 1 frozen copies of main_agent-1, and main_agent-1.v1 is in Redis"
    ):
        league.learner()
    pointer.unlink()
    with pytest.raises(StateMismatchError, match=r"learner-0.json is missing: .* main_agent-1.v0 is in Redis"):
        league.learner()
    pointer.write_bytes(newer)
    first.save()  # once more, so that the copy has been registered for good
    with connect(league.server.url) as client:
        client.rpop(league.store.session.key("players"))
    with pytest.raises(StateMismatchError, match=r"main_agent-1.v1 is not in Redis"):
        league.learner()


def test_a_state_of_another_version_is_refused(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    league = start({})
    monkeypatch.setattr(learner_state, "SCHEMA", 1)
    league.learner().save()
    monkeypatch.undo()
    with pytest.raises(StateMismatchError, match=r"it has schema 1, this program writes schema 2"):
        league.learner()


def test_the_precision_that_was_picked_stays(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    league = start({"learners": {"precision": "auto"}})
    picked: list[str] = []

    def pick(name: str, *rest: object) -> object:
        picked.append(name)
        return pick_precision("bf16" if name == "auto" else name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(trainers, "pick_precision", pick)
    league.learner().save()
    league.learner()
    assert picked == ["auto", "bf16"]
