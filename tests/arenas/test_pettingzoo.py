"""PettingZoo environments as arenas: what they show, how they end, and that nothing but the seed decides."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor

import arenas
from arenas.check import check
from arenas.core import State, Step, Turns
from arenas.pettingzoo import PettingZooArena, from_pettingzoo
from arenas.registry import ArenaLoadError, ArenaOptionError, UnknownArenaError


@contextmanager
def arena_of(name: str, **options: Any) -> Iterator[PettingZooArena]:
    with closing(from_pettingzoo(name, **{"workers": 1, **options})) as arena:
        yield arena


def corridor(**options: Any) -> Any:
    return arena_of("toys/corridor", **options)


def start(arena: PettingZooArena, batch: int = 3, uniform: float = 0.25) -> State:
    return arena.reset(torch.full((batch, 1), uniform))


def play(arena: PettingZooArena, state: State, action: int, steps: int) -> Step:
    """Play the same action (or the last legal one) in every environment for some steps."""
    for _ in range(steps):
        mask = arena.observe(state).action_mask
        actions = torch.where(mask[..., action], action, mask.to(torch.int64).argmax(-1))
        step = arena.step(state, actions)
        state = step.state
    return step


def transcript(arena: PettingZooArena, seeds: Tensor, steps: int = 30) -> list[Tensor]:
    """Everything that is seen in random play with renewals."""
    random = torch.Generator().manual_seed(0)
    state, seen = arena.reset(seeds), []
    for _ in range(steps):
        observation, mask = arena.observe(state)
        weights = mask.float().flatten(0, -2) if mask.dim() > 2 else mask.float()
        actions = torch.multinomial(weights, 1, generator=random).view(mask.shape[:-1])
        step = arena.step(state, actions)
        ended = step.terminated | step.truncated
        state = arena.renew(step.state, ended, torch.rand(len(seeds), 1, generator=random))
        seen += [observation, mask, arena.turn(state), step.rewards, step.terminated, step.truncated]
    return seen


def test_spec_of_a_turn_based_environment() -> None:
    spec = from_pettingzoo("pettingzoo:classic/connect_four-v3").spec
    assert spec.name == "pettingzoo:classic/connect_four-v3"
    assert spec.turns is Turns.SEQUENTIAL
    assert (spec.observation_shape, spec.num_actions, spec.max_steps) == ((6, 7, 2), 7, 42)
    assert (spec.pure, spec.truncates, spec.reset_uniforms) == (False, False, 1)


def test_a_parallel_environment_is_simultaneous_unless_asked_otherwise() -> None:
    natural = from_pettingzoo("classic/rps-v2").spec
    turns = from_pettingzoo("classic/rps-v2", api="aec", num_actions=5).spec
    assert (natural.turns, natural.max_steps, natural.truncates) == (Turns.SIMULTANEOUS, 15, True)
    assert (turns.turns, turns.max_steps, turns.num_actions) == (Turns.SEQUENTIAL, 30, 5)
    assert natural.observation_shape == (4,)  # Discrete(4) as one-hot


@pytest.mark.parametrize("options", [{"api": "aec", "mask": "info"}, {"api": "parallel", "mask": "observation"}])
@pytest.mark.usefixtures("toys")
def test_the_conformance_check_finds_nothing(options: dict[str, str]) -> None:
    with corridor(lives=[2, 0, 3], ragged=True, max_steps=20, **options) as arena:
        assert check(arena, episodes=4) == []


def test_connect_four_passes_the_conformance_check_by_its_registry_name() -> None:
    with closing(arenas.make("pettingzoo:classic/connect_four-v3", workers=2)) as arena:
        assert check(arena, episodes=4) == []


@pytest.mark.usefixtures("toys")
def test_a_time_limit_is_a_truncation_and_the_final_observation_is_the_true_one() -> None:
    with corridor(lives=[0, 0], limit=3) as arena:
        step = play(arena, start(arena), action=1, steps=2)
        assert not (step.terminated | step.truncated).any()
        step = play(arena, step.state, action=1, steps=1)
        assert step.truncated.all()
        assert not step.terminated.any()
        assert arena.observe(step.state).observation[0, :, 1].tolist() == [3, 103]  # seen at step 3, by both
        fresh = arena.renew(step.state, step.truncated, torch.full((3, 1), 0.25))
        assert arena.observe(fresh).observation[0, :, 1].tolist() == [0, 100]
        assert arena.observe(step.state).observation[0, :, 1].tolist() == [3, 103]  # a state stays readable


@pytest.mark.parametrize("api", ["aec", "parallel"])
@pytest.mark.usefixtures("toys")
def test_an_end_by_the_rules_is_a_termination(api: str) -> None:
    with corridor(lives=[2, 2], limit=9, api=api) as arena:
        step = play(arena, start(arena), action=1, steps=2 if api == "parallel" else 4)
        assert step.terminated.all()
        assert not step.truncated.any()


@pytest.mark.parametrize("api", ["aec", "parallel"])
@pytest.mark.usefixtures("toys")
def test_episodes_longer_than_max_steps_are_truncated(api: str) -> None:
    with corridor(lives=[0, 0], limit=50, api=api, max_steps=3) as arena:
        step = play(arena, start(arena), action=1, steps=2)
        assert not step.truncated.any()
        assert play(arena, step.state, action=1, steps=1).truncated.all()


@pytest.mark.usefixtures("toys")
def test_an_agent_that_leaves_early_may_only_idle_and_is_rewarded_nothing() -> None:
    with corridor(lives=[1, 0], limit=3) as arena:
        step = play(arena, start(arena), action=1, steps=1)
        assert step.rewards[0].tolist() == [1, 11]
        assert not step.terminated.any()
        assert arena.observe(step.state).action_mask[0].tolist() == [[True, False], [True, True]]
        step = play(arena, step.state, action=1, steps=1)
        assert step.rewards[0].tolist() == [0, 11]
        assert arena.observe(step.state).observation[0, 0, 1] == 1  # what it saw last
        assert play(arena, step.state, action=1, steps=1).truncated.all()  # by the limit, for the one that was left


@pytest.mark.usefixtures("toys")
def test_an_agent_that_leaves_early_loses_its_turns_in_a_sequential_arena() -> None:
    with corridor(lives=[1, 0, 0], limit=3, api="aec") as arena:
        state, turns, rewards = start(arena), [], torch.zeros(3)
        for _ in range(7):
            turns.append(int(arena.turn(state)[0]))
            step = play(arena, state, action=1, steps=1)
            state, rewards = step.state, rewards + step.rewards[0]
        assert turns == [0, 1, 2, 1, 2, 1, 2]
        assert step.truncated.all()
        assert rewards.tolist() == [1, 33, 63]


@pytest.mark.parametrize("where", ["info", "observation"])
@pytest.mark.parametrize("api", ["aec", "parallel"])
@pytest.mark.usefixtures("toys")
def test_action_masks_come_from_the_observation_or_the_info(where: str, api: str) -> None:
    with corridor(lives=[0, 0], mask=where, api=api) as arena:
        state = start(arena)
        assert arena.observe(state).action_mask.all()
        state = play(arena, state, action=0, steps=1 if api == "parallel" else 2).state
        mask = arena.observe(state).action_mask
        assert mask[..., 0].all()
        assert not mask[..., 1].any()


@pytest.mark.usefixtures("toys")
def test_agents_with_smaller_spaces_are_filled_up_and_masked() -> None:
    with corridor(lives=[0, 0, 0], ragged=True) as arena:
        assert (arena.spec.observation_shape, arena.spec.num_actions) == ((4,), 4)
        observation, mask = arena.observe(start(arena))
        assert observation[0, 0, 2:].tolist() == [0, 0]
        assert observation[0, 2, 1:].tolist() == [200, 200, 200]
        assert mask[0].sum(-1).tolist() == [2, 3, 4]


@pytest.mark.usefixtures("toys")
def test_each_agent_sees_its_own_view() -> None:
    with corridor(lives=[0, 0], api="aec") as arena:
        state = start(arena)
        mover, other = arena.observe(state, 0), arena.observe(state, 1)
        assert (mover.observation[0, 1], other.observation[0, 1]) == (0, 100)
        assert mover.action_mask.all()
        assert not other.action_mask.any()


@pytest.mark.usefixtures("toys")
def test_environments_that_are_not_live_stay_as_they_are() -> None:
    with corridor(lives=[0, 0]) as arena:
        state = start(arena)
        live = torch.tensor([True, False, True])
        step = arena.step(state, torch.ones(3, 2, dtype=torch.int64), live=live)
        assert arena.observe(step.state).observation[:, 0, 1].tolist() == [1, 0, 1]
        assert step.rewards[1].tolist() == [0, 0]
        step = arena.step(step.state, torch.ones(3, 2, dtype=torch.int64))
        assert arena.observe(step.state).observation[:, 0, 1].tolist() == [2, 1, 2]


@pytest.mark.usefixtures("toys")
def test_a_game_goes_on_from_its_newest_state_only() -> None:
    with corridor(lives=[0, 0]) as arena:
        old = start(arena)
        new = play(arena, old, action=1, steps=1).state
        with pytest.raises(ValueError, match="newest state"):
            play(arena, old, action=1, steps=1)
        start(arena)
        with pytest.raises(ValueError, match="newest state"):
            play(arena, new, action=1, steps=1)


@pytest.mark.usefixtures("toys")
def test_the_uniforms_decide_the_game() -> None:
    with corridor(lives=[0, 0]) as arena:
        uniforms = torch.tensor([[0.1], [0.1], [0.9]])
        seen = arena.observe(arena.reset(uniforms)).observation[:, 0, 0]
        assert seen[0] == seen[1] != seen[2]
        assert torch.equal(arena.observe(arena.reset(uniforms)).observation[:, 0, 0], seen)


@pytest.mark.parametrize("name", ["classic/leduc_holdem-v4", "classic/rps-v2"])
def test_the_same_games_whatever_the_number_of_workers(name: str) -> None:
    seeds = torch.rand(7, 1, generator=torch.Generator().manual_seed(1))
    records = []
    for workers in (1, 2, 3):
        with arena_of(name, workers=workers) as arena:
            records.append(transcript(arena, seeds))
    for other in records[1:]:
        assert all(torch.equal(one, two) for one, two in zip(records[0], other, strict=True))


@pytest.mark.usefixtures("toys")
def test_render_asks_the_environment() -> None:
    with corridor(lives=[0, 0], limit=4) as arena:
        state = play(arena, start(arena), action=1, steps=2).state
        assert arena.render(state, 1) == "step 2 of 4"
    with arena_of("classic/tictactoe-v3") as arena, pytest.raises(NotImplementedError, match="no picture"):
        arena.render(start(arena), 0)


@pytest.mark.usefixtures("toys")
def test_teams_can_be_given() -> None:
    assert from_pettingzoo("toys/corridor", lives=[0, 0, 0], teams=[[0, 2], [1]]).spec.teams == ((0, 2), (1,))
    with pytest.raises(ArenaOptionError, match="agents 0 to 2 once"):
        from_pettingzoo("toys/corridor", lives=[0, 0, 0], teams=[[0, 1], [1]])


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("toys/coridor", "did you mean pettingzoo:toys/corridor"),
        ("classic/conect_four-v3", "did you mean pettingzoo:classic/connect_four-v3"),
        ("mpe3/simple_spread_v3", "is the package mpe3 installed"),
        ("sisl/pursuit-v4", "did you mean pettingzoo:sisl/pursuit-v5"),
        (f"sisl/pursuit-v{'1' * 5001}", "no environment 'sisl/pursuit-v1111"),
    ],
)
def test_an_unknown_environment_is_named_with_the_nearest(name: str, message: str) -> None:
    with pytest.raises(UnknownArenaError, match=message):
        from_pettingzoo(name)


def test_options_that_the_environment_refuses() -> None:
    with pytest.raises(ArenaOptionError, match="unexpected keyword argument 'rounds'"):
        from_pettingzoo("classic/rps-v2", rounds=3)
    with pytest.raises(ArenaOptionError, match="odd number"):
        from_pettingzoo("classic/rps-v2", num_actions=4)
    with pytest.raises(ArenaOptionError, match="has no 'parallel' interface: it has 'aec'"):
        from_pettingzoo("classic/connect_four-v3", api="parallel")
    with pytest.raises(ArenaOptionError, match="must be numbers, strings"):
        from_pettingzoo("classic/rps-v2", num_actions=object())


@pytest.mark.usefixtures("toys")
def test_continuous_actions_are_refused() -> None:
    with pytest.raises(ValueError, match="walker_0 has the action space Box"):
        from_pettingzoo("toys/corridor", lives=[0, 0], continuous=True)


def test_a_missing_dependency_is_named() -> None:
    with pytest.raises(ArenaLoadError, match="No module named 'Box2D'"):
        from_pettingzoo("sisl/multiwalker-v9")
