"""Small arenas and actors with one property each."""

from __future__ import annotations

import torch
from torch import Tensor

from arenas.core import Arena, ArenaSpec, Observation, State, Step, Turns, select


class Guess(Arena):
    """Every agent names a number of 0 to 2 at once, a few rounds long; a hidden number of the seed is worth a point.

    Observation [2]: the agent's index and the round. The number of rounds differs from episode to episode.
    """

    def __init__(
        self, agents: int = 2, teams: tuple[tuple[int, ...], ...] | None = None, truncates: bool = False
    ) -> None:
        self.spec = ArenaSpec(
            name="guess",
            agents=tuple(f"agent_{index}" for index in range(agents)),
            teams=teams or tuple((index,) for index in range(agents)),
            observation_shape=(2,),
            num_actions=3,
            turns=Turns.SIMULTANEOUS,
            max_steps=4,
            reset_uniforms=2,
            step_uniforms=1,
            truncates=truncates,
        )

    def reset(self, uniforms: Tensor) -> State:
        return {
            "hidden": (uniforms[:, 0] * 3).long(),
            "length": 1 + (uniforms[:, 1] * 4).long(),
            "round": torch.zeros(len(uniforms), dtype=torch.int64, device=uniforms.device),
        }

    def turn(self, state: State) -> Tensor:
        return torch.zeros_like(state["round"])

    def observe(self, state: State, agent: int | None = None, dtype: torch.dtype = torch.float32) -> Observation:
        batch, agents = len(state["round"]), self.spec.num_agents
        number = state["round"][:, None].expand(-1, agents)
        index = torch.arange(agents).expand(batch, -1)
        legal = torch.ones((batch, agents, 3), dtype=torch.bool)
        seen = torch.stack((index, number), dim=2).to(dtype)
        return Observation(seen, legal) if agent is None else Observation(seen[:, agent], legal[:, agent])

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        assert uniforms is not None
        rewards = (actions == state["hidden"][:, None]).to(torch.float32)
        after = {
            "hidden": (state["hidden"] + (uniforms[:, 0] < 0.5)) % 3,
            "length": state["length"],
            "round": state["round"] + 1,
        }
        ended = after["round"] >= state["length"]
        if live is not None:
            after, rewards, ended = select(live, after, state), rewards * live[:, None], ended & live
        limit = torch.full_like(ended, self.spec.truncates)
        return Step(after, rewards, ended & ~limit, ended & limit)


class Relay(Arena):
    """Four agents in turn, two a team, drop a number of 0 to 2 into their team's box; the fuller box wins.

    Observation [4]: the index of the agent to move, one-hot.
    """

    spec = ArenaSpec(
        name="relay",
        agents=("north", "east", "south", "west"),
        teams=((0, 2), (1, 3)),
        observation_shape=(4,),
        num_actions=3,
        turns=Turns.SEQUENTIAL,
        max_steps=8,
    )

    def reset(self, uniforms: Tensor) -> State:
        zero = torch.zeros(len(uniforms), dtype=torch.int64)
        return {"ply": zero, "lead": zero.clone()}

    def turn(self, state: State) -> Tensor:
        return state["ply"] % 4

    def observe(self, state: State, agent: int | None = None, dtype: torch.dtype = torch.float32) -> Observation:
        turn = self.turn(state)
        viewer = turn if agent is None else torch.full_like(turn, agent)
        legal = (viewer == turn)[:, None].expand(-1, 3)
        return Observation((viewer[:, None] == torch.arange(4)).to(dtype), legal)

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        sign = 1 - 2 * (state["ply"] % 2)
        after = {"ply": state["ply"] + 1, "lead": state["lead"] + sign * actions}
        ended = after["ply"] >= 8
        if live is not None:
            after, ended = select(live, after, state), ended & live
        won = torch.where(ended, after["lead"].sign(), 0).to(torch.float32)
        return Step(after, torch.stack((won, -won, won, -won), dim=1), ended, torch.zeros_like(ended))


class Random:
    """Plays uniformly; keeps nothing."""

    def begin(self, batch: int, device: torch.device) -> None:
        pass

    def act(self, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
        return torch.where(observation.action_mask, uniforms, -1.0).argmax(dim=1)


class Constant(Random):
    """Always plays the same action, legal or not."""

    def __init__(self, action: int) -> None:
        self.action = action

    def act(self, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
        return torch.full_like(live, self.action, dtype=torch.int64)


class Counting(Random):
    """Keeps a count in each row and lets it decide, as a recurrent network does with its memory."""

    def begin(self, batch: int, device: torch.device) -> None:
        self.memory = torch.zeros(batch, dtype=torch.int64, device=device)

    def act(self, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
        self.memory = self.memory + live * (1 + (uniforms[:, 0] * 5).long())
        choices = observation.action_mask.sum(dim=1).clamp(min=1)
        nth = self.memory % choices  # the n-th legal action
        return (
            ((observation.action_mask.cumsum(dim=1) == nth[:, None] + 1) & observation.action_mask).long().argmax(dim=1)
        )


class Recording(Random):
    """Plays uniformly and keeps what it was shown: observations, masks, uniforms and live, call by call."""

    name = "recorder"

    def begin(self, batch: int, device: torch.device) -> None:
        self.batch = batch
        self.calls: list[tuple[Observation, Tensor, Tensor]] = []

    def act(self, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
        self.calls.append((observation, uniforms, live))
        return super().act(observation, uniforms, live)
