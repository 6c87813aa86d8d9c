"""Rock-paper-scissors: one shot, or a number of rounds with a short memory in the observation."""

from __future__ import annotations

import torch
from torch import Tensor

from arenas.core import Arena, ArenaSpec, Observation, State, Step, Turns, select
from arenas.games.cards import one_hot

NAMES = ("rock", "paper", "scissors")
MEMORY = 4  # rounds that are seen


class RockPaperScissors(Arena):
    """Both show a hand at once; paper beats rock, scissors beat paper, rock beats scissors.

    The rules have a symmetry of order three that the spec leaves out on purpose: with it, augmented training could
    play nothing but (1/3, 1/3, 1/3), and the cycles of naive self-play are what this arena is for.

    Actions: 0 rock, 1 paper, 2 scissors.
    Observation [1 + 6 h], h = min(rounds - 1, 4): the share of rounds still to play, then for each of the last h
    rounds, newest first, the viewer's hand and the other's, one-hot. One shot is always the constant 1.
    State: `history` int64 [B, 2, max(h, 1)], each agent's latest hands, newest first, -1 before the start; `round`
    int64 [B].
    Rewards: 1 to the winner of a round, -1 to its loser, 0 for a tie.
    """

    def __init__(self, rounds: int = 1) -> None:
        if not isinstance(rounds, int) or rounds < 1:
            raise ValueError(f"rounds has to be a whole number from 1, not {rounds!r}")
        self.rounds = rounds
        self.memory = min(rounds - 1, MEMORY)
        self.spec = ArenaSpec(
            name="rock_paper_scissors",
            agents=("player_0", "player_1"),
            teams=((0,), (1,)),
            observation_shape=(1 + 2 * len(NAMES) * self.memory,),
            num_actions=len(NAMES),
            turns=Turns.SIMULTANEOUS,
            max_steps=rounds,
            description="Rock-paper-scissors, one shot or `rounds` of them",
        )

    def reset(self, uniforms: Tensor) -> State:
        batch, device = len(uniforms), uniforms.device
        return {
            "history": torch.full((batch, 2, max(self.memory, 1)), -1, dtype=torch.int64, device=device),
            "round": torch.zeros(batch, dtype=torch.int64, device=device),
        }

    def turn(self, state: State) -> Tensor:
        return torch.zeros_like(state["round"])

    def observe(self, state: State, agent: int | None = None, dtype: torch.dtype = torch.float32) -> Observation:
        if agent is not None:
            seen, legal = self.observe(state, dtype=dtype)
            return Observation(seen[:, agent], legal[:, agent])
        history = state["history"][:, :, : self.memory]
        batch = len(history)
        left = (1 - state["round"] / self.rounds).view(-1, 1, 1).expand(-1, 2, 1)
        views = torch.stack((history, history.flip(1)), dim=2)  # [B, viewer, own or other, h]
        hands = one_hot(views.transpose(2, 3), len(NAMES)).reshape(batch, 2, -1)
        legal = torch.ones((batch, 2, len(NAMES)), dtype=torch.bool, device=history.device)
        return Observation(torch.cat((left.to(dtype), hands.to(dtype)), dim=2), legal)

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        margin = (actions[:, 0] - actions[:, 1]) % 3  # 1: the first hand beats the second, 2: it loses
        first = torch.where(margin == 2, -1, margin)
        after = {
            "history": torch.cat((actions[:, :, None], state["history"]), dim=2)[:, :, :-1],
            "round": state["round"] + 1,
        }
        ended = after["round"] >= self.rounds
        if live is not None:
            after, first, ended = select(live, after, state), first * live, ended & live
        rewards = torch.stack((first, -first), dim=1).to(torch.float32)
        return Step(after, rewards, ended, torch.zeros_like(ended))

    def render(self, state: State, index: int) -> str:
        hands = [[NAMES[hand] for hand in row if hand >= 0] for row in state["history"][index].tolist()]
        lines = [f"round {int(state['round'][index])} of {self.rounds}, newest first"]
        return "\n".join([*lines, *(f"player_{seat}: {' '.join(row)}".rstrip() for seat, row in enumerate(hands))])
