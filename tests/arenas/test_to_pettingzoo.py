"""Arenas as PettingZoo environments, by PettingZoo's own tests, and there and back again."""

from __future__ import annotations

import warnings
from contextlib import closing
from typing import Any, Literal

import numpy as np
import pytest
import torch

import arenas
from arenas.core import Arena, Turns
from arenas.pettingzoo import aec_env, from_pettingzoo, parallel_env

with warnings.catch_warnings():  # PettingZoo's tests import its environments in a way that it deprecates
    warnings.simplefilter("ignore", DeprecationWarning)
    from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test, seed_test

SEQUENTIAL = ["connect_four", "tic_tac_toe", "kuhn_poker", "leduc_poker", "openspiel:leduc_poker"]
SIMULTANEOUS = ["rock_paper_scissors", "spread", "speaker_listener", "tag", "openspiel:goofspiel(num_cards=4)"]
ADVICE = "ignore:.*(Observation space for each agent probably|all zeros|single number).*:UserWarning"


@pytest.mark.filterwarnings(ADVICE)
@pytest.mark.parametrize("name", SEQUENTIAL + SIMULTANEOUS)
def test_pettingzoo_api_test(name: str) -> None:
    api_test(aec_env(name), num_cycles=60)


@pytest.mark.filterwarnings(ADVICE)
@pytest.mark.usefixtures("toys")
def test_pettingzoo_api_test_of_an_arena_that_rewards_every_step() -> None:
    with closing(from_pettingzoo("toys/corridor", api="aec", lives=[0, 0], workers=1)) as arena:
        api_test(aec_env(arena), num_cycles=20)


@pytest.mark.parametrize("name", SEQUENTIAL + SIMULTANEOUS)
def test_pettingzoo_seed_test(name: str) -> None:
    seed_test(lambda: aec_env(name), num_cycles=60)


@pytest.mark.filterwarnings(ADVICE)
@pytest.mark.parametrize("name", SIMULTANEOUS)
def test_pettingzoo_parallel_api_test(name: str) -> None:
    parallel_api_test(parallel_env(name), num_cycles=60)


def test_pettingzoo_parallel_seed_test() -> None:
    parallel_seed_test(lambda: parallel_env("rock_paper_scissors", rounds=9), num_cycles=9)


def test_the_seed_decides_the_deal_and_no_seed_goes_on() -> None:
    def deals(env: Any, seed: int | None, count: int) -> list[list[float]]:
        env.reset(seed=seed)
        seen = [env.observe(env.agent_selection)["observation"].tolist()]
        for _ in range(count - 1):
            env.reset()
            seen.append(env.observe(env.agent_selection)["observation"].tolist())
        return seen

    first = deals(aec_env("kuhn_poker"), 3, 20)
    assert deals(aec_env("kuhn_poker"), 3, 20) == first
    assert len({tuple(deal) for deal in first}) > 1


def test_an_illegal_action_is_an_error_that_says_what_is_legal() -> None:
    env = aec_env("tic_tac_toe")
    env.reset(seed=0)
    env.step(4)
    with pytest.raises(ValueError, match=r"player_1 played 4; its legal actions are \[0, 1, 2, 3, 5, 6, 7, 8\]"):
        env.step(4)
    with pytest.raises(ValueError, match="player_1 played 9"):
        env.step(9)
    env.step(0)  # the game goes on as if nothing had happened
    assert env.agent_selection == "player_0"


def test_rewards_are_those_of_the_step() -> None:
    env = aec_env("tic_tac_toe")
    env.reset(seed=0)
    for cell in (0, 3, 1, 4, 2):
        env.step(cell)
    assert env.rewards == {"player_0": 1.0, "player_1": -1.0}
    assert env.terminations == {"player_0": True, "player_1": True}
    assert not any(env.truncations.values())
    assert env.last()[1] == -1


def test_render_is_text() -> None:
    env = aec_env("connect_four", render_mode="ansi")
    env.reset(seed=0)
    env.step(3)
    assert env.render().splitlines()[-2:] == [". . . X . . .", "0 1 2 3 4 5 6"]
    silent = aec_env("connect_four")
    silent.reset(seed=0)
    assert silent.render() is None
    with pytest.raises(ValueError, match="drawn as text"):
        aec_env("connect_four", render_mode="human")


def test_agents_that_take_turns_have_no_parallel_env() -> None:
    with pytest.raises(ValueError, match="take turns"):
        parallel_env("connect_four")


def test_a_step_before_reset_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="rock_paper_scissors: no episode is under way"):
        parallel_env("rock_paper_scissors").step({"player_0": 0, "player_1": 0})
    with pytest.raises(RuntimeError, match="tic_tac_toe: no episode is under way"):
        aec_env("tic_tac_toe").step(0)


@pytest.mark.parametrize("name", ["connect_four", "leduc_poker", "rock_paper_scissors"])
def test_there_and_back_again(name: str) -> None:
    """An arena behind PettingZoo's interface behind ours shows the same games as itself."""
    native = arenas.make(name)
    simultaneous = native.spec.turns is Turns.SIMULTANEOUS
    api: Literal["aec", "parallel"] = "parallel" if simultaneous else "aec"
    with closing(from_pettingzoo("arenas/to_pettingzoo", api=api, arena=name, workers=2, max_steps=60)) as arena:
        seeds = torch.tensor([[0.1], [0.5], [0.9]])
        state, same = arena.reset(seeds), _native_start(native, seeds)
        live = torch.ones(3, dtype=torch.bool)
        random = torch.Generator().manual_seed(0)
        while live.any():
            (observation, mask), expected = arena.observe(state), native.observe(same)
            assert torch.equal(observation[live], expected.observation[live])
            assert torch.equal(mask[live], expected.action_mask[live])
            assert torch.equal(arena.turn(state)[live], native.turn(same)[live])
            odds = (mask | ~live.view(-1, *[1] * (mask.dim() - 1))).float().flatten(0, -2)
            actions = torch.multinomial(odds, 1, generator=random).view(mask.shape[:-1])
            step, other = arena.step(state, actions, live=live), native.step(same, actions, live=live)
            assert torch.equal(step.rewards, other.rewards)
            assert torch.equal(step.terminated, other.terminated)
            assert not step.truncated.any()
            state, same, live = step.state, other.state, live & ~step.terminated


def _native_start(arena: Arena, uniforms: torch.Tensor) -> dict[str, torch.Tensor]:
    """The states that the environments draw from the seeds which the uniforms stand for."""
    rows = [
        np.random.default_rng(int(uniform * 2**24)).random(arena.spec.reset_uniforms, dtype=np.float32)
        for uniform in uniforms[:, 0].double().tolist()
    ]
    return arena.reset(torch.from_numpy(np.stack(rows)))
