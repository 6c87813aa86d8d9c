"""Leduc poker: six cards, two rounds of betting, one public card (Southey et al., "Bayes' Bluff", UAI 2005)."""

from __future__ import annotations

import torch
from torch import Tensor

from arenas.core import Arena, ArenaSpec, Observation, State, Step, Turns, select
from arenas.games.cards import deal, one_hot, settle

RANKS, SUITS = 3, 2
FOLD, CALL, RAISE = 0, 1, 2
ROUNDS = 2
MAX_RAISES = 2  # a round
LONGEST = 4  # actions a round: call, raise, raise, call
NONE = -1  # in the history: not played yet


class LeducPoker(Arena):
    """Bet on a private card, see the public card, bet again; a pair with the public card wins, else the higher rank.

    Both put in one chip. A raise is 2 chips in the first round and 4 in the second, at most two raises a round;
    player_0 opens both rounds. Folding is legal only against a raise.

    Actions: 0 fold, 1 call (check), 2 raise (bet).
    Observation [24], OpenSpiel's information state tensor with the suits left out, which the rules never look at: the
    viewer's seat (2), the rank of its card (3), the rank of the public card (3, all 0 before it is shown), then for
    each round and each of the four possible actions in it whether that was a call or a raise (2 * 4 * 2).
    State: `cards` int64 [B, 3], both private cards and the public one (rank = card // 2), all dealt at the start;
    `history` int64 [B, 2, 4], the actions by round, -1 where there is none; `stakes` int64 [B, 2], chips in the pot;
    `round`, `length` (actions in this round) and `raises` (in this round), int64 [B].
    Rewards, at the end only: the chips won or lost, 1 to 13.
    """

    spec = ArenaSpec(
        name="leduc_poker",
        agents=("player_0", "player_1"),
        teams=((0,), (1,)),
        observation_shape=(2 + 2 * RANKS + ROUNDS * LONGEST * 2,),
        num_actions=3,
        turns=Turns.SEQUENTIAL,
        max_steps=ROUNDS * LONGEST,
        reset_uniforms=3,
        description="Leduc poker, six cards and two rounds of betting",
    )

    def reset(self, uniforms: Tensor) -> State:
        batch, device = len(uniforms), uniforms.device
        zero = torch.zeros(batch, dtype=torch.int64, device=device)
        return {
            "cards": deal(uniforms, RANKS * SUITS),
            "history": torch.full((batch, ROUNDS, LONGEST), NONE, dtype=torch.int64, device=device),
            "stakes": torch.ones((batch, 2), dtype=torch.int64, device=device),
            "round": zero,
            "length": zero.clone(),
            "raises": zero.clone(),
        }

    def turn(self, state: State) -> Tensor:
        return state["length"] % 2

    def observe(self, state: State, agent: int | None = None, dtype: torch.dtype = torch.float32) -> Observation:
        turn = self.turn(state)
        viewer = turn if agent is None else torch.full_like(turn, agent)
        ranks = state["cards"] // SUITS
        card = ranks[:, :2].gather(1, viewer[:, None])[:, 0]
        shown = torch.where(state["round"] > 0, ranks[:, 2], NONE)
        bets = one_hot(state["history"] - CALL, 2).flatten(1)  # a fold ends the hand and has no bit of its own
        seen = torch.cat((one_hot(viewer, 2), one_hot(card, RANKS), one_hot(shown, RANKS), bets), dim=1)
        owing = state["stakes"][:, 0] != state["stakes"][:, 1]
        legal = torch.stack((owing, torch.ones_like(owing), state["raises"] < MAX_RAISES), dim=1)
        return Observation(seen.to(dtype), legal & (viewer == turn)[:, None])

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        number, length, raises = state["round"], state["length"], state["raises"]
        place = one_hot(number * LONGEST + length, ROUNDS * LONGEST).view(-1, ROUNDS, LONGEST)
        raised, folded = actions == RAISE, actions == FOLD
        level = state["stakes"].amax(dim=1) + torch.where(raised, 2 * (1 + number), 0)
        mover = one_hot(self.turn(state), 2) & ~folded[:, None]
        stakes = torch.where(mover, level[:, None], state["stakes"])
        closed = (actions == CALL) & (length > 0)  # any call but the opening one ends the round
        ended = folded | (closed & (number == ROUNDS - 1))
        ranks = state["cards"] // SUITS
        strength = ranks[:, :2] + RANKS * (ranks[:, :2] == ranks[:, 2:])
        won = torch.where(ended, settle(stakes, strength[:, 0] - strength[:, 1]), 0)
        onward = closed & ~ended
        after = {
            "cards": state["cards"],
            "history": torch.where(place, actions[:, None, None], state["history"]),
            "stakes": stakes,
            "round": number + onward.to(torch.int64),
            "length": torch.where(onward, 0, length + 1),
            "raises": torch.where(onward, 0, raises + raised.to(torch.int64)),
        }
        if live is not None:
            after, won, ended = select(live, after, state), won * live, ended & live
        rewards = torch.stack((won, -won), dim=1).to(torch.float32)
        return Step(after, rewards, ended, torch.zeros_like(ended))

    def render(self, state: State, index: int) -> str:
        first, second, public = ("JQK"[card // SUITS] for card in state["cards"][index].tolist())
        names = {FOLD: "fold", CALL: "call", RAISE: "raise"}
        played = state["history"][index].tolist()
        rounds = [" ".join(names[action] for action in row if action != NONE) for row in played]
        shown = public if int(state["round"][index]) > 0 else "?"
        stakes = state["stakes"][index].tolist()
        return (
            f"player_0: {first} ({stakes[0]})  player_1: {second} ({stakes[1]})  public: {shown}\n"
            f"{rounds[0] or '-'} / {rounds[1] or '-'}"
        )
