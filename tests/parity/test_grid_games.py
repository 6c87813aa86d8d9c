"""Foraging, soccer and the prisoner's dilemma against lbforaging and OpenSpiel, over 1,000 random episodes each.

Steps are random, every other one on average that of the scripted player: uniform play hardly ever eats or scores.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import gymnasium
import numpy as np
import pyspiel
import pytest
import torch
from lbforaging.foraging.environment import ForagingEnv
from open_spiel.python.games import iterated_prisoners_dilemma  # noqa: F401  (pyspiel knows it once it is imported)
from scipy import stats

from agents.core import Agent
from agents.scripted.foraging import ForagingHeuristic
from agents.scripted.soccer import SoccerHeuristic
from arenas.core import Arena, Observation, State
from arenas.games.foraging import Foraging
from arenas.games.prisoners_dilemma import PrisonersDilemma
from arenas.games.soccer import Soccer
from arenas.random import derive_seeds, uniforms
from tests.parity.plays import Array, Plays, assert_agree

EPISODES = 1_000
TASKS: dict[str, dict[str, Any]] = {
    "Foraging-8x8-2p-2f-coop-v3": {},
    "Foraging-10x10-3p-3f-v3": {"size": 10, "players": 3, "foods": 3, "force_coop": False},
    "Foraging-2s-8x8-3p-3f-v3": {"players": 3, "foods": 3, "force_coop": False, "sight": 2},
    "Foraging-2s-5x5-4p-4f-v3": {"size": 5, "players": 4, "foods": 4, "force_coop": False, "sight": 2},
}


def record(arena: Arena, guide: Agent | None = None, episodes: int = EPISODES) -> tuple[Plays, list[torch.Tensor]]:
    """Play episodes, and say what chance they were given at each step."""
    spec, seeds = arena.spec, derive_seeds(1, episodes)
    start = state = arena.reset(uniforms(seeds, 0, spec.reset_uniforms))
    live = torch.ones(episodes, dtype=torch.bool)
    columns: list[tuple[torch.Tensor, ...]] = []
    chance: list[torch.Tensor] = []
    while live.any():
        seen, turn = arena.observe(state), arena.turn(state)
        rows = Observation(*(tensor.transpose(0, 1).flatten(0, 1) for tensor in seen))
        draws = uniforms(seeds, len(columns), 2 * spec.num_agents * spec.num_actions, 1)
        draws = draws.view(episodes, 2, spec.num_agents, -1).permute(1, 2, 0, 3).flatten(1, 2)
        actions = torch.where(rows.action_mask, draws[0], -1.0).argmax(dim=1)
        if guide:
            guided = guide.act(rows, draws[1], live.repeat(spec.num_agents))
            actions = torch.where(draws[0, :, 0] < 0.5, guided, actions)
        actions = actions.view(spec.num_agents, episodes).T
        chance.append(uniforms(seeds, len(columns), spec.step_uniforms, 2))
        step = arena.step(state, actions, chance[-1], live)
        ended = step.terminated | step.truncated
        columns.append((*seen, turn, actions, step.rewards, ended, live))
        state, live = step.state, live & ~ended
    return Plays(start, *(torch.stack(column, dim=1).numpy() for column in zip(*columns, strict=True))), chance


def foraging_env(task: str, **options: Any) -> ForagingEnv:
    return gymnasium.make(task, disable_env_checker=True, **options).unwrapped


def place(env: ForagingEnv, state: State, index: int) -> None:
    """Put lbforaging into one of our starts."""
    env.field[:] = 0
    env.current_step = 0
    for row, column, level in state["foods"][index].tolist():
        if level:
            env.field[row, column] = level
    for player, (row, column, level) in zip(env.players, state["agents"][index].tolist(), strict=True):
        player.setup((row, column), level, env.field_size)
    env._food_spawned = env.field.sum()
    env._gen_valid_moves()


def follow(env: ForagingEnv, plays: Plays) -> dict[str, Array]:
    """Play the recorded actions in lbforaging: what it shows and gives at each step."""
    theirs = {name: np.zeros_like(getattr(plays, name)) for name in ("observation", "mask", "rewards", "ended")}
    for episode, (actions, length) in enumerate(zip(plays.actions.tolist(), plays.lengths(), strict=True)):
        place(env, plays.start, episode)
        seen = env._make_gym_obs()
        for step in range(length):
            theirs["observation"][episode, step] = seen
            for number, player in enumerate(env.players):
                theirs["mask"][episode, step, number, [action.value for action in env._valid_actions[player]]] = True
            seen, rewards, done, _, _ = env.step(actions[step])
            theirs["rewards"][episode, step], theirs["ended"][episode, step] = rewards, done
    return theirs


@pytest.mark.parametrize("task", TASKS)
def test_foraging(task: str) -> None:
    arena = Foraging(**TASKS[task])
    plays, _ = record(arena, ForagingHeuristic(arena.spec))
    theirs = follow(foraging_env(task), plays)
    for name in ("observation", "mask", "rewards", "ended"):
        assert_agree(name, getattr(plays, name), theirs[name], plays.live)
    assert (plays.rewards > 0).any(axis=(1, 2)).sum() > EPISODES / 3, "hardly anybody ate"


def test_foraging_with_a_penalty_and_illegal_actions() -> None:
    """Without masks any action is played: what is illegal is a stay there and here. Rewards are rounded to float32."""
    task = "Foraging-10x10-3p-3f-v3"
    arena = Foraging(**TASKS[task], penalty=0.1, masks=False)
    plays, _ = record(arena, ForagingHeuristic(arena.spec))
    theirs = follow(foraging_env(task, penalty=0.1), plays)
    for name in ("observation", "rewards", "ended"):
        assert_agree(name, getattr(plays, name), theirs[name], plays.live)
    assert plays.mask.all()
    assert not theirs["mask"].all()
    assert (plays.rewards < 0).any()


def alike(ours: Array, theirs: Array) -> float:
    """p of the hypothesis that two samples of whole numbers are of one distribution (chi-square)."""
    low, high = min(ours.min(), theirs.min()), max(ours.max(), theirs.max())
    counts = np.stack([np.bincount(sample.ravel() - low, minlength=high - low + 1) for sample in (ours, theirs)])
    return float(stats.chi2_contingency(counts[:, counts.sum(axis=0) > 0]).pvalue)


@pytest.mark.parametrize("task", TASKS)
def test_foraging_starts_are_alike(task: str) -> None:
    """A new environment each time: later resets of lbforaging avoid the cells where agents stood before."""
    arena = Foraging(**TASKS[task])
    episodes = 3 * EPISODES if arena.size > 5 else EPISODES // 2  # on a crowded grid lbforaging tries 1,000 times each
    state = arena.reset(uniforms(derive_seeds(7, episodes), 0, arena.spec.reset_uniforms))
    ours = arena.observe(state).observation[:, 0].to(torch.int64).numpy()
    env, rows = foraging_env(task), []
    for seed in range(episodes):
        for player in env.players:
            player.position = None
        rows.append(env.reset(seed=seed)[0][0])
    theirs = np.stack(rows).astype(np.int64)
    foods = 3 * arena.foods
    there = (theirs[:, 2:foods:3] > 0).sum(axis=1)
    placed = (ours[:, 2:foods:3] > 0).sum(axis=1)
    features = {f"column {column}": (ours[:, column], theirs[:, column]) for column in range(ours.shape[1])}
    features["foods placed"] = placed, there
    pairs = ((0, 3), (1, 4), (0, foods), (1, foods + 1), (foods, foods + 3), (foods + 2, foods + 5))
    for one, two in pairs:  # how places and levels lie to each other
        features[f"columns {one} and {two}"] = ours[:, one] - ours[:, two], theirs[:, one] - theirs[:, two]
    values = {name: alike(*samples) for name, samples in features.items()}
    worst = min(values, key=lambda name: values[name])
    assert values[worst] > 0.001 / len(values), f"{worst}: p = {values[worst]}"


A_FIRST, B_FIRST, BALL = 0, 1, 2
"""OpenSpiel's chance outcomes; the two that say which of the two middle cells has the ball begin with BALL."""


