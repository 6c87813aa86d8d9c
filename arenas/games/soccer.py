"""Soccer on a grid, N against N: Littman's game as OpenSpiel's `markov_soccer` has it, extended to teams.

M. L. Littman, "Markov games as a framework for multi-agent reinforcement learning" (ICML 1994). Cells are numbered on
the pitch with a rim of one cell around it: a step off the pitch ends in the rim, never in another row.
"""

from __future__ import annotations

import torch
from torch import Tensor

from arenas.core import Arena, ArenaSpec, Observation, State, Step, Turns, select

UP, DOWN, LEFT, RIGHT, STAND = range(5)
TURNED = (DOWN, UP, RIGHT, LEFT, STAND)
"""An action after half a turn of the pitch."""
PLANES = 6
OWN_BALL, LOOSE, EMPTY = 1, 4, 5
EXCHANGED = (2, 3, 0, 1, 4, 5)
"""The planes after half a turn, where the teams change sides."""
OFF = 0
"""The cell of who has left the pitch with the ball, and of that ball: a corner of the rim, where no step leads."""
MOST_PLAYERS, LARGEST = 4, 64
DUEL_STEPS, TEAM_STEPS = 999, 200


class Soccer(Arena):
    """Carry the ball over the other team's goal line. Team a attacks to the right, team b to the left.

    All choose at once, then the agents move one after the other in an order that is drawn at every step, each order
    equally likely. Who moves into a free cell is there; who comes to the loose ball has it. Nobody moves into a cell
    that is taken: where the carrier tries to, the ball goes to whoever stands there, so a defender steals it by being
    in the way; running into the carrier does nothing. The goal is the middle half of the end line.
    One against one (4 by 5) this is `markov_soccer` with `horizon = max_steps + 1`, and as there a goal with the very
    last step comes too late to count. For larger teams the pitch grows to 2 + 2 N rows and 3 + 2 N columns, where the
    goal is wider than the team; each team starts one above the other, in mirrored places, the ball in one of the two
    middle cells; a carrier who runs into a team mate passes the ball (with `passes`; without, nothing happens).

    Actions: 0 up, 1 down, 2 left, 3 right, 4 stand; all of them always legal.
    Observation [7, rows, columns]: the six planes of OpenSpiel (a without and with the ball, b without and with it, the
    loose ball, nothing), then the viewer's own cell, 1 for an agent of a and -1 for one of b. With `turned`, b sees the
    pitch after half a turn with the teams exchanged, and its actions are meant so as well: everybody is a, attacks to
    the right, and one policy serves both sides.
    Global state [6, rows, columns]: the six planes, never turned; a team's own view of it is, with `turned`, b's.
    State, int64: `agents` [B, 2 N], cells; `ball` [B], a cell, that of its carrier where it has one; `steps` [B].
    Rewards, at a goal only: 1 / N to each agent of the team that scores, -1 / N to each of the other, so that a team's
    return is 1, 0 or -1 whatever its size.
    Ends: terminated by a goal; truncated after `max_steps`.
    """

    def __init__(
        self,
        players: int = 2,
        rows: int | None = None,
        columns: int | None = None,
        max_steps: int | None = None,
        passes: bool = True,
        turned: bool = False,
    ) -> None:
        """Args:
        players: N, the agents of each team, 1 to 4.
        rows: of the pitch; 2 + 2 N unless given.
        columns: of the pitch; 3 + 2 N unless given.
        max_steps: after which an episode is truncated; 999 for one against one, else 200, unless given.
        passes: whether a carrier who runs into a team mate gives it the ball.
        turned: whether team b sees the pitch, and acts, as if it were team a.
        """
        rows = 2 + 2 * players if rows is None else rows
        columns = 3 + 2 * players if columns is None else columns
        max_steps = (DUEL_STEPS if players == 1 else TEAM_STEPS) if max_steps is None else max_steps
        for name, value, low, high in (
            ("players", players, 1, MOST_PLAYERS),
            ("rows", rows, max(3, players), LARGEST),
            ("columns", columns, 5, LARGEST),
            ("max_steps", max_steps, 1, 1_000_000),
        ):
            if not isinstance(value, int) or not low <= value <= high:
                raise ValueError(f"{name} has to be a whole number from {low} to {high}, not {value!r}")
        self.players, self.rows, self.columns, self.passes, self.turned = players, rows, columns, passes, turned
        self.stride = columns + 2
        self.offsets = (-self.stride, self.stride, -1, 1, 0)
        self.goal_rows = range(rows // 4, rows - rows // 4)
        first = self._number(rows // 2 - players // 2, 1)
        half = self._number(rows - 1, columns - 1) + self._number(0, 0)  # a cell and its image after half a turn
        home = [first + self.stride * agent for agent in range(players)]
        self.starts = (*home, *(half - cell for cell in home))
        middle = self._number(rows // 2, columns // 2)
        self.ball_starts = (half - middle, middle)
        self.spec = ArenaSpec(
            name="soccer",
            agents=tuple(f"{team}_{agent}" for team in "ab" for agent in range(players)),
            teams=(tuple(range(players)), tuple(range(players, 2 * players))),
            observation_shape=(PLANES + 1, rows, columns),
            num_actions=len(self.offsets),
            turns=Turns.SIMULTANEOUS,
            max_steps=max_steps,
            reset_uniforms=1,
            step_uniforms=2 * players,
            truncates=True,
            common_reward=True,
            state_shape=(PLANES, rows, columns),
            description="Soccer on a grid, `players` against `players`",
        )

    def _number(self, row: int, column: int) -> int:
        return (row + 1) * self.stride + column + 1

    def reset(self, uniforms: Tensor) -> State:
        batch, device = len(uniforms), uniforms.device
        ball = torch.tensor(self.ball_starts, device=device)[(uniforms[:, 0] * len(self.ball_starts)).to(torch.int64)]
        return {
            "agents": torch.tensor(self.starts, device=device).repeat(batch, 1),
            "ball": ball,
            "steps": torch.zeros(batch, dtype=torch.int64, device=device),
        }

    def turn(self, state: State) -> Tensor:
        return torch.zeros_like(state["steps"])

    def _planes(self, state: State, dtype: torch.dtype) -> Tensor:
        """[B, 6, rows * columns]."""
        agents, ball = state["agents"], state["ball"][:, None]
        teams = torch.arange(2 * self.players, device=agents.device) // self.players
        carries = (agents == ball) & (ball != OFF)
        loose = (ball != OFF) & ~carries.any(dim=1, keepdim=True)
        plane = torch.cat((2 * teams + carries, torch.full_like(ball, LOOSE)), dim=1)
        size, nowhere = self.rows * self.columns, EMPTY * self.rows * self.columns
        place = self._place(torch.cat((agents, ball), dim=1))
        shown = torch.cat((agents != OFF, loose), dim=1)
        flat = torch.zeros((len(agents), nowhere + 1), dtype=dtype, device=agents.device)
        flat.scatter_(1, torch.where(shown, plane * size + place, nowhere), 1.0)
        pieces = flat[:, :nowhere].view(-1, EMPTY, size)
        return torch.cat((pieces, 1 - pieces.sum(dim=1, keepdim=True)), dim=1)

    def _place(self, cells: Tensor) -> Tensor:
        """The number of a cell without the rim, in reading order."""
        return (cells // self.stride - 1) * self.columns + cells % self.stride - 1

    def observe(self, state: State, agent: int | None = None, dtype: torch.dtype = torch.float32) -> Observation:
        first, last = (0, 2 * self.players) if agent is None else (agent, agent + 1)
        batch, viewers, split = len(state["ball"]), last - first, max(min(last, self.players) - first, 0)
        planes = self._planes(state, dtype)
        numbers = torch.arange(self.rows * self.columns, device=planes.device)
        agents = state["agents"][:, first:last]
        own = (torch.where(agents == OFF, -1, self._place(agents))[..., None] == numbers).to(dtype)
        seen = planes.new_empty((batch, viewers, PLANES + 1, self.rows * self.columns))
        of_a, of_b = seen[:, :split], seen[:, split:]
        of_a[:, :, :PLANES], of_a[:, :, PLANES] = planes[:, None], own[:, :split]
        if self.turned:
            of_b[:, :, :PLANES] = planes[:, None, EXCHANGED].flip(3)
            of_b[:, :, PLANES] = own[:, split:].flip(2)
        else:
            of_b[:, :, :PLANES], of_b[:, :, PLANES] = planes[:, None], -own[:, split:]
        seen = seen.view(batch, viewers, *self.spec.observation_shape)
        legal = torch.ones((batch, viewers, len(self.offsets)), dtype=torch.bool, device=planes.device)
        return Observation(seen, legal) if agent is None else Observation(seen[:, 0], legal[:, 0])

    def global_state(self, state: State, dtype: torch.dtype = torch.float32) -> Tensor:
        return self._planes(state, dtype).view(-1, *self.spec.state_shape)

    def team_state(self, state: State, team: int, dtype: torch.dtype = torch.float32) -> Tensor:
        planes = self._planes(state, dtype)
        if self.turned and team == 1:
            planes = planes[:, EXCHANGED].flip(2)
        return planes.view(-1, *self.spec.state_shape)

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        assert uniforms is not None, "the order of moves is drawn: soccer needs uniforms"
        if self.turned:
            half = torch.tensor(TURNED, device=actions.device)
            actions = torch.cat((actions[:, : self.players], half[actions[:, self.players :]]), dim=1)
        wanted = state["agents"] + torch.tensor(self.offsets, device=actions.device)[actions]
        agents, ball, lead = self._move(state["agents"], state["ball"], wanted, uniforms.argsort(dim=1, stable=True))
        after = {"agents": agents, "ball": ball, "steps": state["steps"] + 1}
        scored, over = lead != 0, after["steps"] >= self.spec.max_steps
        late = over & ~scored
        lead = torch.where(over, 0, lead)
        if live is not None:
            after, lead, scored, late = select(live, after, state), lead * live, scored & live, late & live
        team = (lead / self.players).to(torch.float32)[:, None].expand(-1, self.players)
        return Step(after, torch.cat((team, -team), dim=1), scored, late)

    def _move(self, agents: Tensor, ball: Tensor, wanted: Tensor, order: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Move one after the other. Nobody is moved by others, so where each wants to go is known beforehand.

        Args:
            agents: int64 [B, 2 N], cells.
            ball: int64 [B], its cell.
            wanted: int64 [B, 2 N], cells.
            order: int64 [B, 2 N]: who moves first, second and so on.

        Returns:
            agents and ball afterwards, and int64 [B]: 1 where team a has scored, -1 where team b has, else 0.
        """
        pitch, goals = self._map(agents.device)
        numbers = torch.arange(2 * self.players, device=agents.device)
        scorer = torch.zeros_like(ball)
        for mover in order.unbind(1):
            moves = numbers == mover[:, None]
            cell, to = (tensor.gather(1, mover[:, None]) for tensor in (agents, wanted))
            taken = agents == to
            mate = (numbers < self.players) == (mover < self.players)[:, None]
            receives = taken if self.passes else taken & (~mate | moves)
            free = pitch[to] & ~taken.any(dim=1, keepdim=True)
            carries = (ball[:, None] == cell)[:, 0]
            side = torch.where(mover < self.players, 1, -1)
            goal = carries & (goals[to[:, 0]] == side)
            agents = torch.where(moves & free, to, torch.where(moves & goal[:, None], OFF, agents))
            given = carries & (free[:, 0] | receives.any(dim=1))
            ball = torch.where(goal, OFF, torch.where(given, to[:, 0], ball))
            scorer = torch.where(goal, side, scorer)
        return agents, ball, scorer

    def _map(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """By cell: whether it is on the pitch, and the side (1 a, -1 b) that scores when it carries the ball there.

        Both are tensors over (rows + 2) * (columns + 2) cells, bool and int64.
        """
        pitch = torch.zeros((self.rows + 2, self.stride), dtype=torch.bool, device=device)
        pitch[1:-1, 1:-1] = True
        goals = torch.zeros_like(pitch, dtype=torch.int64)
        mouth = slice(self.goal_rows.start + 1, self.goal_rows.stop + 1)
        goals[mouth, -1], goals[mouth, 0] = 1, -1
        return pitch.flatten(), goals.flatten()

    def render(self, state: State, index: int) -> str:
        """The pitch as OpenSpiel writes it (capitals have the ball), between posts that leave the goals open."""
        planes = self._planes(state, torch.float32)[index].argmax(dim=0).view(self.rows, self.columns).tolist()
        lines = [f"step {int(state['steps'][index])} of {self.spec.max_steps}"]
        for row, line in enumerate(planes):
            post = " " if row in self.goal_rows else "|"
            lines.append(post + " ".join("aAbBO."[piece] for piece in line) + post)
        return "\n".join(lines)
