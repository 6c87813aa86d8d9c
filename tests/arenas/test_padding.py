"""A small team in the shape of a larger one: every number stands where the larger team has its like."""

from __future__ import annotations

import pytest
import torch

import arenas
from arenas.check import check
from arenas.core import Arena
from arenas.padding import PaddedTeam
from arenas.random import derive_seeds, uniforms

SPREAD = ({"N": 2}, {"N": 4})
FORAGING = ({"players": 2, "foods": 2}, {"players": 3, "foods": 2})


def padded(name: str, sizes: tuple[dict[str, int], dict[str, int]]) -> tuple[Arena, Arena, PaddedTeam]:
    small, large = (arenas.make(name, **options) for options in sizes)
    return small, large, PaddedTeam(small, large)


def test_spread_block_by_block() -> None:
    small, large, arena = padded("spread", SPREAD)
    state = small.reset(uniforms(derive_seeds(1, 5), 0, arena.spec.reset_uniforms))
    assert arena.spec.observation_shape == large.spec.observation_shape
    own, seen = small.observe(state).observation, arena.observe(state).observation
    assert seen.shape == (5, 4, 24)
    blocks = ((0, 4, 0), (4, 8, 4), (8, 10, 12), (10, 12, 18))  # own, landmarks, other agents, their messages
    expected = torch.zeros(5, 2, 24)
    for first, end, place in blocks:
        expected[..., place : place + end - first] = own[..., first:end]
    assert torch.equal(seen[:, :2], expected)
    assert not seen[:, 2:].any()
    assert torch.equal(arena.observe(state, agent=1).observation, seen[:, 1])
    assert torch.equal(arena.global_state(state), seen.flatten(1))


def test_foraging_shows_what_is_not_there_as_it_shows_what_is_out_of_sight() -> None:
    small, _, arena = padded("foraging", FORAGING)
    state = small.reset(uniforms(derive_seeds(1, 5), 0, arena.spec.reset_uniforms))
    own, seen = small.observe(state).observation, arena.observe(state).observation
    nobody = torch.tensor([-1.0, -1.0, 0.0]).expand(5, 2, 3)
    assert torch.equal(seen[:, :2], torch.cat((own, nobody), dim=2))


@pytest.mark.parametrize(("name", "sizes"), [("spread", SPREAD), ("foraging", FORAGING)])
def test_the_game_is_the_small_one_and_who_is_missing_is_dead(
    name: str, sizes: tuple[dict[str, int], dict[str, int]]
) -> None:
    small, large, arena = padded(name, sizes)
    state = small.reset(uniforms(derive_seeds(1, 6), 0, arena.spec.reset_uniforms))
    mask = arena.observe(state).action_mask
    assert torch.equal(mask[:, :2], small.observe(state).action_mask)
    assert not mask[:, 2:].any()
    draws = torch.rand(mask.shape, generator=torch.Generator().manual_seed(0))
    actions = torch.where(mask, draws, -1.0).argmax(dim=2)
    live = torch.arange(6) > 0
    step, own = arena.step(state, actions, live=live), small.step(state, actions[:, :2], live=live)
    assert torch.equal(step.rewards[:, :2], own.rewards)
    assert not step.rewards[:, 2:].any()
    assert all(torch.equal(step.state[key], own.state[key]) for key in own.state)
    assert arena.spec.agents == large.spec.agents
    assert check(arena) == []


@pytest.mark.parametrize(("name", "options"), [("spread", {"N": 3}), ("foraging", {"players": 3, "sight": 2})])
def test_a_team_of_its_own_size_is_as_it_was(name: str, options: dict[str, int]) -> None:
    arena = arenas.make(name, **options)
    whole = PaddedTeam(arena, arena)
    state = arena.reset(uniforms(derive_seeds(2, 4), 0, arena.spec.reset_uniforms))
    for mine, theirs in zip(whole.observe(state), arena.observe(state), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize(
    ("name", "options", "size"),
    [
        ("spread", {"N": 4, "local_ratio": 0.25, "max_cycles": 9}, 2),
        (
            "foraging",
            {
                "size": 6, "players": 3, "foods": 1, "sight": 2, "force_coop": False, "max_episode_steps": 7,
                "penalty": 0.5, "masks": False,
            },
            2,
        ),
    ],
)  # fmt: skip
def test_another_size_changes_nothing_else(name: str, options: dict[str, object], size: int) -> None:
    count = "N" if name == "spread" else "players"
    resized = arenas.make(name, **options).resized(size)  # type: ignore[attr-defined]
    direct = arenas.make(name, **options | {count: size})
    assert resized.spec == direct.spec
    assert {key: value for key, value in vars(resized).items() if key != "spec"} == {
        key: value for key, value in vars(direct).items() if key != "spec"
    }


def test_what_cannot_be_padded() -> None:
    with pytest.raises(ValueError, match="speaker_listener cannot be padded to spread"):
        PaddedTeam(arenas.make("speaker_listener"), arenas.make("spread"))
    with pytest.raises(ValueError, match="spread with 4 agents is no part of one with 3"):
        PaddedTeam(arenas.make("spread", N=4), arenas.make("spread"))
