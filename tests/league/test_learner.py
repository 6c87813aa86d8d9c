"""The learner of a process, with a real Redis: freezing, resetting, reporting, and going on after any death."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from league import learner as module
from league.config import LeagueConfig
from league.errors import StateMismatchError
from league.learner import Learner
from league.process import FINISH, Place, Process, run_process
from league.recent import Recent
from league.weights import OpponentWeights
from matchmaking.records import Counters, EpisodeCount, Player, Role
from matchmaking.run_records import Command
from tests.league.learners import (
    NEVER,
    PER_ITERATION,
    SETTINGS,
    KilledError,
    League,
    after,
    killed,
    player,
    ppo,
    rules,
    steps,
    stop_after,
    train,
)

Start = Callable[..., League]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Makes runs of different settings."""
    made: list[League] = []

    def make(**settings: object) -> League:
        made.append(League(tmp_path / str(len(made)), settings))
        return made[-1]

    yield make
    for league in made:
        league.close()


def test_main_agents_enter_the_pool_at_step_0_and_all_end_with_a_last_copy(start: Start) -> None:
    league = start(run=steps(3))
    learner = league.learner()
    initial = ppo(learner).initial[0].clone()
    learner.run()
    assert league.names() == ["main_agent-1.v0", "main_agent-1.v1", "main_exploiter-1.v0", "league_exploiter-1.v0"]
    first, last = league.frozen("main_agent-1.v0"), league.frozen("main_agent-1.v1")
    assert (first.steps, first.role, first.parent, first.version) == (0, Role.MAIN_AGENT, learner.players[0].id, "0")
    assert last.steps == 3 * PER_ITERATION
    assert torch.equal(league.weights_of(first), initial)
    assert torch.equal(league.weights_of(last), learner.weights(learner.players[0]))
    assert not torch.equal(league.weights_of(last), initial)


def test_the_limit_of_steps_ends_the_run_and_nothing_is_done_after_it(start: Start) -> None:
    league = start(run=steps(4))
    league.learner().run()
    before = league.names()
    assert {status.steps for status in league.store.processes.statuses().values()} == {4 * PER_ITERATION}
    again = league.learner()
    again.run()
    assert again.trainer.iteration == 4
    assert league.names() == before, "what has not changed is not frozen again"


