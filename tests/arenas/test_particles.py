"""The particle world by itself: its symmetries, its corners, its options."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import arenas
from arenas.check import check
from arenas.core import Arena, State
from arenas.games.particles import Bodies, contact_distance, length, move, scattered, without_self
from arenas.random import derive_seeds, uniforms

PAIR = Bodies(radius=(0.15, 0.15), acceleration=(5.0, 5.0))
UNLIKE = Bodies(radius=(0.1, 0.2, 0.1), acceleration=(3.0, 4.0, 5.0), top_speed=(0.5, 9.0, 9.0), obstacle_radius=0.3)
STAY, RIGHT = 0, 2


def crowd(batch: int, agents: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Places near each other, with velocities."""
    draws = uniforms(derive_seeds(4, batch), 0, 4 * agents).to(dtype)
    return scattered(draws, 0, agents, 0.3), scattered(draws, 2 * agents, agents)


def test_contact_forces_are_equal_and_opposite() -> None:
    position, velocity = crowd(200, 3)
    still = torch.full((200, 3), STAY)
    bodies = Bodies(radius=(0.1, 0.2, 0.1), acceleration=(5.0,) * 3)
    _, after = move(bodies, position, velocity, still)
    torch.testing.assert_close(after.sum(dim=1), 0.75 * velocity.sum(dim=1))
    assert (after - 0.75 * velocity).abs().amax(dim=(1, 2)).gt(0.1).float().mean() > 0.7, "most of them touch"


def test_the_force_of_a_contact() -> None:
    """Two discs of radius 0.15 whose middles are 0.2 apart are 0.1 deep: a force of 100 * 0.1, of 0.1 s."""
    position = torch.tensor([[[0.0, 0.0], [0.2, 0.0]]], dtype=torch.float64)
    place, speed = move(PAIR, position, torch.zeros_like(position), torch.tensor([[STAY, STAY]]))
    assert torch.equal(place, position)
    torch.testing.assert_close(speed[0], torch.tensor([[-1.0, 0.0], [1.0, 0.0]], dtype=torch.float64))
    far = move(PAIR, position * 3, torch.zeros_like(position), torch.tensor([[STAY, STAY]]))[1]
    assert far.abs().max() < 1e-12


@pytest.mark.parametrize("mirror", [(-1.0, 1.0), (1.0, -1.0)])
def test_the_mirrored_world_is_the_same_world(mirror: tuple[float, float]) -> None:
    position, velocity = crowd(100, 3)
    obstacles = torch.tensor([[[0.3, 0.2]]], dtype=torch.float64).expand(100, -1, -1)
    flip = torch.tensor(mirror, dtype=torch.float64)
    actions = torch.arange(300).view(100, 3) % 5
    other = torch.tensor([0, 2, 1, 3, 4] if mirror[0] < 0 else [0, 1, 2, 4, 3])[actions]
    here = move(UNLIKE, position, velocity, actions, obstacles)
    there = move(UNLIKE, position * flip, velocity * flip, other, obstacles * flip)
    for one, two in zip(here, there, strict=True):
        torch.testing.assert_close(one * flip, two)


def test_each_agent_has_its_own_push_and_top_speed() -> None:
    position = torch.tensor([[[-5.0, 0.0], [0.0, 0.0], [5.0, 0.0]]])
    _, speed = move(UNLIKE, position, torch.zeros_like(position), torch.full((1, 3), RIGHT))
    torch.testing.assert_close(speed[0, :, 0], torch.tensor([0.3, 0.4, 0.5]))
    _, speed = move(UNLIKE, position, 2 * torch.ones_like(position), torch.full((1, 3), RIGHT))
    assert length(speed, -1)[0, 0].item() == pytest.approx(0.5)
    assert length(speed, -1)[0, 1].item() == pytest.approx((1.9**2 + 1.5**2) ** 0.5)


def test_two_at_one_place_are_not_torn_apart_by_nan() -> None:
    position = torch.zeros((1, 2, 2))
    place, speed = move(PAIR, position, position, torch.tensor([[STAY, RIGHT]]))
    assert speed[0].tolist() == [[0.0, 0.0], [0.5, 0.0]]
    assert torch.equal(place, position)


def test_rows_without_the_viewer() -> None:
    table = torch.arange(4 * 4 * 3 * 2).view(4, 4, 3, 2)
    rows = without_self(table)
    for agent in range(4):
        others = [other for other in range(4) if other != agent]
        assert torch.equal(rows[agent], table[agent, others])
    assert without_self(table[:1, :1]).shape == (1, 0, 3, 2)


def test_when_agents_touch() -> None:
    expected = torch.tensor([[0.2, 0.3, 0.2], [0.3, 0.4, 0.3], [0.2, 0.3, 0.2]])
    touch = contact_distance(UNLIKE, expected)
    assert isinstance(touch, Tensor)
    torch.testing.assert_close(touch[:, :, 0], expected)
    assert contact_distance(PAIR, expected) == 0.3


def play(arena: Arena, seeds: Tensor, steps: int) -> tuple[State, Tensor]:
    """Random play in a crowd: what comes of it, and the sum of the rewards."""
    state = arena.reset(uniforms(seeds, 0, arena.spec.reset_uniforms))
    state = {**state, "position": state["position"] * 0.3}
    total = torch.zeros((len(seeds), arena.spec.num_agents))
    for number in range(steps):
        actions = (uniforms(seeds, number, arena.spec.num_agents, 1) * 3).long()
        step = arena.step(state, actions)
        state, total = step.state, total + step.rewards
    return state, total


