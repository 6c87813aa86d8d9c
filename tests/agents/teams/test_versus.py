"""Opposing teams in lanes, and an arena of two teams whose opponents are built in."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from agents.teams import registry
from agents.teams.core import TeamMisfitError, TeamSetup, unlike
from agents.teams.episodes import Collector
from agents.teams.lanes import TeamLanes, shape_of
from agents.teams.policy import TeamPolicy
from agents.teams.versus import SEAT, Versus, check_versus
from arenas.core import Arena, Observation
from arenas.match import play_matches
from arenas.random import derive_seeds, uniforms
from arenas.registry import make
from tests.agents.teams.test_team_policy import policy

CPU = torch.device("cpu")


def soccer(**options: object) -> Arena:
    return make("soccer", **{"max_steps": 15, "turned": True} | options)


def several(arena: Arena) -> list[TeamPolicy]:
    """Teams of four shapes, two of each, one of them now and then at random."""
    teams = [
        policy(arena, sharing=sharing, memory=memory, seed=seed)
        for memory in (0, 8)
        for sharing in (True, False)
        for seed in (1, 2)
    ]
    for team in teams[::3]:
        team.temperature = 0.7
    return teams


class Greedy:
    """A team that plays while episodes are collected."""

    def __init__(self, team: TeamPolicy, environments: int) -> None:
        self.lanes = TeamLanes(environments, CPU)
        self.lanes.load([team])

    def begin(self, batch: int) -> None:
        self.lanes.begin()

    def act(self, observation: Tensor, action_mask: Tensor, live: Tensor) -> Tensor:
        return self.lanes.act(observation, action_mask, torch.zeros(action_mask.shape))


def test_teams_in_lanes_play_as_each_of_them_does_alone() -> None:
    arena, size, generator = soccer(), 3, torch.Generator().manual_seed(0)
    teams, agents = several(arena), 2
    lanes = TeamLanes(size, CPU)
    lanes.load(teams)
    for _ in range(2):  # what was remembered is forgotten
        lanes.begin()
        for team in teams:
            team.begin(agents * size, CPU)
        for step in range(4):
            seen = torch.randn(len(teams) * size, agents, *arena.spec.observation_shape, generator=generator)
            mask = torch.rand(len(teams) * size, agents, 5, generator=generator) < 0.7
            mask[:, :, step] = True
            draws = torch.rand(mask.shape, generator=generator)
            answers = lanes.act(seen.flatten(2), mask, draws)
            for lane, team in enumerate(teams):
                rows = slice(lane * size, (lane + 1) * size)
                by_agent = [each[rows].transpose(0, 1).flatten(0, 1) for each in (seen, mask, draws)]
                alone = team.act(Observation(*by_agent[:2]), by_agent[2], torch.ones(agents * size, dtype=torch.bool))
                assert torch.equal(answers[rows].T.flatten(), alone), shape_of(team)


def test_who_has_no_legal_action_answers_0() -> None:
    lanes = TeamLanes(2, CPU)
    lanes.load([policy(soccer())])
    answers = lanes.act(torch.randn(2, 2, 7 * 6 * 7), torch.zeros(2, 2, 5, dtype=torch.bool), torch.zeros(2, 2, 5))
    assert not answers.any()


def test_teams_of_one_shape_are_evaluated_in_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    arena, calls = soccer(), 0
    teams = [policy(arena, seed=seed) for seed in range(32)]
    apply = type(teams[0].network).apply

    def counted(*arguments: Tensor) -> object:
        nonlocal calls
        calls += 1
        return apply(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(type(teams[0].network), "apply", counted)
    lanes = TeamLanes(2, CPU)
    lanes.load(teams)
    lanes.act(torch.randn(64, 2, 7 * 6 * 7), torch.ones(64, 2, 5, dtype=torch.bool), torch.zeros(64, 2, 5))
    assert calls == 1


def test_an_episode_is_the_match_of_the_two_teams_from_the_same_seed() -> None:
    """Seats, opponents, chance, rewards and endings: all as where the teams play rated matches."""
    arena, size = soccer(rows=4, columns=5, max_steps=40), 4
    me, others = policy(arena, seed=3), several(arena)
    for other in others:
        other.temperature = 0.0  # matches draw from other streams
    lanes = TeamLanes(size, CPU)
    lanes.load(others)
    versus, environments = Versus(arena, lanes), size * len(others)
    episodes = Collector(TeamSetup(versus), environments, 5, CPU).collect(Greedy(me, environments))
    seeds, wins = derive_seeds(5, environments), versus.outcomes()
    for lane, other in enumerate(others):
        for seat, sides in ((0, (me, other)), (1, (other, me))):
            rows = slice(lane * size + seat, (lane + 1) * size, 2)
            played = play_matches(arena, sides, seeds[rows], record=True)
            mine = list(arena.spec.teams[seat])
            assert torch.equal(episodes.returns[rows], played.returns[:, mine].sum(dim=1))
            assert torch.equal(episodes.lengths[rows], played.lengths)
            assert torch.equal(episodes.truncated[rows].any(dim=1), played.truncated)
            assert played.actions is not None
            for row, length in enumerate(played.lengths.tolist()):
                assert torch.equal(episodes.action[rows][row, :length], played.actions[row, :length][:, mine])
            margin = played.returns[:, mine].sum(dim=1).sign().int().tolist()
            assert wins[lane, seat].tolist() == [margin.count(sign) for sign in (1, 0, -1)]
    assert wins.sum() == environments
    assert wins.sum(dim=(0, 1)).min() > 0, "there were wins, draws and losses"


def test_the_global_state_is_the_same_from_both_sides_of_a_turned_pitch() -> None:
    arena = soccer()
    lanes = TeamLanes(2, CPU)
    lanes.load([policy(arena)])
    versus = Versus(arena, lanes)
    state = versus.reset(torch.full((2, 1), 0.1))
    state["ball"] = torch.tensor(arena.ball_starts)  # type: ignore[attr-defined]  # each other's after half a turn
    first, second = versus.global_state(state)
    assert torch.equal(first[:-1], second[:-1])
    assert (first[-1], second[-1]) == (1, -1)
    seen = versus.observe(state).observation
    assert torch.equal(seen[0], seen[1]), "and so do the agents see it"
    assert torch.equal(seen[1, 0, :6].flatten(), second[:-1])


def test_without_a_state_of_its_own_the_arena_shows_all_observations_ones_own_first() -> None:
    arena = make("prisoners_dilemma")
    lanes = TeamLanes(2, CPU)
    lanes.load([policy(arena)])
    versus = Versus(arena, lanes)
    spec = versus.spec
    state = versus.reset(torch.zeros(2, spec.reset_uniforms))
    chance = uniforms(derive_seeds(0, 2), 0, spec.step_uniforms)
    state = versus.step(state, torch.tensor([[1], [0]]), chance, torch.ones(2, dtype=torch.bool)).state
    seen = arena.observe(state).observation.flatten(1)
    width = seen.shape[1] // 2
    given = versus.global_state(state)
    assert torch.equal(given[0, :-1], seen[0])
    assert torch.equal(given[1, :-1], torch.cat((seen[1, width:], seen[1, :width])))
    assert given[:, -1].tolist() == [1, -1]
    assert given.shape[1] == versus.spec.state_shape[0]
    assert state[SEAT].tolist() == [0, 1]


@pytest.mark.parametrize("name", ["qmix", "vdn", "iql", "mappo", "ippo", "coma", "maddpg"])
def test_every_algorithm_trains_against_teams_unchanged(name: str) -> None:
    arena = soccer(players=1, rows=3, columns=5, max_steps=6)
    lanes = TeamLanes(2, CPU)
    versus = Versus(arena, lanes)
    model = registry.find(name).settings()
    config = model(**{key: 4 for key in ("batch", "buffer", "environments") if key in model.model_fields})
    learner = registry.make(name, versus, config, environments=4, seed=0)
    lanes.load([learner.policy()] * 2)
    learner.train_step()
    learner.train_step()
    assert learner.updates > 0
    assert learner.environment_steps > 8


@pytest.mark.parametrize(
    ("arena", "message"),
    [
        ("spread", r"spread has one team, .*`league train ALGORITHM spread` trains one without opponents"),
        ("tag", r"tag: its teams are not alike \(predators and prey\), and a league trains teams where two teams"),
        ("connect_four", r"connect_four: its agents move one after the other, and a league trains .* as in soccer"),
    ],
)
def test_an_arena_that_does_not_fit_is_told_with_one_that_does(arena: str, message: str) -> None:
    with pytest.raises(TeamMisfitError, match=message):
        check_versus(make(arena).spec)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, False),
        ({"action_counts": (5, 4, 5, 4), "observation_sizes": (9, 8, 9, 8)}, False),
        ({"roles": ("up", "down")}, True),
        ({"teams": ((0,), (1, 2, 3))}, True),
        ({"action_counts": (5, 5, 4, 4)}, True),
        ({"action_counts": (5, 5, 5, 5), "observation_sizes": (9, 9, 9, 8)}, True),
    ],
)
def test_teams_are_alike_where_one_can_sit_in_the_others_place(facts: dict[str, object], expected: bool) -> None:
    spec = soccer(players=2).spec
    assert unlike(replace(spec, **facts)) is expected  # type: ignore[arg-type]


def test_lanes_that_cannot_be_shared_out_evenly_are_refused() -> None:
    with pytest.raises(ValueError, match="lanes of 3 environments cannot be shared out evenly"):
        Versus(soccer(), TeamLanes(3, CPU))