def test_a_timeout_freezes_what_the_learner_is_at_that_moment(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """ray#35393: a snapshot shared memory with the live weights."""
    league = start(roles=rules(main_agent=after(3)))
    learner = league.learner()
    main = player(learner, "main_agent-1")
    register, seen = learner.store.register, list[Tensor]()

    def registered(record: Player) -> Player:
        assert record.checkpoint is not None
        assert learner.checkpoints.exists(record.checkpoint), "the checkpoint is written before anybody can ask for it"
        seen.append(learner.weights(main))
        return register(record)

    monkeypatch.setattr(learner.store, "register", registered)
    train(learner, 3)
    assert league.names() == ["main_agent-1.v0"]
    frozen = league.frozen("main_agent-1.v0")
    assert frozen.steps == 3 * PER_ITERATION
    assert torch.equal(league.weights_of(frozen), seen[0])
    weights = ppo(learner)._weights(frozen.id).clone()
    train(learner, 2)
    assert torch.equal(league.weights_of(frozen), seen[0])
    assert torch.equal(ppo(learner)._weights(frozen.id), weights)
    assert not torch.equal(learner.weights(main), seen[0]), "the learner trains on"
    train(learner, 1)
    assert league.names() == ["main_agent-1.v0", "main_agent-1.v1"]
    assert league.frozen("main_agent-1.v1").steps == 6 * PER_ITERATION


def test_a_main_exploiter_is_frozen_as_trained_and_then_reset(start: Start) -> None:
    """AlphaStar's published code has the two the wrong way round."""
    league = start(roles=rules(main_exploiter=after(3)))
    learner = league.learner()
    exploiter = player(learner, "main_exploiter-1")
    train(learner, 2)
    before = learner.weights(exploiter)
    train(learner, 1)
    frozen = league.weights_of(league.frozen("main_exploiter-1.v0"))
    assert not torch.equal(frozen, ppo(learner).initial[0])
    assert not torch.equal(frozen, before)
    assert torch.equal(learner.weights(exploiter), ppo(learner).initial[0])
    assert learner.careers[exploiter.id].steps == 3 * PER_ITERATION, "a reset does not take steps back"
    assert not ppo(learner).ppo.first_moment[learner.players.index(exploiter)].any(), "nor keep the optimiser"


def test_one_learners_freeze_and_reset_change_no_other(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """DI-engine's demo league changes every learner when one is frozen."""
    league = start(roles=rules(main_exploiter=after(3)))
    learner = league.learner()
    train(learner, 2)
    others = [index for index, one in enumerate(learner.players) if one.role is not Role.MAIN_EXPLOITER]
    learner._count(learner.trainer.iterate())
    before = {name: tensor[others].clone() for name, tensor in ppo(learner).ppo.state().items()}
    careers = {learner.players[i].id: learner.careers[learner.players[i].id].model_copy() for i in others}
    learner._apply_roles()
    assert league.names() == ["main_exploiter-1.v0"]
    for name, tensor in ppo(learner).ppo.state().items():
        assert torch.equal(tensor[others], before[name]), name
    assert {id: learner.careers[id] for id in careers} == careers


def test_win_rates_of_before_a_freeze_do_not_freeze_again(start: Start) -> None:
    """Without a least number of steps, a reset exploiter would be frozen as it began, iteration after iteration."""
    eager: dict[str, object] = {"min_steps": 0, "max_steps": NEVER, "min_games": 50}
    league = start(roles=rules(main_exploiter=eager))
    learner = league.learner()
    exploiter, main = player(learner, "main_exploiter-1"), player(learner, "main_agent-1")
    learner.stream.add([EpisodeCount(player=exploiter.id, opponent=main.id, seat=0, wins=200, draws=0, losses=0)])
    learner.stream.close()
    learner.careers[exploiter.id].episodes = 200
    learner._apply_roles()
    learner._apply_roles()
    assert league.names() == ["main_exploiter-1.v0"]
    learner.careers[exploiter.id].episodes += 100
    learner._apply_roles()
    assert league.names() == ["main_exploiter-1.v0", "main_exploiter-1.v1"], "the record is its own by now"


def test_a_stop_freezes_nothing_and_a_finish_freezes_what_has_trained(start: Start) -> None:
    league = start()
    stopped = league.learner()
    stop_after(stopped, 2)
    stopped.run()
    assert league.names() == ["main_agent-1.v0"]
    finished = league.learner()
    order = Command(target="learner-0", name=FINISH)

    def finish() -> None:
        league.store.processes.send(order)
        finished.process._next_beat = 0.0

    stop_after(finished, 2, finish)
    finished.run()
    assert league.names() == ["main_agent-1.v0", "main_agent-1.v1", "main_exploiter-1.v0", "league_exploiter-1.v0"]
    assert league.frozen("main_agent-1.v1").steps == 4 * PER_ITERATION


def test_an_exploiter_that_has_hardly_begun_again_gets_no_last_copy(start: Start) -> None:
    often: dict[str, object] = {"min_steps": 2 * PER_ITERATION, "max_steps": 2 * PER_ITERATION, "win_rate": 1.0}
    league = start(run=steps(5), roles=rules(main_exploiter=often | {"reset_probability": 1.0}, league_exploiter=often))
    league.learner().run()
    copies = [name for name in league.names() if not name.startswith("main_agent")]
    assert sorted(copies) == [f"{role}-1.v{n}" for role in ("league_exploiter", "main_exploiter") for n in (0, 1)]
    assert all(league.frozen(name).steps in (2 * PER_ITERATION, 4 * PER_ITERATION) for name in copies)


def test_a_learner_killed_before_its_first_save_comes_back(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    league = start(run=steps(2))
    first = league.learner()
    monkeypatch.setattr(first.trainer, "iterate", killed)
    with pytest.raises(KilledError):
        first.run()
    assert league.names() == ["main_agent-1.v0"]
    league.learner().run()
    assert league.names()[:2] == ["main_agent-1.v0", "main_agent-1.v1"]


def test_a_killed_learner_goes_on_from_its_last_save(start: Start) -> None:
    league = start(roles=rules(main_agent=after(3)))
    first = league.learner()
    train(first, 4)
    first.save()
    careers = {id: career.model_copy() for id, career in first.careers.items()}
    train(first, 1)  # lost
    second = league.learner()
    assert second.careers == careers
    train(second, 4)
    assert league.names() == ["main_agent-1.v0", "main_agent-1.v1"]
    assert [league.frozen(name).steps for name in league.names()] == [3 * PER_ITERATION, 6 * PER_ITERATION]


def test_the_payoff_here_is_the_payoff_in_redis_to_the_last_bit(start: Start) -> None:
    league = start(arena="tic_tac_toe", roles=rules(main_agent=after(1)))
    learner = league.learner()
    for reports in (1, 3, 2, 5):
        train(learner, reports)
        learner.stream.close()
        learner.stream.send()
    for hosted in learner.players:
        row = league.store.payoff_row(hosted.id)
        assert {id: learner.population.counters(hosted.id, id) for id in row} == row
        assert sum(counters.games for counters in row.values()) > 0
        met = {other.id for other in league.store.players() if _games(learner, hosted, other) > 0}
        assert met == set(row)
    assert hosted.id not in row, "self-play is not in the payoff"


def _games(learner: Learner, hosted: Player, other: Player) -> float:
    return learner.population.counters(hosted.id, other.id).games


def test_a_resumed_learner_holds_the_payoff_of_redis(start: Start) -> None:
    league = start()
    first = league.learner()
    train(first, 3)
    first.stream.close()
    first.save()
    rows = {one.id: league.store.payoff_row(one.id) for one in first.players}
    assert all(rows.values()), "nothing is saved that was not reported"
    second = league.learner()
    for id, row in rows.items():
        assert {other: second.population.counters(id, other) for other in row} == row


def test_learners_of_two_processes_play_each_others_live_weights(start: Start) -> None:
    league = start(learners={"processes": 2}, rollout={"lanes": 8, "environments": 16, "horizon": 8, "hold": 2})
    main, exploiters = league.learner(0), league.learner(1)
    assert [one.role for one in main.players] == [Role.MAIN_AGENT]
    assert [one.role for one in exploiters.players] == [Role.MAIN_EXPLOITER, Role.LEAGUE_EXPLOITER]
    agent = main.players[0]
    stop_after(main, 3)
    main.run()
    now = main.weights(agent)
    assert not torch.equal(now, ppo(main).initial[0])
    train(exploiters, 1)
    lane = ppo(exploiters).opponents.index(agent.id)
    assert torch.equal(ppo(exploiters).rollout.lanes.packed()[lane], now)
    exploiters.stream.close()
    exploiters.stream.send()
    exploiter = exploiters.players[0]
    main.process._stopping = False
    main._share(Recent([agent.id]))
    seen = main.population.counters(agent.id, exploiter.id)
    assert seen.games > 0, "what other processes report against it is in its row"
    assert seen == league.store.payoff_row(agent.id)[exploiter.id]
    other = exploiters.population.counters(exploiter.id, agent.id)
    assert seen == Counters(games=other.games, wins=other.losses, draws=other.draws, losses=other.wins)


def test_live_weights_that_are_missing_or_empty_are_the_initial_ones(start: Start) -> None:
    league = start()
    learner = league.learner()
    live, agent = learner.live, learner.players[0]
    weights = OpponentWeights(
        ppo(learner).setup.network, learner.checkpoints, live, learner.population.player, ppo(learner).initial[0]
    )
    assert torch.equal(weights(agent.id), ppo(learner).initial[0])
    live.folder.joinpath(f"{agent.id}.safetensors").write_bytes(b"")  # a power failure can do that
    assert torch.equal(weights(agent.id), ppo(learner).initial[0])
    live.folder.joinpath(f"{agent.id}.tmp").write_bytes(b"of a killed writer")
    live.publish(agent.id, ppo(learner).initial[0] + 1)
    assert torch.equal(weights(agent.id), ppo(learner).initial[0] + 1)
    assert [path.name for path in live.folder.iterdir()] == [f"{agent.id}.safetensors"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"network": {"hidden": [16]}}, "was the configuration changed"),
        ({"rollout": {"lanes": 2, "environments": 16, "horizon": 8}}, "was the configuration changed"),
        ({"learners": {"processes": 2}}, "this state is of the players"),
        ({"matchmaking": {"rule": "openai_five"}}, "expected a state with the key quality"),
    ],
)
def test_a_state_of_another_configuration_is_refused(start: Start, changed: dict[str, object], message: str) -> None:
    league = start()
    first = league.learner()
    train(first, 1)
    first.save()
    config = LeagueConfig.model_validate(SETTINGS | changed)
    with pytest.raises(StateMismatchError, match=message) as caught:
        league.learner(config=config)
    assert caught.value.exit_code == 4
    assert str(first.states.pointer) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert league.learner().trainer.iteration == 1, "nothing was damaged"


