"""Scripted players of the particle world, each agent from its own observation alone: anchors for trained teams.

All of them look one move ahead: of the five moves the one after which, coasting for a moment, the agent is best placed.
They know the physics (`arenas.games.particles`) and draw no chance.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from arenas.core import ArenaSpec, Observation
from arenas.games.particles import ACCELERATION, DAMPING, DT, length
from arenas.games.speaker_listener import LANDMARKS
from arenas.games.tag import (
    OBSTACLE_RADIUS,
    PREDATOR_PUSH,
    PREDATOR_RADIUS,
    PREDATOR_SPEED,
    PREY_PUSH,
    PREY_RADIUS,
    PREY_SPEED,
)

DIRECTIONS = ((0.0, 0.0), (-1.0, 0.0), (1.0, 0.0), (0.0, -1.0), (0.0, 1.0))  # of particles.MOVES
COAST = 0.15  # seconds of coasting that are looked ahead, for who wants to stop at a place
CHASE_COAST, FLEE_COAST = 0.2, 0.4
LEAD = 0.4  # seconds by which a predator aims ahead of its prey
APART = 0.3  # predators nearer than this to each other look for another way
FRIGHT = 0.3  # the distance over which a prey's fear falls to 1/e
SHORE = 0.8  # prey turn before the border's fine begins at 0.9
EXHAUSTIVE = 6  # agents up to which all assignments are looked at


def ahead(velocity: Tensor, push: float, coast: float, top_speed: float = float("inf")) -> Tensor:
    """[R, 5, 2]: how far each move takes an agent in a step and `coast` seconds; `velocity` is [R, 2]."""
    directions = torch.tensor(DIRECTIONS, dtype=velocity.dtype, device=velocity.device)
    after = velocity[:, None] * (1 - DAMPING) + directions * (push * DT)
    after = after * (top_speed / length(after, -1)).clamp(max=1.0)[..., None]
    return velocity[:, None] * DT + after * coast


def near(target: Tensor, velocity: Tensor) -> Tensor:
    """int64 [R]: the move that comes nearest to a target [R, 2] that is given as seen from the agent."""
    return length(target[:, None] - ahead(velocity, ACCELERATION, COAST), -1).argmin(dim=1)


def best_assignment(ways: Tensor) -> Tensor:
    """int64 [R, N]: a landmark for each agent, no two the same, of the least sum of squared distances.

    Args:
        ways: [R, N, N, 2], from each agent to each landmark.

    Up to six agents every assignment is looked at; of more, the nearest pair is matched and then the nearest that is
    left. All agents of a team see the same ways, so each finds the same assignment by itself.
    """
    cost = ways.square().sum(dim=3)
    rows, size = cost.shape[:2]
    if size <= EXHAUSTIVE:
        orders = torch.tensor(list(itertools.permutations(range(size))), device=cost.device)
        agents = torch.arange(size, device=cost.device)
        return orders[cost[:, agents, orders].sum(dim=2).argmin(dim=1)]
    taken = torch.zeros((rows, size), dtype=torch.int64, device=cost.device)
    places = torch.arange(rows, device=cost.device)
    cost = cost.clone()
    for _ in range(size):
        pair = cost.flatten(1).argmin(dim=1)
        agent, landmark = pair // size, pair % size
        taken[places, agent] = landmark
        cost[places, agent, :] = torch.inf
        cost[places, :, landmark] = torch.inf
    return taken


class SpreadHeuristic:
    """Each agent goes to its landmark of the best assignment, found anew at each step."""

    draws = False

    def __init__(self, spec: ArenaSpec) -> None:
        self.spec = spec

    def begin(self, batch: int, device: torch.device) -> None:
        """Nothing to forget: a move depends on what is seen alone."""

    def act(self, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
        """Choose moves (see `agents.core.Agent.act`)."""
        seen, size = observation.observation, self.spec.num_agents
        landmarks = seen[:, 4 : 4 + 2 * size].reshape(len(seen), size, 2)
        others = seen[:, 4 + 2 * size : 2 + 4 * size].reshape(len(seen), size - 1, 2)
        agents = torch.cat((torch.zeros_like(landmarks[:, :1]), others), dim=1)  # the viewer first, where it stands
        mine = best_assignment(landmarks[:, None] - agents[:, :, None])[:, 0]
        return near(landmarks[torch.arange(len(mine), device=mine.device), mine], seen[:, :2])


class SpeakerListenerHeuristic:
    """The speaker says the number of the goal's colour; the listener goes to the landmark of that number.

    Before it has heard a word, the listener goes to the middle of the landmarks.
    """

    draws = False

    def __init__(self, spec: ArenaSpec) -> None:
        self.spec = spec

    def begin(self, batch: int, device: torch.device) -> None:
        """Nothing to forget: the word is in the observation."""

    def act(self, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
        """Choose words and moves (see `agents.core.Agent.act`); whoever has words only is the speaker."""
        seen = observation.observation
        speaks = ~observation.action_mask[:, LANDMARKS:].any(dim=1)
        landmarks = seen[:, 2 : 2 + 2 * LANDMARKS].reshape(len(seen), LANDMARKS, 2)
        word = seen[:, 2 + 2 * LANDMARKS :]
        heard = word.any(dim=1, keepdim=True)
        weights = torch.where(heard, word, 1 / LANDMARKS)
        goes = near((landmarks * weights[..., None]).sum(dim=1), seen[:, :2])
        return torch.where(speaks, seen[:, :LANDMARKS].argmax(dim=1), goes)


class TagHeuristic:
    """Predators cut the nearest prey off, and keep apart; prey run from predators, but not far over the border.

    Both go round obstacles. Predators and prey see alike, so it has to be told whose rows it holds (`sit`); until then
    it takes itself for a predator.
    """

    draws = False

    def __init__(self, spec: ArenaSpec) -> None:
        self.spec = spec
        self.predators, self.prey = (len(team) for team in spec.teams)
        others = spec.num_agents - 1
        self.obstacles = (spec.observation_shape[0] - 4 - 2 * others - 2 * self.prey) // 2
        self._seats: Sequence[str] = (spec.agents[0],)
        self._flees = torch.zeros(0, dtype=torch.bool)

    def sit(self, agents: Sequence[str], seeds: Sequence[int], matches: Sequence[int]) -> None:
        """Be told whose rows come next (see `arenas.match.SeatedActor`)."""
        self._seats = agents

    def begin(self, batch: int, device: torch.device) -> None:
        """Get ready for `batch` rows, agent by agent."""
        flees = [self.spec.agents.index(agent) >= self.predators for agent in self._seats]
        self._flees = torch.tensor(flees, device=device).repeat_interleave(batch // len(flees))

    def act(self, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
        """Choose moves (see `agents.core.Agent.act`)."""
        seen = observation.observation
        velocity, place, rest = seen[:, :2], seen[:, 2:4], seen[:, 4:].reshape(len(seen), -1, 2)
        obstacles, others = (
            rest[:, : self.obstacles],
            rest[:, self.obstacles : self.obstacles + self.spec.num_agents - 1],
        )
        speeds = rest[:, -self.prey :]
        chase = self._chase(velocity, obstacles, others, speeds).argmin(dim=1)
        flee = self._flee(velocity, place, obstacles, others).argmin(dim=1)
        return torch.where(self._flees, flee, chase)

    def _chase(self, velocity: Tensor, obstacles: Tensor, others: Tensor, speeds: Tensor) -> Tensor:
        """[R, 5]: how bad each move is for a predator."""
        mates, prey = others[:, : self.predators - 1], others[:, self.predators - 1 :]
        to = ahead(velocity, PREDATOR_PUSH, CHASE_COAST, PREDATOR_SPEED)[:, :, None]
        miss = length((prey + LEAD * speeds)[:, None] - to, -1).amin(dim=2)
        crowd = (APART - length(mates[:, None] - to, -1)).clamp(min=0).sum(dim=2)
        return miss + 0.3 * crowd + _bump(obstacles, to, PREDATOR_RADIUS)

    def _flee(self, velocity: Tensor, place: Tensor, obstacles: Tensor, others: Tensor) -> Tensor:
        """[R, 5]: how bad each move is for a prey."""
        to = ahead(velocity, PREY_PUSH, FLEE_COAST, PREY_SPEED)
        fear = (-length(others[:, None, : self.predators] - to[:, :, None], -1) / FRIGHT).exp().sum(dim=2)
        outside = ((place[:, None] + to).abs() - SHORE).clamp(min=0).sum(dim=2)
        return fear + outside + _bump(obstacles, to[:, :, None], PREY_RADIUS)


def _bump(obstacles: Tensor, to: Tensor, radius: float) -> Tensor:
    """[R, 5]: how deep in obstacles each move ends."""
    return (radius + OBSTACLE_RADIUS - length(obstacles[:, None] - to, -1)).clamp(min=0).sum(dim=2)
