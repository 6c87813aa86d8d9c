"""Foraging: options, renewal, moves, what shares and penalties come to. Parity with lbforaging is in tests/parity."""

from __future__ import annotations

import pytest
import torch

import arenas
from arenas.check import check
from arenas.core import Arena, State
from arenas.games.foraging import EAST, LOAD, NORTH, SOUTH, STAY, WEST
from arenas.random import derive_seeds, uniforms
from arenas.registry import ArenaOptionError

OPTIONS = (
    {"players": 4, "foods": 3, "sight": 2, "force_coop": False},
    {"size": 5, "foods": 4, "penalty": 0.1},
    {"players": 1, "foods": 1, "masks": False},
    {"size": 15, "players": 8, "foods": 5, "max_episode_steps": 20},
)


@pytest.mark.parametrize("options", OPTIONS)
def test_conforms(options: dict[str, object]) -> None:
    assert check(arenas.make("foraging", **options)) == []


def start(arena: Arena, batch: int, seed: int = 3) -> State:
    return arena.reset(uniforms(derive_seeds(seed, batch), 0, arena.spec.reset_uniforms))


def put(arena: Arena, agents: list[list[int]], foods: list[list[int]]) -> State:
    """One environment with (row, column, level) of agents and foods."""
    state = start(arena, 1)
    spawned = sum(level for *_, level in foods)
    return state | {
        "agents": torch.tensor([agents]), "foods": torch.tensor([foods]), "spawned": torch.tensor([spawned])
    }  # fmt: skip


def test_levels_decide_who_is_fed_and_how_much() -> None:
    arena = arenas.make("foraging", players=3, foods=2, penalty=0.25)
    state = put(arena, [[2, 3, 1], [4, 3, 2], [3, 4, 1]], [[3, 3, 3], [6, 6, 1]])
    for actions, rewards in (
        ((LOAD, STAY, STAY), (-0.25, 0, 0)),
        ((LOAD, STAY, LOAD), (-0.25, 0, -0.25)),
        ((LOAD, LOAD, STAY), (1 / 3 * 3 / 4, 2 / 3 * 3 / 4, 0)),
        ((LOAD, LOAD, LOAD), (1 / 4 * 3 / 4, 2 / 4 * 3 / 4, 1 / 4 * 3 / 4)),
    ):
        step = arena.step(state, torch.tensor([actions]))
        assert step.rewards[0].tolist() == pytest.approx(rewards)
        assert (step.state["foods"][0, 0].tolist() == [6, 6, 1]) == (sum(rewards) > 0)
        assert not step.terminated.any()


@pytest.mark.parametrize(
    ("agents", "actions", "places"),
    [
        ([[1, 1, 1], [1, 3, 1]], (EAST, WEST), [(1, 1), (1, 3)]),  # both want the cell between them
        ([[1, 1, 1], [1, 2, 1]], (EAST, WEST), [(1, 2), (1, 1)]),  # they change places
        ([[1, 1, 1], [1, 2, 1]], (EAST, STAY), [(1, 1), (1, 2)]),
        ([[1, 1, 1], [1, 2, 1]], (EAST, SOUTH), [(1, 2), (2, 2)]),
        ([[0, 0, 1], [7, 7, 1]], (NORTH, EAST), [(0, 0), (7, 7)]),  # off the grid
    ],
)
def test_moves(agents: list[list[int]], actions: tuple[int, int], places: list[tuple[int, int]]) -> None:
    arena = arenas.make("foraging", foods=1)
    after = arena.step(put(arena, agents, [[4, 4, 2]]), torch.tensor([actions])).state
    assert [tuple(agent[:2]) for agent in after["agents"][0].tolist()] == places


def test_a_time_limit_is_a_truncation_unless_all_is_eaten() -> None:
    arena = arenas.make("foraging", foods=1, max_episode_steps=1)
    state = put(arena, [[4, 3, 1], [3, 4, 1]], [[4, 4, 2]])
    for actions, ends in (((LOAD, LOAD), (True, False)), ((LOAD, STAY), (False, True))):
        step = arena.step(state, torch.tensor([actions]))
        assert (step.terminated.item(), step.truncated.item()) == ends


def test_renewing_some_is_what_renewing_all_and_selecting_is() -> None:
    arena, batch = arenas.make("foraging"), 64
    state, ended = start(arena, batch), torch.arange(batch) % 5 == 0
    draws = uniforms(derive_seeds(9, batch), 0, arena.spec.reset_uniforms)
    held = {name: tensor.clone() for name, tensor in state.items()}
    for flags in (ended, torch.zeros_like(ended), torch.ones_like(ended)):
        expected = Arena.renew(arena, state, flags, draws)
        renewed = arena.renew(state, flags, draws)
        assert all(torch.equal(renewed[name], expected[name]) for name in expected)
        assert all(torch.equal(state[name], held[name]) for name in held)


def test_food_never_lies_near_food() -> None:
    arena = arenas.make("foraging", size=6, foods=4)
    foods = start(arena, 500)["foods"]
    there = foods[..., 2] > 0
    gap = (foods[:, :, None, :2] - foods[:, None, :, :2]).abs()
    near = (gap.amax(dim=3) < 2) | ((gap.amin(dim=3) == 0) & (gap.amax(dim=3) < 3))
    both = there[:, :, None] & there[:, None, :] & ~torch.eye(4, dtype=torch.bool)
    assert not (near & both).any()
    assert ((foods[..., :2] >= 1) & (foods[..., :2] <= 4))[there].all()
    assert not there.all(), "with so little room some starts have less food"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"size": 2}, "size has to be a whole number from 3 to 64, not 2"),
        ({"players": 0}, "players has to be a whole number from 1 to 32, not 0"),
        ({"sight": 0}, "sight has to be a whole number from 1"),
        ({"penalty": -1.0}, "penalty has to be a number from 0 to 1,000,000, not -1.0"),
        ({"penalty": float("inf")}, "penalty has to be a number from 0 to 1,000,000, not inf"),
        ({"penalty": 10**400}, "penalty has to be a number from 0 to 1,000,000, not 1000"),
        ({"foods": 2.5}, "foods has to be a whole number"),
        ({"food": 2}, "did you mean foods"),
    ],
)
def test_options_are_checked(options: dict[str, object], says: str) -> None:
    with pytest.raises(ArenaOptionError, match=says.replace("(", r"\(")):
        arenas.make("foraging", **options)


def test_render() -> None:
    arena = arenas.make("foraging", size=3, foods=1)
    assert arena.render(put(arena, [[0, 0, 1], [2, 1, 2]], [[1, 1, 3]]), 0) == (
        "step 0 of 50\na1  .  .\n .  3  .\n . b2  ."
    )
