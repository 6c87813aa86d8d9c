"""A hand-written soccer team: the carrier runs for the goal, one closes in on the ball, the others stand behind it."""

from __future__ import annotations

import torch
from torch import Tensor

from arenas.core import ArenaSpec, Observation
from arenas.games.soccer import EXCHANGED, OWN_BALL, STAND, TURNED

SIDES = ((-1, 0), (1, 0), (0, -1), (0, 1), (0, 0))  # what an action adds to row and column
OWN, OTHER, OTHER_BALL, SELF = 0, 2, 3, 6
TAKEN, LOST, DAWDLE = 1.5, 20.0, 0.4
"""What it costs, in steps of the way, to head for a cell that somebody stands in; to lose the ball; and up to which
number of steps a detour is as good as the straight way, so that nobody can tell what it will do."""


class SoccerHeuristic:
    """Team a's view decides: an agent of b turns what it sees by half and its action back, unless the arena does so.

    The carrier takes the shortest way to the goal around who stands in it. While the ball is loose all go for it. Of
    those without the ball, who is nearest to an opposing carrier stands in its way, the others between it and their own
    goal; while a team mate has the ball they go ahead of it.
    """

    def __init__(self, spec: ArenaSpec) -> None:
        self.spec = spec
        self.rows, self.columns = spec.observation_shape[1:]

    def begin(self, batch: int, device: torch.device) -> None:
        """Nothing to forget."""

    def act(self, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
        """Choose (see `agents.core.Agent.act`)."""
        planes, of_b = self._as_a(observation.observation.to(torch.float32))
        device = planes.device
        cells = torch.arange(self.rows * self.columns, device=device)
        places = torch.stack((cells // self.columns, cells % self.columns), dim=1)
        self_at = places[planes[:, SELF].argmax(dim=1)]
        steps = self_at[:, None] + torch.tensor(SIDES, device=device)
        carries = (planes[:, OWN_BALL] * planes[:, SELF]).sum(dim=1) > 0
        run = self._to_goal(steps)
        walk = (steps - self._post(planes, places, self_at)[:, None]).abs().sum(dim=2)
        others = planes[:, : OTHER_BALL + 1].sum(dim=1) - planes[:, SELF]
        obstacle = torch.where(carries[:, None], LOST * self._at(planes[:, OTHER], steps), 0.0)
        obstacle = obstacle + TAKEN * self._at(others, steps)
        cost = torch.where(carries[:, None], run, walk) + obstacle + 2 * DAWDLE * uniforms
        cost = cost + self._outside(steps, carries)
        action = cost.argmin(dim=1)
        return torch.where(of_b, torch.tensor(TURNED, device=device)[action], action)

    def _as_a(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """The planes [B, 7, rows * columns] as team a would see them, and who is of b, bool [B]."""
        planes = seen.flatten(2)
        of_b = planes[:, SELF].sum(dim=1) < 0
        turned = planes[:, [*EXCHANGED, SELF]].flip(2)
        turned[:, SELF] *= -1
        return torch.where(of_b[:, None, None], turned, planes), of_b

    def _to_goal(self, steps: Tensor) -> Tensor:
        """Steps left to the other goal line from places [..., 2]."""
        first, last = self.rows // 4, self.rows - self.rows // 4 - 1
        row, column = steps[..., 0], steps[..., 1]
        beside = (first - row).clamp(min=0) + (row - last).clamp(min=0)
        return (self.columns - column + beside).to(torch.float32)

    def _post(self, planes: Tensor, places: Tensor, self_at: Tensor) -> Tensor:
        """Where an agent without the ball goes, int64 [B, 2]."""
        ball = places[(planes[:, OWN_BALL] + planes[:, OTHER_BALL] + planes[:, 4]).argmax(dim=1)]
        theirs = planes[:, OTHER_BALL].any(dim=1)[:, None]
        ours = planes[:, OWN_BALL].any(dim=1)[:, None]
        front = torch.tensor((0, 1), device=planes.device)
        distance = (places - ball[:, None]).abs().sum(dim=2)
        nearest = torch.where(planes[:, OWN] > 0, distance, self.rows + self.columns).amin(dim=1)
        first = ((self_at - ball).abs().sum(dim=1) <= nearest)[:, None]
        behind = torch.stack((ball[:, 0].clamp(self.rows // 4, self.rows - self.rows // 4 - 1), ball[:, 1] // 2), dim=1)
        defend = torch.where(first, ball - front, behind)
        ahead = torch.stack((self_at[:, 0], (ball[:, 1] + 2).clamp(max=self.columns - 1)), dim=1)
        return torch.where(theirs, defend, torch.where(ours, ahead, ball))

    def _at(self, plane: Tensor, steps: Tensor) -> Tensor:
        """The plane [B, rows * columns] at places [B, A, 2]; 0 outside and for standing still."""
        row, column = steps[..., 0], steps[..., 1]
        inside = (row >= 0) & (row < self.rows) & (column >= 0) & (column < self.columns)
        inside[:, STAND] = False
        number = (row * self.columns + column).clamp(0, self.rows * self.columns - 1)
        return plane.gather(1, number) * inside

    def _outside(self, steps: Tensor, carries: Tensor) -> Tensor:
        """What it costs to run against the edge: everything, but into the goal with the ball."""
        row, column = steps[..., 0], steps[..., 1]
        mouth = (row >= self.rows // 4) & (row < self.rows - self.rows // 4)
        goal = carries[:, None] & mouth & (column == self.columns)
        inside = (row >= 0) & (row < self.rows) & (column >= 0) & (column < self.columns)
        return torch.where(inside | goal, 0.0, LOST)
