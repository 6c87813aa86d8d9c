"""A league of teams: three algorithms as live learners in one process, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

import arenas
from agents.teams.policy import load_team
from arenas.core import Arena
from league.errors import ConfigError, InputError
from league.evaluator import Evaluator
from league.process import Place, Process
from league.settings import Layer, validate
from league.team_trainer import TeamTrainer
from league.throttle import Throttle
from league.trainers import check_teams
from matchmaking.records import Kind
from matchmaking.service import Matchmaker
from matchmaking.store import Store
from tests.league.learners import League, rules

LIMIT = 400  # samples of each team
QMIX = {"buffer": 32, "batch": 4, "updates_per_episode": 0.5, "network": {"hidden": [8], "memory": 4}}
PPO = {"epochs": 1, "environments": 8, "actor_network": {"hidden": [8]}, "critic_network": {"hidden": [8]}}
TEAMS: dict[str, object] = {
    "arena": "soccer",
    "arena_options": {"players": 2, "rows": 3, "columns": 5, "max_steps": 6, "turned": True},
    "teams": {
        "ippo": {"algorithm": "ippo", "role": "league_exploiter", "temperature": 1.0, "settings": PPO},
        "mappo": {"algorithm": "mappo", "role": "main_exploiter", "temperature": 1.0, "settings": PPO},
        "qmix": {"algorithm": "qmix", "environments": 8, "settings": QMIX},
    },
    "rollout": {"lanes": 4},
    "run": {"steps": LIMIT, "tensorboard": False},
    "evaluation": {"anchors": ["heuristic"], "pairs": 2},
    "roles": rules(
        main_agent={"min_steps": 0, "max_steps": 150},
        main_exploiter={"min_steps": 0, "max_steps": 150, "reset_probability": 1.0},
        league_exploiter={"min_steps": 0, "max_steps": 200},
    ),
}

Start = Callable[..., League]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Makes leagues of teams."""
    made: list[League] = []

    def make(**changed: object) -> League:
        made.append(League(tmp_path / str(len(made)), TEAMS | changed))
        return made[-1]

    yield make
    for league in made:
        league.close()


def algorithm_of(league: League, name: str) -> str:
    """What trained a frozen player, by its checkpoint."""
    sha = league.frozen(name).checkpoint
    assert sha is not None
    arena = arenas.make(league.config.arena, **league.config.arena_options)
    return load_team(league.run.checkpoints / f"{sha}.safetensors", arena).algorithm


def test_three_algorithms_freeze_meet_each_other_and_are_rated(start: Start) -> None:
    league = start()
    league.learner().run()
    frozen = [player for player in league.store.players() if player.kind is Kind.FROZEN]
    assert league.names()[0] == "qmix.v0", "the main agent enters the pool at step 0"
    by_learner = {
        name: [player for player in frozen if player.name.startswith(name)] for name in ("qmix", "mappo", "ippo")
    }
    assert all(len(players) >= 2 for players in by_learner.values())
    for name, players in by_learner.items():
        assert {algorithm_of(league, player.name) for player in players} == {name}

    # Each has a payoff against teams of the others: the exploiter against the live main agent, all against the pool.
    learners = {player.name: player.id for player in league.store.players() if player.kind is Kind.LEARNER}
    names = {player.id: player.name for player in league.store.players()}
    for name, id in learners.items():
        met = {names[other].partition(".")[0] for other, row in league.store.payoff_row(id).items() if row.games > 0}
        assert met - {name}, f"{name} has met {met}"
    assert league.store.payoff_row(learners["mappo"])[learners["qmix"]].games > 0

    rated = rated_pairs(league)
    kinds = {frozenset(names[player].partition(".")[0] for player in pair) for pair in rated}
    assert any(len(pair) == 2 and "heuristic" not in pair for pair in kinds), "teams of two algorithms were rated"
    assert any("heuristic" in pair for pair in kinds), "and against the scripted team"


def rated_pairs(league: League) -> list[tuple[str, str]]:
    """Who was rated against whom when an evaluator has played for a while."""
    store = Store.open(league.server.url, league.run.name)
    arena: Arena = arenas.make(league.config.arena, **league.config.arena_options)
    evaluator = Evaluator(Process("evaluator", Place(league.run, 0), league.config, store), arena, Throttle(1.0))
    try:
        for _ in range(12):
            assert evaluator.play_next()
        return [(result.a, result.b) for result in Matchmaker(store).matches()]
    finally:
        evaluator.close()
        store.close()


def test_an_exploiter_begins_afresh_when_it_was_frozen(start: Start) -> None:
    learner = start().learner()
    training = learner.trainer
    assert isinstance(training, TeamTrainer)
    exploiter = next(player for player in learner.players if player.name == "mappo")
    first = training.weights(exploiter.id)
    while learner.careers[exploiter.id].generation == 0:
        before = learner.careers[exploiter.id].steps
        learner.advance()
    assert training.hosted[exploiter.id].resets == 1
    assert training.hosted[exploiter.id].learner.environment_steps == 0
    assert learner.careers[exploiter.id].steps > before, "the run's samples are not taken back"
    assert not torch.equal(training.weights(exploiter.id), first)


