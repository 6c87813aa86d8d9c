"""An arena of two teams as an arena of one, whose opponents are built in: what trains a team trains in it unchanged.

The learner's team sits on either side, by turns from environment to environment; the other side's actions come from
the teams in the lanes (`agents.teams.lanes`). Episodes begin together, with the opponents and the seats of that time.

Shapes as in `agents.teams.lanes`.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from agents.teams.core import TeamMisfitError, unlike
from agents.teams.lanes import TeamLanes
from arenas.core import Arena, ArenaSpec, Observation, State, Step, Turns

SEAT = "versus.seat"
OUTCOMES = 3  # win, draw, loss


def check_versus(spec: ArenaSpec) -> None:
    """Make sure that teams can learn against each other in an arena.

    Raises:
        TeamMisfitError: they cannot; the message says what would fit.
    """
    wanted = "a league trains teams where two teams that are alike move together, as in soccer"
    if spec.turns is not Turns.SIMULTANEOUS:
        raise TeamMisfitError(f"{spec.name}: its agents move one after the other, and {wanted}")
    if len(spec.teams) == 1:
        raise TeamMisfitError(
            f"{spec.name} has one team, and {wanted}; `league train ALGORITHM {spec.name}` trains one without opponents"
        )
    if len(spec.teams) > 2:
        raise TeamMisfitError(f"{spec.name} has {len(spec.teams)} teams, and {wanted}")
    if unlike(spec):
        named = " and ".join(spec.roles) or " against ".join(str(len(team)) for team in spec.teams)
        raise TeamMisfitError(f"{spec.name}: its teams are not alike ({named}), and {wanted}")


def _places(agents: tuple[int, ...]) -> slice | list[int]:
    """What picks a team's agents; a slice copies nothing where they stand together."""
    together = agents == tuple(range(agents[0], agents[0] + len(agents)))
    return slice(agents[0], agents[0] + len(agents)) if together else list(agents)


class Versus(Arena):
    """A team against those in the lanes. Environments with an even number play as team 0, the others as team 1.

    Observations and rewards are the team's own. The global state is that of the arena as the team is to see it
    (`Arena.team_state`), or the observations of all agents, its own first; behind it stands the seat, 1 or -1.

    Args:
        arena: two teams that are alike, moving together.
        lanes: the opponents; `lanes.load` before episodes begin. S has to be even: each team is met from both seats.

    Raises:
        TeamMisfitError: the arena is another one (see `check_versus`).
        ValueError: S is odd.
    """

    def __init__(self, arena: Arena, lanes: TeamLanes) -> None:
        check_versus(arena.spec)
        if lanes.size % 2:
            raise ValueError(f"lanes of {lanes.size} environments cannot be shared out evenly among two seats")
        base = arena.spec
        self.arena, self.lanes = arena, lanes
        self.team_size = len(base.teams[0])
        team = list(base.teams[0])
        self.spec = replace(
            base,
            agents=tuple(base.agents[agent] for agent in team),
            teams=(tuple(range(self.team_size)),),
            step_uniforms=base.step_uniforms + self.team_size * base.num_actions,
            symmetries=(),
            action_counts=tuple(base.action_counts[agent] for agent in team) if base.action_counts else (),
            observation_sizes=tuple(base.observation_sizes[agent] for agent in team) if base.observation_sizes else (),
            state_shape=(math.prod(base.global_shape) + 1,),
            description=f"{base.description}, against other teams",
        )
        self._places = tuple(_places(agents) for agents in base.teams)
        self._margin = torch.zeros(0)
        self._views: tuple[State, Observation] | None = None

    def reset(self, uniforms: Tensor) -> State:
        """Start episodes everywhere; there have to be as many environments as the lanes have."""
        self.lanes.begin()
        self._margin = torch.zeros(len(uniforms), device=uniforms.device)
        state = dict(self.arena.reset(uniforms[:, : self.arena.spec.reset_uniforms]))
        state[SEAT] = torch.arange(len(uniforms), device=uniforms.device) % 2
        return state

    def turn(self, state: State) -> Tensor:
        return self.arena.turn(state)

    def observe(self, state: State, agent: int | None = None, dtype: torch.dtype = torch.float32) -> Observation:
        own = self._side(self._seen(state), state[SEAT])
        seen = own if agent is None else Observation(own.observation[:, agent], own.action_mask[:, agent])
        return Observation(seen.observation.to(dtype), seen.action_mask)

    def _seen(self, state: State) -> Observation:
        """What all agents see; kept, for the learner is shown a state before the opponents answer it."""
        if self._views is None or self._views[0] is not state:
            self._views = (state, self.arena.observe(state))
        return self._views[1]

    def _side(self, seen: Observation, team: Tensor) -> Observation:
        """What the agents of `team` (int64 [B]) see."""
        first, second = self._places
        views, masks = seen
        flag = team.view(-1, *[1] * (views.dim() - 1)) == 0
        return Observation(
            torch.where(flag, views[:, first], views[:, second]),
            torch.where(team.view(-1, 1, 1) == 0, masks[:, first], masks[:, second]),
        )

    def global_state(self, state: State, dtype: torch.dtype = torch.float32) -> Tensor:
        seat = state[SEAT][:, None]
        if self.arena.spec.state_shape:
            first, second = (self.arena.team_state(state, team, dtype).flatten(1) for team in (0, 1))
            seen = torch.where(seat == 0, first, second)
        else:
            every = self._seen(state)
            sides = [self._side(every, team).observation.flatten(1) for team in (state[SEAT], 1 - state[SEAT])]
            seen = torch.cat(sides, dim=1).to(dtype)
        return torch.cat((seen, (1 - 2 * seat).to(dtype)), dim=1)

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        assert uniforms is not None, "opponents draw their actions: uniforms are needed"
        base, seat = self.arena.spec, state[SEAT]
        theirs = self._side(self._seen(state), 1 - seat)
        draws = uniforms[:, base.step_uniforms :].view(len(seat), self.team_size, base.num_actions)
        answer = self.lanes.act(theirs.observation.flatten(2), theirs.action_mask, draws)
        first, second = self._places
        joint = torch.empty(len(seat), base.num_agents, dtype=torch.int64, device=actions.device)
        mine = seat[:, None] == 0
        joint[:, first], joint[:, second] = torch.where(mine, actions, answer), torch.where(mine, answer, actions)
        after = self.arena.step(state, joint, uniforms[:, : base.step_uniforms], live)
        own = torch.where(mine, after.rewards[:, first], after.rewards[:, second])
        other = torch.where(mine, after.rewards[:, second], after.rewards[:, first])
        self._margin += own.sum(dim=1) - other.sum(dim=1)
        following = dict(after.state)
        following[SEAT] = seat
        return Step(following, own, after.terminated, after.truncated)

    def outcomes(self) -> Tensor:
        """int64 [L, 2, 3] on the CPU: wins, draws and losses of the last episodes, by lane and seat.

        As in rated matches, whoever returned more has won.
        """
        result = torch.stack((self._margin > 0, self._margin == 0, self._margin < 0), dim=1)
        return result.view(-1, self.lanes.size // 2, 2, OUTCOMES).sum(dim=1).cpu()

    def render(self, state: State, index: int) -> str:
        return self.arena.render(state, index)

    def close(self) -> None:
        self.arena.close()
