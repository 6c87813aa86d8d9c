"""Our card games against OpenSpiel's, ply by ply over 10,000 random games each, with the cards that we dealt."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyspiel
import pytest

import arenas
from tests.parity.plays import Plays, assert_agree, play


def follow(name: str, plays: Plays) -> dict[str, np.ndarray[Any, Any]]:
    """Play the recorded actions in OpenSpiel: what it shows and gives at each ply."""
    game = pyspiel.load_game(name)
    width = game.information_state_tensor_shape()[0]
    observation = np.zeros((*plays.live.shape, width), dtype=np.float32)
    mask, turn = np.zeros_like(plays.mask), np.zeros_like(plays.turn)
    rewards, ended = np.zeros_like(plays.rewards), np.zeros_like(plays.ended)
    recorded = zip(plays.start["cards"].tolist(), plays.actions.tolist(), plays.lengths(), strict=True)
    for index, (cards, actions, length) in enumerate(recorded):
        state, deck = game.new_initial_state(), iter(cards)
        for ply, action in enumerate(actions[:length]):
            while state.is_chance_node():
                state.apply_action(next(deck))
            player = state.current_player()
            turn[index, ply], mask[index, ply] = player, state.legal_actions_mask(player)
            observation[index, ply] = state.information_state_tensor(player)
            state.apply_action(action)
            rewards[index, ply] = state.rewards() if not state.is_chance_node() else (0, 0)
            ended[index, ply] = state.is_terminal()
            if state.is_terminal():
                break
    return {"turn": turn, "mask": mask, "observation": observation, "rewards": rewards, "ended": ended}


def fold_suits(tensor: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """OpenSpiel's Leduc information state [.., 30] with ranks in place of cards, [.., 24]."""
    private = tensor[..., 2:8].reshape(*tensor.shape[:-1], 3, 2).sum(axis=-1)
    public = tensor[..., 8:14].reshape(*tensor.shape[:-1], 3, 2).sum(axis=-1)
    return np.concatenate((tensor[..., :2], private, public, tensor[..., 14:]), axis=-1)


@pytest.mark.parametrize("name", ["kuhn_poker", "leduc_poker"])
def test_parity(name: str) -> None:
    plays = play(arenas.make(name))
    theirs = follow(name, plays)
    if name == "leduc_poker":
        theirs["observation"] = fold_suits(theirs["observation"])
    for what in ("turn", "mask", "observation", "rewards", "ended"):
        assert_agree(what, getattr(plays, what), theirs[what], plays.live)


@pytest.mark.parametrize(("name", "deals"), [("kuhn_poker", 6), ("leduc_poker", 6 * 5 * 4)])
def test_every_deal_occurs_equally_often(name: str, deals: int) -> None:
    plays = play(arenas.make(name), games=deals * 500)
    _, counts = np.unique(plays.start["cards"].numpy(), axis=0, return_counts=True)
    assert len(counts) == deals
    assert ((counts - 500) ** 2 / 500).sum() < deals + 5 * np.sqrt(2 * deals)  # chi-square, five sigmas