@pytest.mark.usefixtures("signals")
def test_a_damaged_state_is_one_line_and_exit_code_4(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    league = start()
    first = league.learner()
    train(first, 1)
    first.save()
    path = first.states.path(first.states.kept()[0])
    path.write_bytes(path.read_bytes()[:-1])
    assert run_process("learner", module.work, Place(league.run, 0).arguments()) == 4
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith(f"error: {path}: damaged or not the right file")


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of a league leaves the handlers of this one alone."""
    monkeypatch.setattr(Process, "catch_signals", lambda process: None)


@pytest.mark.usefixtures("signals")
def test_the_process_trains_to_its_limit(start: Start) -> None:
    league = start(run=steps(2))
    assert run_process("learner", module.work, Place(league.run, 0).arguments()) == 0
    assert len(league.names()) == 4
    (beat,) = league.store.processes.heartbeats()
    assert (beat.process, beat.status) == ("learner-0", "training")


def test_metrics_and_statuses_are_written(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "METRICS_EVERY", 0.0)
    league = start(run=steps(3))
    learner = league.learner()
    learner.run()
    points = [json.loads(line) for line in (league.run.metrics / "learner-0.jsonl").read_text().splitlines()]
    assert [(point["player"], point["step"]) for point in points[-3:]] == [
        (one.name, 3 * PER_ITERATION) for one in learner.players
    ]
    assert {"entropy", "explained_variance", "pool_win_rate", "samples_per_second"} <= points[-1].keys()
    status = league.store.processes.statuses()[learner.players[0].id]
    assert (status.steps, status.generation) == (3 * PER_ITERATION, 2)
    assert status.episodes == learner.careers[status.player].episodes > 0
    assert 0.0 <= status.pool_win_rate <= 1.0
