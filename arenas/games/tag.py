"""Tag: slow predators hunt quick prey among obstacles (mpe2's simple_tag_v3)."""

from __future__ import annotations

import torch
from torch import Tensor

from arenas.core import ArenaSpec, State, Turns
from arenas.games.particles import (
    MOVES,
    PUSH_DELAY,
    Bodies,
    ParticleArena,
    length,
    move,
    offsets,
    planes,
    scattered,
    total,
    whole_number,
    without_self,
)

PREDATOR_RADIUS, PREY_RADIUS, OBSTACLE_RADIUS = 0.075, 0.05, 0.2
PREDATOR_PUSH, PREY_PUSH = 3.0, 4.0
PREDATOR_SPEED, PREY_SPEED = 1.0, 1.3
TAG = 10.0  # points for a touch
OBSTACLE_REACH = 0.9  # obstacles lie a little further in than agents


class Tag(ParticleArena):
    """Two unlike teams: `num_adversaries` predators, who are slower, and `num_good` prey; `num_obstacles` in the way.

    Actions: 0 stay, 1 left, 2 right, 3 down, 4 up.
    Observation, of each agent: its velocity (2), its place (2), the way to each obstacle (2 each), the way to each
    other agent in order (2 each), the velocity of each other prey (2 each). A prey is no other prey to itself, so prey
    see two numbers less than predators, and zeros in their place.
    State: see `ParticleArena`; predators come first, landmarks are the obstacles.
    Rewards: every predator gets 10 for each pair of a predator and a prey that touch, whoever they are; a prey loses 10
    for each predator that it touches, and for each of its coordinates x beyond 0.9 it loses 10 (|x| - 0.9), beyond 1
    min(exp(2 |x| - 2), 10). A touch is worth more to the predators than it costs the prey: not zero-sum.
    """

    def __init__(
        self, num_good: int = 1, num_adversaries: int = 3, num_obstacles: int = 2, max_cycles: int = 25
    ) -> None:
        prey, predators = whole_number("num_good", num_good), whole_number("num_adversaries", num_adversaries)
        obstacles, cycles = whole_number("num_obstacles", num_obstacles, 0), whole_number("max_cycles", max_cycles)
        self.predators, self.obstacles = predators, obstacles
        self.bodies = Bodies(
            radius=(PREDATOR_RADIUS,) * predators + (PREY_RADIUS,) * prey,
            acceleration=(PREDATOR_PUSH,) * predators + (PREY_PUSH,) * prey,
            top_speed=(PREDATOR_SPEED,) * predators + (PREY_SPEED,) * prey,
            obstacle_radius=OBSTACLE_RADIUS,
        )
        agents = predators + prey
        wide = 4 + 2 * obstacles + 2 * (agents - 1) + 2 * prey
        sizes = (wide,) * predators + (wide - 2,) * prey
        super().__init__(
            ArenaSpec(
                name="tag",
                agents=(
                    *(f"adversary_{index}" for index in range(predators)),
                    *(f"agent_{index}" for index in range(prey)),
                ),
                teams=(tuple(range(predators)), tuple(range(predators, agents))),
                observation_shape=(wide,),
                num_actions=len(MOVES),
                turns=Turns.SIMULTANEOUS,
                max_steps=cycles,
                reset_uniforms=2 * (agents + obstacles),
                truncates=True,
                reward_delay=PUSH_DELAY,
                roles=("predators", "prey"),
                common_reward=prey == 1,
                observation_sizes=sizes,
                state_shape=(sum(sizes),),
                description="Tag: slow predators hunt quick prey among obstacles (mpe2's simple_tag_v3)",
            )
        )

    def _start(self, uniforms: Tensor) -> State:
        agents = self.spec.num_agents
        position = scattered(uniforms, 0, agents)
        return {
            "position": position,
            "velocity": torch.zeros_like(position),
            "landmark": scattered(uniforms, 2 * agents, self.obstacles, OBSTACLE_REACH),
        }

    def _advance(self, state: State, actions: Tensor) -> State:
        obstacles = state["landmark"] if self.obstacles else None
        position, velocity = move(self.bodies, state["position"], state["velocity"], actions, obstacles)
        return {"position": position, "velocity": velocity}

    def _views(self, state: State) -> list[Tensor]:
        place, speed, first = planes(state["position"]), planes(state["velocity"]), self.predators
        obstacles = offsets(place, planes(state["landmark"])).flatten(1, 2)
        common = (speed, place, obstacles, without_self(offsets(place, place)).flatten(1, 2))
        prey = speed[first:]
        seen = prey.flatten(0, 1).expand(first, -1, -1)
        others = without_self(prey.expand(len(prey), -1, -1, -1)).flatten(1, 2)
        return [
            torch.cat((*(each[:first] for each in common), seen), dim=1),
            torch.cat((*(each[first:] for each in common), others), dim=1),
        ]

    def _rewards(self, state: State) -> Tensor:
        place, first = planes(state["position"]), self.predators
        touching = length(offsets(place[first:], place[:first])) < PREDATOR_RADIUS + PREY_RADIUS  # [prey, predators, B]
        caught = touching.sum(dim=1).to(place.dtype)
        chase = TAG * caught.sum(dim=0).expand(first, -1)
        return torch.cat((chase, -TAG * caught - _strayed(place[first:])))


def _strayed(place: Tensor) -> Tensor:
    """[prey, B]: the fine for being near the border or beyond it."""
    far = place.abs()
    beyond = (2 * far - 2).exp().clamp(max=10.0)
    near = torch.where(far < 0.9, 0.0, (far - 0.9) * 10)
    return total(torch.where(far < 1.0, near, beyond), dim=1)
