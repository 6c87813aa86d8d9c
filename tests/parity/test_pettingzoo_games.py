"""Our games against PettingZoo's, ply by ply over 10,000 random games each.

The environments are driven without their wrappers, which only guard against misuse and take half of the time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pettingzoo
import pytest

import arenas
from tests.parity.plays import Plays, assert_agree, play


def raw(name: str, **options: Any) -> Any:
    return pettingzoo.make("aec", name, **options).unwrapped


def follow(env: Any, plays: Plays, shape: tuple[int, ...]) -> dict[str, np.ndarray[Any, Any]]:
    """Play the recorded actions in a board game of PettingZoo: what it shows and gives at each ply."""
    batch, longest = plays.live.shape
    mask = np.zeros(plays.mask.shape, dtype=bool)
    observation = np.zeros((batch, longest, *shape), dtype=np.int8)
    turn = np.zeros((batch, longest), dtype=np.int64)
    rewards = np.zeros(plays.rewards.shape, dtype=np.float32)
    ended = np.zeros((batch, longest), dtype=bool)
    agents = {agent: index for index, agent in enumerate(env.possible_agents)}
    for game, (actions, length) in enumerate(zip(plays.actions.tolist(), plays.lengths(), strict=True)):
        env.reset()
        for ply, action in enumerate(actions[:length]):
            agent = env.agent_selection
            turn[game, ply] = agents[agent]
            seen = env.observe(agent)
            mask[game, ply], observation[game, ply] = seen["action_mask"], seen["observation"]
            env.step(action)
            rewards[game, ply] = [env.rewards[each] for each in agents]
            ended[game, ply] = all(env.terminations.values())
            if ended[game, ply]:
                break
    return {"turn": turn, "mask": mask, "observation": observation, "rewards": rewards, "ended": ended}


def assert_same_games(plays: Plays, theirs: dict[str, np.ndarray[Any, Any]]) -> None:
    assert_agree("turn", plays.turn, theirs["turn"], plays.live)
    assert_agree("mask", plays.mask, theirs["mask"], plays.live)
    assert_agree("observation", plays.observation, theirs["observation"], plays.live)
    assert_agree("rewards", plays.rewards, theirs["rewards"], plays.live)
    assert_agree("ended", plays.ended, theirs["ended"], plays.live)


def test_connect_four() -> None:
    plays = play(arenas.make("connect_four"))
    theirs = follow(raw("classic/connect_four-v3"), plays, (6, 7, 2))
    theirs["observation"] = np.moveaxis(theirs["observation"], -1, 2)[:, :, :, ::-1]  # their row 0 is the top
    assert_same_games(plays, theirs)


def test_tic_tac_toe() -> None:
    plays = play(arenas.make("tic_tac_toe"))
    theirs = follow(raw("classic/tictactoe-v3"), plays, (3, 3, 2))
    theirs["observation"] = np.moveaxis(theirs["observation"], -1, 2)
    assert_same_games(plays, theirs)


@pytest.mark.parametrize("rounds", [1, 4])
def test_rock_paper_scissors(rounds: int) -> None:
    """PettingZoo counts its last round as a truncation; here the number of rounds is part of the rules."""
    plays = play(arenas.make("rock_paper_scissors", rounds=rounds))
    env = raw("classic/rps-v2", max_cycles=rounds)
    rewards, ended = np.zeros_like(plays.rewards), np.zeros_like(plays.ended)
    last = np.full(plays.actions.shape, -1)  # what each agent sees: the other's last hand
    for game, hands in enumerate(plays.actions.tolist()):
        env.reset()
        for number, pair in enumerate(hands):
            for seat, hand in enumerate(pair):
                agent = env.agent_selection
                assert agent == env.possible_agents[seat]
                assert env.action_space(agent).n == plays.mask[game, number, seat].sum()
                last[game, number, seat] = int(env.observe(agent)) if number else -1
                env.step(hand)
            rewards[game, number] = [env.rewards[agent] for agent in env.possible_agents]
            ended[game, number] = all(env.truncations.values()) or all(env.terminations.values())
    assert_agree("rewards", plays.rewards, rewards, plays.live)
    assert_agree("ended", plays.ended, ended, plays.live)
    if rounds > 1:
        seen = plays.observation[..., 4:7]  # the other's hand of the last round, one-hot
        shown = np.where(seen.any(axis=-1), seen.argmax(axis=-1), -1)
        assert_agree("the last hand seen", shown, last, plays.live)
