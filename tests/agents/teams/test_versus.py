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
from arenas.core import Arena, Observation, State
from arenas.match import play_matches
from arenas.potentials import find as find_potential
from arenas.random import derive_seeds, uniforms
from arenas.registry import make
from arenas.shaping import DifferenceRewards, PotentialShaping
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


@pytest.mark.parametrize("role", [0, 1])
def test_an_episode_in_a_role_is_the_match_from_that_seat(role: int) -> None:
    """Where teams are not alike, and of another size: all environments sit on the side of the role."""
    arena, size = make("tag", num_good=2, max_cycles=9), 4
    me = policy(arena, team=role, seed=3)
    others = [policy(arena, team=1 - role, seed=seed, sharing=sharing) for seed, sharing in ((4, True), (5, False))]
    lanes = TeamLanes(size, CPU)
    lanes.load(others)
    versus = Versus(arena, lanes, role)
    assert versus.spec.agents == tuple(arena.spec.agents[agent] for agent in arena.spec.teams[role])
    episodes = Collector(TeamSetup(versus), 8, 5, CPU).collect(Greedy(me, 8))
    seeds, wins, mine = derive_seeds(5, 8), versus.outcomes(), list(arena.spec.teams[role])
    for lane, other in enumerate(others):
        rows = slice(lane * size, (lane + 1) * size)
        played = play_matches(arena, (me, other) if role == 0 else (other, me), seeds[rows], record=True)
        assert played.actions is not None
        assert torch.equal(episodes.action[rows], played.actions[:, :, mine])
        torch.testing.assert_close(episodes.returns[rows], played.returns[:, mine].sum(dim=1), atol=1e-4, rtol=1e-5)
        margin = 2 * played.returns[:, mine].sum(dim=1) - played.returns.sum(dim=1)
        assert wins[lane, role].tolist() == [int((sign * margin > 0).sum()) if sign else int((margin == 0).sum())
                                             for sign in (1, 0, -1)]  # fmt: skip
        assert not wins[lane, 1 - role].any()
    state = versus.reset(uniforms(derive_seeds(0, 8), 0, arena.spec.reset_uniforms))
    seen = versus.global_state(state)
    assert torch.equal(seen[:, :-1], arena.global_state(state))
    assert (seen[:, -1] == (1, -1)[role]).all()


@pytest.mark.parametrize(("name", "role"), [("tag", None), ("tag", 2), ("soccer", 0)])
def test_a_role_is_for_teams_that_are_not_alike(name: str, role: int | None) -> None:
    with pytest.raises(ValueError, match=f"{role} is none of the roles"):
        Versus(make(name), TeamLanes(2, CPU), role)


@pytest.mark.parametrize(("name", "role"), [("soccer", None), ("tag", 0), ("tag", 1)])
def test_other_rewards_are_learned_from_and_outcomes_are_by_the_arenas_own(name: str, role: int | None) -> None:
    options = {"turned": True, "rows": 3, "columns": 5} if name == "soccer" else {"num_good": 2}
    arena = make(name, **options)
    changed = PotentialShaping(
        DifferenceRewards(arena), find_potential(arena, "ball" if name == "soccer" else "chase", 5.0), 0.9
    )
    played = []
    for given in (arena, changed):
        lanes = TeamLanes(128, CPU)
        lanes.load([policy(arena, team=1 - (role or 0), seed=1)])
        versus = Versus(given, lanes, role)
        me = policy(arena, team=role or 0, seed=2)
        assert versus.spec.common_reward == (given is arena and name == "soccer")
        episodes = Collector(TeamSetup(versus), 128, 5, CPU).collect(Greedy(me, 128))
        played.append((episodes, versus.outcomes()))
    (plain, wins), (shaped, same) = played
    assert torch.equal(plain.action, shaped.action)
    assert torch.equal(wins, same)
    assert not torch.equal(plain.reward, shaped.reward)
    lanes.load([policy(arena, team=1 - (role or 0), seed=1)])
    start = versus.reset(uniforms(derive_seeds(5, 128), 0, versus.spec.reset_uniforms))
    chance = uniforms(derive_seeds(6, 128), 0, versus.spec.step_uniforms)
    joint = joint_of(versus, start, plain.action[:, 0], chance)
    expected = changed.step(start, joint, chance[:, : arena.spec.step_uniforms]).rewards
    lanes.begin()
    step = versus.step(start, plain.action[:, 0], chance, torch.ones(128, dtype=torch.bool))
    seat = start[SEAT]
    mine = [list(arena.spec.teams[int(number)]) for number in seat]
    torch.testing.assert_close(step.rewards, torch.stack([row[team] for row, team in zip(expected, mine, strict=True)]))


def joint_of(versus: Versus, state: State, actions: Tensor, chance: Tensor) -> Tensor:
    """What all agents do where the lanes answer, each row by itself."""
    seen, mask = versus.arena.observe(state)
    teams = versus.arena.spec.teams
    sides = [[list(teams[int(seat) ^ other]) for seat in state[SEAT]] for other in (0, 1)]
    theirs = [torch.stack([row[team] for row, team in zip(each, sides[1], strict=True)]) for each in (seen, mask)]
    draws = chance[:, versus.arena.spec.step_uniforms :].view(*theirs[1].shape)
    answer = versus.lanes.act(theirs[0].flatten(2), theirs[1], draws)
    joint = torch.zeros(mask.shape[:2], dtype=torch.int64)
    for row, (own, other) in enumerate(zip(*sides, strict=True)):
        joint[row, own], joint[row, other] = actions[row], answer[row]
    return joint


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