def spiel_soccer(horizon: int, draws: torch.Tensor) -> list[Any]:
    """Games of markov_soccer in which the ball lies where ours does with these uniforms [B, 1]."""
    game = pyspiel.load_game("markov_soccer", {"horizon": horizon})
    assert (game.num_distinct_actions(), game.observation_tensor_shape()) == (5, [6, 4, 5])
    states = []
    for draw in draws[:, 0].tolist():
        state = game.new_initial_state()
        assert state.chance_outcomes() == [(BALL, 0.5), (BALL + 1, 0.5)]
        state.apply_action(BALL + int(draw >= 0.5))
        states.append(state)
    return states


@pytest.mark.parametrize("horizon", [1000, 12])
@pytest.mark.parametrize("guided", [False, True])
def test_soccer(horizon: int, guided: bool) -> None:
    """States, what is seen, legal actions, chance, returns and ends, also where the horizon comes first."""
    arena = Soccer(players=1, max_steps=horizon - 1)
    plays, chance = record(arena, SoccerHeuristic(arena.spec) if guided else None)
    theirs = {name: np.zeros_like(getattr(plays, name)) for name in ("observation", "mask", "rewards", "ended")}
    theirs["observation"][:, :, :, 6] = plays.observation[:, :, :, 6]  # the viewer's own cell, which OpenSpiel hides
    states = spiel_soccer(horizon, uniforms(derive_seeds(1, EPISODES), 0, 1))
    orders = [draws.argsort(dim=1)[:, 0].tolist() for draws in chance]
    for episode, (game, actions, length) in enumerate(
        zip(states, plays.actions.tolist(), plays.lengths(), strict=True)
    ):
        for step in range(length):
            for player in (0, 1):
                planes = np.array(game.observation_tensor(player)).reshape(6, 4, 5)
                theirs["observation"][episode, step, player, :6] = planes
                theirs["mask"][episode, step, player, game.legal_actions(player)] = True
            game.apply_actions(actions[step])
            assert game.chance_outcomes() == [(A_FIRST, 0.5), (B_FIRST, 0.5)]
            game.apply_action(B_FIRST if orders[step][episode] else A_FIRST)
            theirs["rewards"][episode, step] = game.returns()
            theirs["ended"][episode, step] = game.is_terminal()
    for name in ("observation", "mask", "rewards", "ended"):
        assert_agree(name, getattr(plays, name), theirs[name], plays.live)
    for player, sign in ((0, 1), (1, -1)):
        planes = plays.observation[:, :, player]
        assert (planes[:, :, 6] == sign * planes[:, :, 2 * player : 2 * player + 2].sum(axis=2))[plays.live].all()
    assert (plays.rewards[..., 0] > 0).any()
    assert (plays.rewards[..., 0] < 0).any()


