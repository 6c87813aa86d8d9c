"""The particle world: discs in a plane that push themselves, slow down and repel each other; the games on it are short.

The physics of MPE (Lowe et al., "Multi-Agent Actor-Critic for Mixed Cooperative-Competitive Environments", 2017,
arXiv:1706.02275) as mpe2 1.1 computes it, written from its published rules as batched tensor arithmetic. A step, with
dt = 0.1 and all masses 1, for every agent at once:

    f  = acceleration * direction of the action + contact forces, from the places before the step
    x' = x + v dt, with the velocity before the step
    v' = (1 - 0.25) v + f dt, shortened to the agent's top speed

Two solid bodies at distance d, with radii that sum to r, repel each other with 100 k log(1 + exp((r - d) / k)), where
k = 1e-3.

Places and velocities are kept in the floating type of the uniforms that the episode was started from. log(1 + exp(x))
is taken in float64 and rounded, because torch's of float32 differs in the last bit by the place in a vector register,
and contacts magnify that: so an episode is the same to the last bit alone and in any batch. Bodies at exactly the same
place do not repel each other (mpe2 gives NaN there); with random places that is one case in 2^48.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from arenas.core import Arena, ArenaSpec, Observation, State, Step, select

MOVES = ("stay", "left", "right", "down", "up")
DT, DAMPING = 0.1, 0.25
PUSH_DELAY = 1  # steps: a push changes the speed, which moves its agent in the next step
CONTACT_FORCE, CONTACT_MARGIN = 100.0, 1e-3
ACCELERATION = 5.0
TINY = 1e-30  # a distance to divide by where there is none
LINEAR = 40.0  # from here on log(1 + exp(x)) is x in float64
PICTURE, REACH = (41, 21), 1.25  # columns and rows of a picture, and the coordinate at its border


@dataclass(frozen=True, slots=True)
class Bodies:
    """What the agents that move are made of, one entry an agent, and what stands in their way.

    Attributes:
        radius: of each agent.
        acceleration: of each agent's own push.
        top_speed: of each agent; empty where there is no limit.
        solid: whether agents repel each other.
        obstacle_radius: of every obstacle.
    """

    radius: tuple[float, ...]
    acceleration: tuple[float, ...]
    top_speed: tuple[float, ...] = ()
    solid: bool = True
    obstacle_radius: float = 0.0


def planes(vectors: Tensor) -> Tensor:
    """[K, 2, B]: vectors of a state, [B, K, 2], with the environments innermost, as all arithmetic here wants them."""
    return vectors.permute(1, 2, 0)


def as_state(vectors: Tensor) -> Tensor:
    """[B, K, 2]: what `planes` undoes. Memory stays as it is, so no step pays for the other order."""
    return vectors.permute(2, 0, 1)


def per_agent(values: tuple[float, ...], like: Tensor) -> Tensor | float:
    """A constant of each agent as [N, 1], or as one number where all agents have the same."""
    return values[0] if len(set(values)) == 1 else torch.tensor(values, dtype=like.dtype, device=like.device)[:, None]


def offsets(viewers: Tensor, things: Tensor) -> Tensor:
    """[N, K, 2, B]: from each of N places [N, 2, B] to each of K places [K, 2, B]."""
    return things[None] - viewers[:, None]


def without_self(table: Tensor) -> Tensor:
    """[N, N - 1, ...]: the rows of a table [N, N, ...] without its diagonal, by views alone.

    Behind its first entry a flattened table is N - 1 stretches of N + 1 entries that end with one of the diagonal.
    """
    size, _, *rest = table.shape
    tail = table.flatten(0, 1)[1:].reshape(size - 1, size + 1, *rest)
    return tail[:, :-1].reshape(size, size - 1, *rest)


def length(vectors: Tensor, dim: int = -2) -> Tensor:
    """Euclidean length of vectors with their two coordinates in dimension `dim`."""
    x, y = vectors.unbind(dim)
    return (x * x + y * y).sqrt()


def total(parts: Tensor, dim: int) -> Tensor:
    """The sum over a short dimension, always in the same order: that of torch depends on the size of the batch."""
    first, *others = parts.unbind(dim)
    for other in others:
        first = first + other
    return first


def contact_distance(bodies: Bodies, like: Tensor) -> Tensor | float:
    """The distance at which two agents touch: [N, N, 1], or one number where all agents are of one size."""
    radius = per_agent(bodies.radius, like)
    return radius[:, None] + radius if isinstance(radius, Tensor) else radius + radius


def move(
    bodies: Bodies, position: Tensor, velocity: Tensor, actions: Tensor, obstacles: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """One step of the physics.

    Args:
        bodies: of N agents.
        position: [B, N, 2].
        velocity: [B, N, 2].
        actions: int64 [B, N], of `MOVES`.
        obstacles: [B, K, 2], the places of solid things that do not move.

    Returns:
        The next position and velocity.
    """
    place, speed = planes(position), planes(velocity)
    force = _push(bodies, actions.T, place.dtype)
    if bodies.solid and len(place) > 1:
        force = force + _repulsion(-offsets(place, place), contact_distance(bodies, place))
    if obstacles is not None:
        radius = per_agent(bodies.radius, place)
        touch = radius + bodies.obstacle_radius
        away = -offsets(place, planes(obstacles))
        force = force + _repulsion(away, touch[:, None] if isinstance(touch, Tensor) else touch)
    place = place + speed * DT
    speed = speed * (1 - DAMPING) + force * DT
    if bodies.top_speed:
        size, most = length(speed), per_agent(bodies.top_speed, speed)
        speed = speed * torch.where(size > most, most / size, 1.0)[:, None]
    return as_state(place), as_state(speed)


def _push(bodies: Bodies, actions: Tensor, dtype: torch.dtype) -> Tensor:
    """[N, 2, B]: what the actions, [N, B], push with."""
    right, up = (actions == 2).to(dtype) - (actions == 1).to(dtype), (actions == 4).to(dtype) - (actions == 3).to(dtype)
    strength = per_agent(bodies.acceleration, right)
    return torch.stack((right * strength, up * strength), dim=1)


def _repulsion(away: Tensor, touch: Tensor | float) -> Tensor:
    """[N, 2, B]: the sum of the contact forces on each agent; `away` [N, K, 2, B] points to it from the other body.

    An agent is no body to itself: there `away`, and with it the force, is zero.
    """
    distance = length(away)
    pressed = functional.softplus((touch - distance).double() / CONTACT_MARGIN, threshold=LINEAR)
    strength = pressed.to(away.dtype) * (CONTACT_FORCE * CONTACT_MARGIN) / distance.clamp(min=TINY)
    return total(strength[:, :, None] * away, dim=1)


def whole_number(name: str, value: object, least: int = 1) -> int:
    """An option that counts something.

    Raises:
        ValueError: it is no whole number, or below `least`.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} has to be a whole number from {least}, not {value!r}")
    return value


