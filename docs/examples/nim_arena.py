"""Nim: 21 stones, take one to three of them in turn; whoever takes the last one wins."""

import torch
from torch import Tensor

from arenas.core import Arena, ArenaSpec, Observation, State, Step, Turns

STONES, MOST = 21, 3


class Nim(Arena):
    spec = ArenaSpec(
        name="nim",
        agents=("player_0", "player_1"),
        teams=((0,), (1,)),
        observation_shape=(STONES,),  # one cell for each stone that is left
        num_actions=MOST,  # action a takes a + 1 stones
        turns=Turns.SEQUENTIAL,
        max_steps=STONES,
        description="Nim: take one to three of 21 stones, the last one wins",
    )

    def reset(self, uniforms: Tensor) -> State:
        zeros = torch.zeros(len(uniforms), dtype=torch.int64, device=uniforms.device)
        return {"stones": zeros + STONES, "turn": zeros}

    def turn(self, state: State) -> Tensor:
        return state["turn"]

    def observe(self, state: State, agent: int | None = None, dtype: torch.dtype = torch.float32) -> Observation:
        left = state["stones"][:, None]
        cells = torch.arange(STONES, device=left.device)
        legal = cells[:MOST] < left
        if agent is not None:  # somebody who is not to move has no legal action
            legal = legal & (state["turn"] == agent)[:, None]
        return Observation((cells < left).to(dtype), legal)

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        playing = torch.ones_like(actions, dtype=torch.bool) if live is None else live
        turn = state["turn"]
        stones = state["stones"] - (actions + 1) * playing
        ended = (stones == 0) & playing
        first = torch.where(ended, 1.0 - 2.0 * turn, 0.0)  # the reward of player_0
        after = {"stones": stones, "turn": torch.where(playing, 1 - turn, turn)}
        return Step(after, torch.stack((first, -first), dim=1), ended, torch.zeros_like(ended))