def test_soccer_from_every_start_with_every_joint_action() -> None:
    """Both places of the ball and both orders: after two steps each of the states is OpenSpiel's, ends included."""
    arena = Soccer(players=1)
    joint = list(product(range(5), repeat=2))
    cases = list(product((0.0, 0.5), joint, (A_FIRST, B_FIRST), joint, (A_FIRST, B_FIRST)))
    balls = torch.tensor([[ball] for ball, *_ in cases])
    state, games = arena.reset(balls), spiel_soccer(1000, balls)
    for moves in ([case[1:3] for case in cases], [case[3:] for case in cases]):
        actions = torch.tensor([actions for actions, _ in moves])
        order = torch.tensor([[0.0, 0.5] if first == A_FIRST else [0.5, 0.0] for _, first in moves])
        state = arena.step(state, actions, order).state
        for game, (both, first) in zip(games, moves, strict=True):
            game.apply_actions(list(both))
            game.apply_action(first)
    theirs = np.array([game.observation_tensor(0) for game in games]).reshape(-1, 6, 4, 5)
    assert (arena.global_state(state).numpy() == theirs).all()


def test_soccer_after_a_goal() -> None:
    """Who has scored has left the pitch with the ball, while the other still moves."""
    arena = Soccer(players=1)
    games = spiel_soccer(1000, torch.tensor([[0.5], [0.5]]))
    state = arena.reset(torch.tensor([[0.5], [0.5]]))
    for actions in ((3, 2), (3, 1), (3, 1), (3, 2)):  # b gets out of the way
        for order in (0, 1):
            games[order].apply_actions(list(actions))
            games[order].apply_action(order)
        step = arena.step(state, torch.tensor([actions] * 2), torch.tensor([[0.0, 0.5], [0.5, 0.0]]))
        state = step.state
        theirs = np.array([game.observation_tensor(0) for game in games]).reshape(-1, 6, 4, 5)
        assert (arena.global_state(state).numpy() == theirs).all()
    assert step.terminated.all()
    assert [game.returns() for game in games] == step.rewards.tolist() == [[1.0, -1.0]] * 2


def test_prisoners_dilemma() -> None:
    """OpenSpiel's has other payoffs, and goes on with probability 0.875."""
    arena = PrisonersDilemma(rounds=9999, continuation=0.875, payoffs=(5, 10, 0, 1))
    plays, chance = record(arena)
    game = pyspiel.load_game("python_iterated_prisoners_dilemma")
    rewards, ended, mask = np.zeros_like(plays.rewards), np.zeros_like(plays.ended), np.zeros_like(plays.mask)
    for episode, (actions, length) in enumerate(zip(plays.actions.tolist(), plays.lengths(), strict=True)):
        state = game.new_initial_state()
        for step in range(length):
            mask[episode, step] = [state.legal_actions_mask(player) for player in (0, 1)]
            state.apply_actions(actions[step])
            rewards[episode, step] = state.rewards()
            assert state.chance_outcomes() == [(0, 0.875), (1, 0.125)]
            state.apply_action(int(chance[step][episode, 0] >= 0.875))
            ended[episode, step] = state.is_terminal()
    assert_agree("mask", plays.mask, mask, plays.live)
    assert_agree("rewards", plays.rewards, rewards, plays.live)
    assert_agree("ended", plays.ended, ended, plays.live)
    assert abs(plays.live.sum() / EPISODES - 8) < 4 * np.sqrt(0.875) / 0.125 / np.sqrt(EPISODES)  # geometric, mean 8
