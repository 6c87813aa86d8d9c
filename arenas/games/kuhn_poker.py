"""Kuhn poker: three cards, one chip ante, one bet (H. W. Kuhn, "A simplified two-person poker", 1950)."""

from __future__ import annotations

import torch
from torch import Tensor

from arenas.core import Arena, ArenaSpec, Observation, State, Step, Turns, select
from arenas.games.cards import deal, one_hot, settle

CARDS = 3
PASS, BET = 0, 1
LONGEST = 3  # pass, bet, answer
NONE = -1  # in the history: not played yet


class KuhnPoker(Arena):
    """Pass or bet one chip; a bet is answered by passing (a fold) or betting (a call); the higher card wins the pot.

    Actions: 0 pass, 1 bet.
    Observation [11], OpenSpiel's information state tensor: the viewer's seat (2), its card (3), then for each of the
    three possible actions, in order, whether it was a pass or a bet (3 * 2).
    State: `cards` int64 [B, 2]; `history` int64 [B, 3], the actions so far, -1 where there is none; `length` int64 [B].
    Rewards, at the end only: the chips won or lost, 1 or 2.
    """

    spec = ArenaSpec(
        name="kuhn_poker",
        agents=("player_0", "player_1"),
        teams=((0,), (1,)),
        observation_shape=(2 + CARDS + 2 * LONGEST,),
        num_actions=2,
        turns=Turns.SEQUENTIAL,
        max_steps=LONGEST,
        reset_uniforms=2,
        description="Kuhn poker, three cards and one bet",
    )

    def reset(self, uniforms: Tensor) -> State:
        batch, device = len(uniforms), uniforms.device
        return {
            "cards": deal(uniforms, CARDS),
            "history": torch.full((batch, LONGEST), NONE, dtype=torch.int64, device=device),
            "length": torch.zeros(batch, dtype=torch.int64, device=device),
        }

    def turn(self, state: State) -> Tensor:
        return state["length"] % 2

    def observe(self, state: State, agent: int | None = None, dtype: torch.dtype = torch.float32) -> Observation:
        turn = self.turn(state)
        viewer = turn if agent is None else torch.full_like(turn, agent)
        card = state["cards"].gather(1, viewer[:, None])[:, 0]
        parts = (one_hot(viewer, 2), one_hot(card, CARDS), one_hot(state["history"], 2).flatten(1))
        legal = (viewer == turn)[:, None].expand(-1, 2)
        return Observation(torch.cat(parts, dim=1).to(dtype), legal)

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        cards, length = state["cards"], state["length"]
        history = torch.where(one_hot(length, LONGEST), actions[:, None], state["history"])
        bets = history == BET
        stakes = 1 + torch.stack((bets[:, 0] | bets[:, 2], bets[:, 1]), dim=1).to(torch.int64)
        answerable = bets[:, 1] & ~bets[:, 0]  # only pass, bet goes on to a third action
        ended = (length == 2) | ((length == 1) & ~answerable)
        won = torch.where(ended, settle(stakes, cards[:, 0] - cards[:, 1]), 0)
        after = {"cards": cards, "history": history, "length": length + 1}
        if live is not None:
            after, won, ended = select(live, after, state), won * live, ended & live
        rewards = torch.stack((won, -won), dim=1).to(torch.float32)
        return Step(after, rewards, ended, torch.zeros_like(ended))

    def render(self, state: State, index: int) -> str:
        first, second = ("JQK"[card] for card in state["cards"][index].tolist())
        played = ["bet" if action == BET else "pass" for action in state["history"][index].tolist() if action != NONE]
        return f"player_0: {first}  player_1: {second}\n{' '.join(played) or '-'}"
