"""What holds in every game of ours, whatever is played."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import arenas
from arenas.check import check
from arenas.core import Arena, State, Turns
from arenas.match import play_matches
from arenas.random import derive_seeds, uniforms
from tests.arenas.toy_arenas import Random

GAMES: dict[str, Arena] = {
    **{name: arenas.make(name) for name in arenas.names()},
    "six rounds": arenas.make("rock_paper_scissors", rounds=6),
    "threats": arenas.make("connect_four", threats=True),
    "soccer": arenas.make("soccer", max_steps=25),
}
PHYSICS = {"spread", "speaker_listener", "tag"}
NOT_ZERO_SUM = PHYSICS | {"foraging", "prisoners_dilemma"}
EVERY_STEP = {"six rounds"} | NOT_ZERO_SUM  # where rewards come before the end
names = st.sampled_from(sorted(GAMES))
seeds = st.integers(-(2**63), 2**63 - 1)


def begin(arena: Arena, seed: int, batch: int = 1) -> State:
    return arena.reset(uniforms(derive_seeds(seed % 2**63, batch), 0, arena.spec.reset_uniforms))


def play_on(arena: Arena, state: State, data: st.DataObject) -> tuple[State, Tensor, bool]:
    """Let hypothesis choose one legal step of a single game."""
    mask = arena.observe(state).action_mask
    rows = mask.view(-1, arena.spec.num_actions).tolist()
    picks = [data.draw(st.sampled_from([action for action, legal in enumerate(row) if legal])) for row in rows]
    actions = torch.tensor(picks).view(mask.shape[:-1])
    width = arena.spec.step_uniforms
    chance = uniforms(torch.tensor([data.draw(seeds)]), 0, width) if width else None
    step = arena.step(state, actions, chance)
    return step.state, step.rewards, bool(step.terminated | step.truncated)


@settings(max_examples=150, deadline=None)
@given(names, seeds, st.data())
def test_rules_of_every_game(name: str, seed: int, data: st.DataObject) -> None:
    """It ends within max_steps, a legal action is there until then, rewards are zero-sum and come when they should."""
    arena = GAMES[name]
    state, ended, steps = begin(arena, seed), False, 0
    while not ended:
        assert steps < arena.spec.max_steps
        state, rewards, ended = play_on(arena, state, data)
        steps += 1
        assert rewards.sum() == 0 or name in NOT_ZERO_SUM
        assert ended or name in EVERY_STEP or not rewards.any()
        assert arena.render(state, 0)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["connect_four", "tic_tac_toe"]), seeds, st.data())
def test_boards_fill_stone_by_stone(name: str, seed: int, data: st.DataObject) -> None:
    """Each ply adds one stone of the mover; both sides see the same board with the colours exchanged."""
    arena = GAMES[name]
    state, ended, ply = begin(arena, seed), False, 0
    while not ended:
        assert arena.turn(state).item() == ply % 2
        board = arena.observe(state).observation[0]
        assert board.sum(dim=(1, 2)).tolist() == [ply // 2, (ply + 1) // 2]
        assert torch.equal(arena.observe(state, 1 - ply % 2).observation[0], board.flip(0))
        state, _, ended = play_on(arena, state, data)
        ply += 1


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["kuhn_poker", "leduc_poker"]), seeds, st.data())
def test_hidden_cards_are_hidden(name: str, seed: int, data: st.DataObject) -> None:
    """A player's view is the same whatever the other holds and whatever public card is still face down."""
    arena = GAMES[name]
    state, ended = begin(arena, seed), False
    while not ended:
        for viewer in (0, 1):
            unseen = [1 - viewer]
            if name == "leduc_poker" and state["round"].item() == 0:
                unseen.append(2)
            cards = state["cards"].clone()
            cards[:, unseen] = (cards[:, unseen] + 2) % (6 if name == "leduc_poker" else 3)  # always another rank
            other = {**state, "cards": cards}
            assert torch.equal(arena.observe(state, viewer).observation, arena.observe(other, viewer).observation)
        state, _, ended = play_on(arena, state, data)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["kuhn_poker", "leduc_poker"]), seeds, st.data())
def test_perfect_recall(name: str, seed: int, data: st.DataObject) -> None:
    """Different betting gives different views: no two moments of a hand look the same to a player."""
    arena = GAMES[name]
    state, ended = begin(arena, seed), False
    seen: list[list[float]] = []
    while not ended:
        view = arena.observe(state, 0).observation[0].tolist()
        assert view not in seen
        seen.append(view)
        state, _, ended = play_on(arena, state, data)


@pytest.mark.parametrize("name", GAMES)
def test_conformance(name: str) -> None:
    assert check(GAMES[name], episodes=256, seed=3) == []


def forward(arena: Arena, state: State, actions: Tensor, live: Tensor) -> tuple[Any, ...]:
    step = arena.step(state, actions, torch.full((len(live), arena.spec.step_uniforms), 0.4), live)
    renewed = arena.renew(
        step.state, step.terminated | step.truncated, torch.full((len(live), arena.spec.reset_uniforms), 0.4)
    )
    return (*arena.observe(renewed), arena.turn(renewed), *step[1:], *renewed.values())


@pytest.mark.parametrize("name", GAMES)
def test_compiles_without_a_graph_break(name: str) -> None:
    """A step, a renewal and an observation are one graph, and the graph gives what eager code gives."""
    arena, batch = GAMES[name], 16
    state = begin(arena, 5, batch)
    shape = (batch, arena.spec.num_agents) if arena.spec.turns is Turns.SIMULTANEOUS else (batch,)
    live = torch.arange(batch) % 3 > 0
    torch.compiler.reset()  # each arena is a graph of its own, and only so many are kept
    compiled = torch.compile(forward, backend="eager", fullgraph=True)
    actions = torch.ones(shape, dtype=torch.int64)
    eager = forward(arena, state, actions, live)
    for one, other in zip(eager, compiled(arena, state, actions, live), strict=True):
        assert torch.equal(one, other)


@pytest.mark.gpu
@pytest.mark.parametrize("name", GAMES)
def test_the_same_matches_on_a_gpu(name: str) -> None:
    arena, device = GAMES[name], torch.device("cuda")
    actors = [Random()] * len(arena.spec.teams)
    here = play_matches(arena, actors, derive_seeds(1, 500), record=True)
    there = play_matches(arena, actors, derive_seeds(1, 500, device=device), record=True)
    for one, other in zip(here, there, strict=True):
        assert one is not None
        assert other is not None
        if name in PHYSICS and one.is_floating_point():  # contacts magnify another rounding, now and then to a touch
            same = torch.isclose(one, other.cpu(), rtol=1e-4, atol=1e-4).all(dim=1)
            assert same.float().mean() > 0.98
        else:
            assert torch.equal(one, other.cpu())
    assert check(arena, device=device) == []


@pytest.mark.parametrize(("name", "first_wins"), [("connect_four", 0.552), ("tic_tac_toe", 0.588)])
def test_first_mover_in_random_play(name: str, first_wins: float) -> None:
    """As measured with PettingZoo's own environments (a few thousand games: one per cent of error)."""
    actors, won = (Random(), Random()), []
    for first in range(0, 20_000, 2000):
        returns = play_matches(GAMES[name], actors, derive_seeds(0, 2000, first)).returns
        won.append(returns[:, 0] > 0)
    assert torch.cat(won).float().mean().item() == pytest.approx(first_wins, abs=0.012)