@pytest.mark.parametrize("name", ["spread", "speaker_listener", "tag"])
def test_an_episode_is_the_same_to_the_last_bit_in_any_batch(name: str) -> None:
    """Contacts magnify any other rounding, so it must not depend on the place in a batch."""
    arena, seeds = arenas.make(name), derive_seeds(6, 53)
    together, total = play(arena, seeds, 20)
    for part in (slice(3, 10), slice(10, 47), *(slice(alone, alone + 1) for alone in range(53))):
        apart, sums = play(arena, seeds[part], 20)
        assert torch.equal(sums, total[part])
        for key, tensor in apart.items():
            assert torch.equal(tensor, together[key][part]), key


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("spread", {"N": 1}),
        ("spread", {"N": 6, "local_ratio": 0}),
        ("spread", {"N": 2, "local_ratio": 1.0, "max_cycles": 3}),
        ("speaker_listener", {"max_cycles": 1}),
        ("tag", {"num_good": 3, "num_adversaries": 1, "num_obstacles": 0}),
        ("tag", {"num_good": 1, "num_adversaries": 1, "num_obstacles": 4, "max_cycles": 7}),
    ],
)
def test_sound_with_other_options(name: str, options: dict[str, Any]) -> None:
    arena = arenas.make(name, **options)
    assert check(arena) == []
    assert arena.spec.max_steps == options.get("max_cycles", 25)


def test_when_rewards_are_common() -> None:
    assert arenas.make("spread").spec.common_reward is False
    assert arenas.make("spread", local_ratio=0).spec.common_reward is True
    assert arenas.make("tag").spec.common_reward is True, "three alike, and one"
    assert arenas.make("tag", num_good=2).spec.common_reward is False


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("spread", {"N": 0}, "N has to be a whole number from 1, not 0"),
        ("spread", {"N": 2.0}, "N has to be a whole number from 1, not 2.0"),
        ("spread", {"N": True}, "N has to be a whole number from 1, not True"),
        ("spread", {"local_ratio": 1.5}, "local_ratio has to be a number from 0 to 1, not 1.5"),
        ("spread", {"local_ratio": float("nan")}, "local_ratio has to be a number from 0 to 1, not nan"),
        ("spread", {"local_ratio": "half"}, "local_ratio has to be a number from 0 to 1, not 'half'"),
        ("spread", {"n": 3}, "has no option 'n'"),
        ("speaker_listener", {"max_cycles": 0}, "max_cycles has to be a whole number from 1, not 0"),
        ("tag", {"num_good": 0}, "num_good has to be a whole number from 1, not 0"),
        ("tag", {"num_adversaries": -1}, "num_adversaries has to be a whole number from 1, not -1"),
        ("tag", {"num_obstacles": -1}, "num_obstacles has to be a whole number from 0, not -1"),
        ("tag", {"num_obstacle": 1}, "did you mean num_obstacles?"),
    ],
)
def test_an_option_that_is_wrong(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(arenas.ArenaOptionError) as caught:
        arenas.make(name, **options)
    assert message in str(caught.value)


def test_pictures() -> None:
    arena = arenas.make("spread", N=2)
    state = arena.reset(torch.tensor([[0.0, 1.0, 0.5, 0.5, 1.0, 0.0, 0.5, 0.5]]))  # corners; in the middle, an agent
    lines = arena.render(state, 0).splitlines()
    assert lines[0] == "step 0 of 25"
    assert [
        (number, line.index(mark)) for mark in "01x" for number, line in enumerate(lines) if mark in line and number
    ] == [
        (4, 5),
        (12, 21),
        (20, 37),
    ]
    for far, line, column in ((9, 2, 1), (-9, 22, 41)):
        outside = {**state, "position": state["position"] * far}
        assert arena.render(outside, 0).splitlines()[line][column] == "0", "what has left is drawn at the border"
    talk = arenas.make("speaker_listener")
    state = talk.reset(torch.full((1, talk.spec.reset_uniforms), 0.99))
    assert talk.render(state, 0).startswith("goal 2, word none yet\n")
    assert talk.render(talk.step(state, torch.tensor([[1, 0]])).state, 0).startswith("goal 2, word 1\n")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*")
@pytest.mark.parametrize("name", ["spread", "speaker_listener", "tag"])
def test_compiled_code_does_the_same(name: str) -> None:
    """What torch.compile makes of a step and an observation, within the rounding of fused arithmetic."""
    arena = arenas.make(name)
    torch.compiler.reset()

    def advance(state: State, actions: Tensor) -> tuple[State, Tensor, Tensor]:
        step = arena.step(state, actions)
        return step.state, step.rewards, arena.observe(step.state).observation

    state = arena.reset(uniforms(derive_seeds(8, 64), 0, arena.spec.reset_uniforms))
    compiled = torch.compile(advance, fullgraph=True)
    for number in range(5):
        actions = (uniforms(derive_seeds(8, 64), number, arena.spec.num_agents, 1) * 3).long()
        (state, rewards, seen), (other, paid, shown) = advance(state, actions), compiled(state, actions)
        for one, two in ((rewards, paid), (seen, shown), *((state[key], other[key]) for key in state)):
            torch.testing.assert_close(one, two, rtol=1e-5, atol=2e-5)
