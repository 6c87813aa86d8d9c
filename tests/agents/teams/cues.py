"""A cooperative game that is learned in seconds, with all that troubles a learner: death, masks, ends of both kinds."""

from __future__ import annotations

import torch
from torch import Tensor

from arenas.core import Arena, ArenaSpec, Observation, State, Step, Turns, select


class Cues(Arena):
    """Every agent sees a cue of 0 to 2 and names it; the team is rewarded with how many name theirs.

    Action 3 is never worth anything, and forbidden to agent 0. Agent 1 dies after its second step where `deadly`. An
    episode is 2 to 4 steps long; it is terminated, or truncated where `truncates`.

    Observation [7]: the cue and the step, one-hot. State [3 agents + 4]: all cues and the step, one-hot.
    """

    def __init__(self, agents: int = 3, deadly: bool = True, truncates: bool = False) -> None:
        self.deadly = deadly
        self.spec = ArenaSpec(
            name="cues",
            agents=tuple(f"agent_{index}" for index in range(agents)),
            teams=(tuple(range(agents)),),
            observation_shape=(7,),
            num_actions=4,
            turns=Turns.SIMULTANEOUS,
            max_steps=4,
            reset_uniforms=agents + 1,
            step_uniforms=agents,
            truncates=truncates,
            common_reward=True,
            state_shape=(3 * agents + 4,),
        )

    def reset(self, uniforms: Tensor) -> State:
        return {
            "cue": (uniforms[:, 1:] * 3).long(),
            "length": 2 + (uniforms[:, 0] * 3).long(),
            "step": torch.zeros(len(uniforms), dtype=torch.int64, device=uniforms.device),
        }

    def turn(self, state: State) -> Tensor:
        return torch.zeros_like(state["step"])

    def _alive(self, state: State) -> Tensor:
        alive = torch.ones_like(state["cue"], dtype=torch.bool)
        alive[:, 1] = (state["step"] < 2) | (not self.deadly)
        return alive

    def observe(self, state: State, agent: int | None = None, dtype: torch.dtype = torch.float32) -> Observation:
        step = state["step"].clamp(max=3)[:, None].expand_as(state["cue"])
        seen = torch.cat((state["cue"][..., None] == torch.arange(3), step[..., None] == torch.arange(4)), dim=2)
        legal = self._alive(state)[..., None].repeat(1, 1, 4)
        legal[:, 0, 3] = False
        seen = seen.to(dtype)
        return Observation(seen, legal) if agent is None else Observation(seen[:, agent], legal[:, agent])

    def global_state(self, state: State, dtype: torch.dtype = torch.float32) -> Tensor:
        cues = (state["cue"][..., None] == torch.arange(3)).flatten(1)
        step = state["step"].clamp(max=3)[:, None] == torch.arange(4)
        return torch.cat((cues, step), dim=1).to(dtype)

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        assert uniforms is not None
        agents = self.spec.num_agents
        right = ((actions == state["cue"]) & self._alive(state)).sum(dim=1, keepdim=True)
        rewards = (right / agents).to(torch.float32).expand(-1, agents)
        after = {"cue": (uniforms * 3).long(), "length": state["length"], "step": state["step"] + 1}
        ended = after["step"] >= after["length"]
        if live is not None:
            after, rewards, ended = select(live, after, state), rewards * live[:, None], ended & live
        limit = torch.full_like(ended, self.spec.truncates)
        return Step(after, rewards, ended & ~limit, ended & limit)
