"""Small team arenas whose values are known by hand."""

from __future__ import annotations

import torch
from torch import Tensor

from agents.teams.core import TeamSetup
from agents.teams.episodes import Episodes, empty_episodes
from arenas.core import Arena, ArenaSpec, Observation, State, Step, Turns, select


class TwoStep(Arena):
    """The two-step game of the QMIX paper (Rashid et al. 2018, section 5, table 1).

    In the first step the first agent's action chooses the second game: in the one every joint action pays 7, in the
    other two low actions pay 0, a low and a high one 1, and two high ones 8. Each agent gets half.
    """

    def __init__(self) -> None:
        self.spec = ArenaSpec(
            name="two_step",
            agents=("first", "second"),
            teams=((0, 1),),
            observation_shape=(3,),
            num_actions=2,
            turns=Turns.SIMULTANEOUS,
            max_steps=2,
            common_reward=True,
            state_shape=(3,),
        )

    def reset(self, uniforms: Tensor) -> State:
        return {"place": torch.zeros(len(uniforms), dtype=torch.int64)}

    def turn(self, state: State) -> Tensor:
        return torch.zeros_like(state["place"])

    def observe(self, state: State, agent: int | None = None, dtype: torch.dtype = torch.float32) -> Observation:
        place = torch.nn.functional.one_hot(state["place"], 3).to(dtype)
        mask = torch.ones(len(place), 2, 2, dtype=torch.bool)
        return Observation(place[:, None].expand(-1, 2, -1), mask)

    def global_state(self, state: State, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.nn.functional.one_hot(state["place"], 3).to(dtype)

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        place, high = state["place"], actions.sum(dim=1)
        payoff = torch.where(place == 1, 7.0, torch.tensor([0.0, 1.0, 8.0])[high]) * (place > 0)
        after = {"place": torch.where(place == 0, actions[:, 0] + 1, place)}
        ended = place > 0
        if live is not None:
            after, payoff, ended = select(live, after, state), payoff * live, ended & live
        return Step(after, payoff[:, None].expand(-1, 2) / 2, ended, torch.zeros_like(ended))


class Clock(Arena):
    """Every step pays each of two agents 1; the rules never end it, a limit of `limit` steps does.

    An agent sees how many steps were made. Action 2 is legal in the first step alone and agent 1 has it never.
    With `dies`, the second agent has no legal action from its second step on.
    """

    def __init__(self, limit: int = 3, *, dies: bool = False, lengths: tuple[int, ...] = ()) -> None:
        """Args: limit; dies; lengths: of single environments, by place in the batch, shorter than the limit."""
        self.limit, self.dies, self.lengths = limit, dies, lengths
        self.spec = ArenaSpec(
            name="clock",
            agents=("a", "b"),
            teams=((0, 1),),
            observation_shape=(limit + 1,),
            num_actions=3,
            turns=Turns.SIMULTANEOUS,
            max_steps=limit,
            truncates=True,
            common_reward=True,
        )

    def reset(self, uniforms: Tensor) -> State:
        limits = torch.full((len(uniforms),), self.limit)
        limits[: len(self.lengths)] = torch.tensor(self.lengths, dtype=torch.int64)
        return {"steps": torch.zeros(len(uniforms), dtype=torch.int64), "limit": limits}

    def turn(self, state: State) -> Tensor:
        return torch.zeros_like(state["steps"])

    def observe(self, state: State, agent: int | None = None, dtype: torch.dtype = torch.float32) -> Observation:
        seen = torch.nn.functional.one_hot(state["steps"], self.limit + 1).to(dtype)[:, None].expand(-1, 2, -1)
        mask = torch.ones(len(seen), 2, 3, dtype=torch.bool)
        mask[:, 1, 2] = False
        mask[:, 0, 2] = state["steps"] == 0
        if self.dies:
            mask[:, 1] &= (state["steps"] == 0)[:, None]
        return Observation(seen, mask)

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        on = torch.ones_like(state["steps"], dtype=torch.bool) if live is None else live
        steps = state["steps"] + on
        late = on & (steps >= state["limit"])
        rewards = on.float()[:, None].expand(-1, 2)
        return Step({**state, "steps": steps}, rewards, torch.zeros_like(late), late)


def random_episodes(setup: TeamSetup, count: int, generator: torch.Generator) -> Episodes:
    """Episodes full of random numbers, all of full length and truncated."""
    episodes = empty_episodes(setup, count, torch.device("cpu"))
    for tensor in (episodes.observation, episodes.state, episodes.reward):
        tensor.normal_(generator=generator)
    episodes.action_mask.copy_(torch.rand(episodes.action_mask.shape, generator=generator) < 0.6)
    episodes.action_mask[..., 0] = True
    legal = torch.where(episodes.action_mask, torch.rand(episodes.action_mask.shape, generator=generator), -1.0)
    episodes.action.copy_(legal[:, :-1].argmax(dim=-1))
    episodes.filled.fill_(True)
    episodes.truncated[:, -1] = True
    return episodes