def test_teams_of_two_processes_meet_as_they_are_now(start: Start) -> None:
    league = start(learners={"processes": 2})
    main, others = league.learner(0), league.learner(1)
    assert [player.name for player in main.players] == ["qmix"]
    agent = main.players[0]
    assert isinstance(others.trainer, TeamTrainer)
    assert others.trainer._team(agent.id) is None, "nobody has seen it yet"
    main.trainer.publish(agent.id, main.live)
    found = others.trainer._team(agent.id)
    assert found is not None
    assert torch.equal(found[0].weights.flatten(), main.weights(agent))
    for _ in range(4):
        main.advance()
    main.trainer.publish(agent.id, main.live)
    found = others.trainer._team(agent.id)
    assert found is not None
    assert torch.equal(found[0].weights.flatten(), main.weights(agent))
    iterations = [others.trainer.iterate() for _ in range(4)]
    assert any(row.opponent == agent.id for iteration in iterations for row in iteration.counts)


def test_what_of_the_teams_does_not_fit_the_arena_is_said_at_the_start(tmp_path: Path) -> None:
    for arena, message in (
        ("spread", r"teams\.qmix \(qmix\): spread has one team, and a league trains teams where two"),
        ("connect_four", r"its agents move one after the other"),
    ):
        config = validate([Layer("file", {"arena": arena, "teams": {"qmix": {"algorithm": "qmix"}}})])
        with pytest.raises(InputError, match=message):
            check_teams(config, arenas.make(arena))
    own = {"algorithm": "qmix", "settings": {"reward": "agent"}}
    config = validate([Layer("file", {"arena": "soccer", "teams": {"q": own}})])
    with pytest.raises(InputError, match=r"teams\.q \(qmix\): qmix: value decomposition .* set reward = 'team'"):
        check_teams(config, arenas.make("soccer"))
    odd = {"algorithm": "qmix", "settings": {"environments": 15}}
    config = validate([Layer("file", {"arena": "soccer", "teams": {"q": odd}})])
    with pytest.raises(InputError, match=r"teams\.q \(qmix\): 15 environments cannot be shared out evenly"):
        check_teams(config, arenas.make("soccer"))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"algorithm": "qmx"}, r"file: teams\.q\.algorithm: no algorithm 'qmx'; did you mean 'qmix'\?"),
        ({"algorithm": "qmix", "preset": "epymar"}, r"teams\.q\.preset: qmix has no preset 'epymar'; did you mean"),
        ({"algorithm": "qmix", "settings": {"bufer": 3}}, r"unknown key 'teams\.q\.settings\.bufer'; did you mean"),
        (
            {"algorithm": "qmix", "settings": {"network": {"hiden": [3]}}},
            r"unknown key 'teams\.q\.settings\.network\.hiden'; did you mean 'hidden'\?",
        ),
        ({"algorithm": "qmix", "settings": {"buffer": -1}}, r"teams\.q\.settings\.buffer = -1 .* greater than 0"),
        ({"algorithm": "qmix", "rol": "x"}, r"file: unknown key 'teams\.q\.rol'; did you mean 'role'\?"),
        ({"algorithm": "qmix", "role": "team"}, r"teams\.q\.role = 'team' is not valid; valid: league_exploiter, main"),
        ({"algorithm": "qmix", "environments": 3}, r"teams\.q\.environments = 3 .* a multiple of 2"),
        ({"algorithm": "mappo", "settings": {"critic": "agent", "agent_ids": False}}, r"set agent_ids = true"),
        (
            {"algorithm": "mappo", "environments": 2, "settings": {"minibatches": 4}},
            r"file: teams\.q: minibatches: 2 episodes cannot be cut into 4 parts",
        ),
        ({}, r"the key 'teams\.q\.algorithm' is missing"),
    ],
)
def test_a_mistake_in_a_team_is_told_in_one_line(table: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        validate([Layer("file", {"arena": "soccer", "teams": {"q": table}})])
    assert "\n" not in str(raised.value)


def test_the_players_of_a_league_of_teams_are_its_teams() -> None:
    teams = {"a": {"algorithm": "qmix", "count": 2}, "b": {"algorithm": "mappo", "role": "main_exploiter"}}
    layer = Layer("file", {"arena": "soccer", "teams": teams})
    config = validate([layer])
    assert list(config.learners_by_name()) == ["a-1", "a-2", "b"]
    assert config.players.model_dump() == {"main_agent": 2, "main_exploiter": 1, "league_exploiter": 0}
    assert validate([Layer("saved", config.model_dump(mode="json"))]) == config
    nobody = dict.fromkeys(config.players.model_dump(), 0)
    assert not validate([layer, Layer("--players none", {"players": nobody})]).trains
    with pytest.raises(ConfigError, match=r"the learners of this league stand in \[teams\]"):
        validate([layer, Layer("--players", {"players": {"main_agent": 5}})])
    with pytest.raises(ConfigError, match=r"file: teams\.random: a scripted player has this name"):
        validate([Layer("file", {"arena": "soccer", "teams": {"random": {"algorithm": "qmix"}}})])