class ParticleArena(Arena):
    """What the games of the particle world share: an episode of `max_cycles` steps that a time limit truncates.

    Games compute with the environments innermost, which is several times as fast; see `planes`.

    State: `position` and `velocity` [B, agents that move, 2], `landmark` [B, K, 2], `cycle` int64 [B], the steps so
    far; a game may add to it.
    """

    def __init__(self, spec: ArenaSpec) -> None:
        self.spec = spec

    @abstractmethod
    def _start(self, uniforms: Tensor) -> State:
        """Where everything is when an episode begins; `cycle` is added by the caller."""

    @abstractmethod
    def _advance(self, state: State, actions: Tensor) -> State:
        """What changes in a step, without `cycle`."""

    @abstractmethod
    def _views(self, state: State) -> list[Tensor]:
        """What agents see, in their order: [agents, size, B] of those in a row that have one size."""

    @abstractmethod
    def _rewards(self, state: State) -> Tensor:
        """[N, B]: the rewards for having come to a state."""

    def reset(self, uniforms: Tensor) -> State:
        cycle = torch.zeros(len(uniforms), dtype=torch.int64, device=uniforms.device)
        return {**self._start(uniforms), "cycle": cycle}

    def turn(self, state: State) -> Tensor:
        return torch.zeros_like(state["cycle"])

    def observe(self, state: State, agent: int | None = None, dtype: torch.dtype = torch.float32) -> Observation:
        width, batch, device = self.spec.observation_shape[0], len(state["cycle"]), state["cycle"].device
        padded = [functional.pad(view, (0, 0, 0, width - view.shape[1])) for view in self._views(state)]
        seen = torch.cat(padded).permute(2, 0, 1).to(dtype).contiguous()
        legal = torch.ones((batch, self.spec.num_agents, self.spec.num_actions), dtype=torch.bool, device=device)
        if self.spec.action_counts:
            numbers = torch.arange(self.spec.num_actions, device=device)
            legal = legal & (numbers < torch.tensor(self.spec.action_counts, device=device)[:, None])
        return Observation(seen, legal) if agent is None else Observation(seen[:, agent], legal[:, agent])

    def global_state(self, state: State, dtype: torch.dtype = torch.float32) -> Tensor:
        """[B, *global_shape]: the observations of all agents one after the other, without what pads them."""
        return torch.cat([view.flatten(0, 1) for view in self._views(state)]).T.to(dtype).contiguous()

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        after = {**state, **self._advance(state, actions), "cycle": state["cycle"] + 1}
        rewards = self._rewards(after).T.to(torch.float32).contiguous()
        truncated = after["cycle"] >= self.spec.max_steps
        if live is not None:
            after, truncated = select(live, after, state), truncated & live
            rewards = torch.where(live[:, None], rewards, 0.0)
        return Step(after, rewards, torch.zeros_like(truncated), truncated)

    def render(self, state: State, index: int) -> str:
        marks = [(place, "x") for place in state["landmark"][index].tolist()]
        marks += [
            (place, chr(ord("0") + number % 10)) for number, place in enumerate(state["position"][index].tolist())
        ]
        return f"step {int(state['cycle'][index])} of {self.spec.max_steps}\n{_picture(marks)}"


def scattered(uniforms: Tensor, first: int, count: int, reach: float = 1.0) -> Tensor:
    """[B, count, 2]: places uniform in the square from -reach to reach, from the uniforms number `first` and on."""
    drawn = uniforms[:, first : first + 2 * count].T.contiguous()
    return as_state(((drawn * 2 - 1) * reach).view(count, 2, len(uniforms)))


def _picture(marks: Iterable[tuple[Sequence[float], str]]) -> str:
    """Places as characters; what lies outside is drawn at the border, and later marks over earlier ones."""
    columns, rows = PICTURE
    grid = [[" "] * columns for _ in range(rows)]
    for (x, y), mark in marks:
        across, down = (min(max((part / REACH + 1) / 2, 0.0), 1.0) for part in (x, -y))
        grid[round(down * (rows - 1))][round(across * (columns - 1))] = mark
    border = "+" + "-" * columns + "+"
    return "\n".join([border, *("|" + "".join(row) + "|" for row in grid), border])
