"""Spread: agents cover landmarks and keep out of each other's way (mpe2's simple_spread_v3)."""

from __future__ import annotations

import torch
from torch import Tensor

from arenas.core import Arena, ArenaSpec, State, Turns
from arenas.games.particles import (
    ACCELERATION,
    MOVES,
    PUSH_DELAY,
    Bodies,
    ParticleArena,
    contact_distance,
    length,
    move,
    offsets,
    planes,
    scattered,
    total,
    whole_number,
    without_self,
)
from arenas.padding import Entities

RADIUS = 0.15
WORDS = 2  # numbers of a message of each other agent, all zero: agents are silent, but mpe2 shows them


class Spread(ParticleArena):
    """One team of N agents and N landmarks: every landmark wants an agent near, and agents that touch are fined.

    Actions: 0 stay, 1 left, 2 right, 3 down, 4 up.
    Observation [6 N], of each agent: its velocity (2), its place (2), the way to each landmark (2 N), the way to each
    other agent in order (2 (N - 1)), and the others' silent messages, zeros (2 (N - 1)).
    State: see `ParticleArena`.
    Rewards: (1 - local_ratio) g + local_ratio l, where g = -(sum over landmarks of the distance of the nearest agent)
    is everybody's and l = -(number of agents that this one touches) is each agent's own. The return of a team is the
    sum over its agents; for N = 3 and 25 cycles it is the S of published tables (their scale: 2 S - 75).
    """

    def __init__(self, N: int = 3, local_ratio: float = 0.5, max_cycles: int = 25) -> None:  # noqa: N803 (mpe2's name)
        agents, cycles = whole_number("N", N), whole_number("max_cycles", max_cycles)
        if isinstance(local_ratio, bool) or not isinstance(local_ratio, int | float) or not 0 <= local_ratio <= 1:
            raise ValueError(f"local_ratio has to be a number from 0 to 1, not {local_ratio!r}")
        self.local_ratio = float(local_ratio)
        self.bodies = Bodies(radius=(RADIUS,) * agents, acceleration=(ACCELERATION,) * agents)
        super().__init__(
            ArenaSpec(
                name="spread",
                agents=tuple(f"agent_{index}" for index in range(agents)),
                teams=(tuple(range(agents)),),
                observation_shape=(4 + 2 * agents + (2 + WORDS) * (agents - 1),),
                num_actions=len(MOVES),
                turns=Turns.SIMULTANEOUS,
                max_steps=cycles,
                reset_uniforms=4 * agents,
                truncates=True,
                reward_delay=PUSH_DELAY,
                common_reward=agents == 1 or local_ratio == 0,
                description="Spread: one team of N agents covers N landmarks (mpe2's simple_spread_v3)",
            )
        )

    def entities(self) -> tuple[Entities, ...]:
        """See `arenas.padding.Resizable`."""
        agents, nothing = self.spec.num_agents, (0.0, 0.0)
        return (
            Entities(2, nothing),  # its velocity and place
            Entities(agents, nothing),  # landmarks
            Entities(agents - 1, nothing),  # other agents
            Entities(agents - 1, (0.0,) * WORDS),  # their messages
        )

    def resized(self, agents: int) -> Arena:
        """See `arenas.padding.Resizable`."""
        return Spread(agents, self.local_ratio, self.spec.max_steps)

    def _start(self, uniforms: Tensor) -> State:
        agents = self.spec.num_agents
        position = scattered(uniforms, 0, agents)
        return {
            "position": position,
            "velocity": torch.zeros_like(position),
            "landmark": scattered(uniforms, 2 * agents, agents),
        }

    def _advance(self, state: State, actions: Tensor) -> State:
        position, velocity = move(self.bodies, state["position"], state["velocity"], actions)
        return {"position": position, "velocity": velocity}

    def _views(self, state: State) -> list[Tensor]:
        place, agents = planes(state["position"]), self.spec.num_agents
        goals = offsets(place, planes(state["landmark"])).flatten(1, 2)
        others = without_self(offsets(place, place)).flatten(1, 2)
        silence = place.new_zeros((agents, WORDS * (agents - 1), place.shape[2]))
        return [torch.cat((planes(state["velocity"]), place, goals, others, silence), dim=1)]

    def _rewards(self, state: State) -> Tensor:
        place = planes(state["position"])
        uncovered = total(length(offsets(place, planes(state["landmark"]))).amin(dim=0), dim=0)
        touching = length(without_self(offsets(place, place))) < contact_distance(self.bodies, place)
        local = touching.sum(dim=1).to(place.dtype)
        return -((1 - self.local_ratio) * uncovered + self.local_ratio * local)
