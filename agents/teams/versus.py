"""An arena of two teams as an arena of one, whose opponents are built in: what trains a team trains in it unchanged.

Where the teams are alike, the learner's team sits on either side, by turns from environment to environment; where they
are not, it has the side of its role. The other side's actions come from the teams in the lanes (`agents.teams.lanes`).
Episodes begin together, with the opponents and the seats of that time.

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
from arenas.shaping import layers

SEAT = "versus.seat"
OUTCOMES = 3  # win, draw, loss


def trained_roles(spec: ArenaSpec) -> tuple[int | None, ...]:
    """The sides that a player of an arena is trained for, one after the other; None is for both where they are alike.

    Raises:
        TeamMisfitError: teams cannot learn against each other in it; see `check_versus`.
    """
    check_versus(spec)
    return (0, 1) if unlike(spec) else (None,)


def check_versus(spec: ArenaSpec) -> None:
    """Make sure that teams can learn against each other in an arena.

    Raises:
        TeamMisfitError: they cannot; the message says what would fit.
    """
    wanted = "a league trains teams where two teams move together, as in soccer and in tag"
    if spec.turns is not Turns.SIMULTANEOUS:
        raise TeamMisfitError(f"{spec.name}: its agents move one after the other, and {wanted}")
    if len(spec.teams) == 1:
        raise TeamMisfitError(
            f"{spec.name} has one team, and {wanted}; `league train ALGORITHM {spec.name}` trains one without opponents"
        )
    if len(spec.teams) > 2:
        raise TeamMisfitError(f"{spec.name} has {len(spec.teams)} teams, and {wanted}")


def _places(agents: tuple[int, ...]) -> slice | list[int]:
    """What picks a team's agents; a slice copies nothing where they stand together."""
    together = agents == tuple(range(agents[0], agents[0] + len(agents)))
    return slice(agents[0], agents[0] + len(agents)) if together else list(agents)


class Versus(Arena):
    """A team against those in the lanes. Environments with an even number play as team 0, the others as team 1; with a
    role, all of them as that team.

    Observations and rewards are the team's own. The global state is that of the arena as the team is to see it
    (`Arena.team_state`), or the observations of all agents, its own first; behind it stands the seat, 1 or -1.

    Args:
        arena: two teams, moving together. Where their rewards are changed (`arenas.shaping`), it learns from those, and
            outcomes are by the arena's own.
        lanes: the opponents; `lanes.load` before episodes begin. S has to be even: each team is met from both seats.
        role: the number of its team, where teams are not alike (`trained_roles`).

    Raises:
        TeamMisfitError: the arena is another one (see `check_versus`).
        ValueError: S is odd, or the role is missing.
    """

    def __init__(self, arena: Arena, lanes: TeamLanes, role: int | None = None) -> None:
        base = arena.spec
        if role not in trained_roles(base):
            raise ValueError(f"{base.name}: {role} is none of the roles {trained_roles(base)}")
        if lanes.size % 2:
            raise ValueError(f"lanes of {lanes.size} environments cannot be shared out evenly among two seats")
        self.arena, self._rewarded = layers(arena)
        self.lanes, self.role = lanes, role
        team = list(base.teams[role or 0])
        self.opponents = len(base.teams[1 - (role or 0)])
        self.spec = replace(
            base,
            agents=tuple(base.agents[agent] for agent in team),
            teams=(tuple(range(len(team))),),
            roles=(),
            step_uniforms=base.step_uniforms + self.opponents * base.num_actions,
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
        numbers = torch.arange(len(uniforms), device=uniforms.device)
        state[SEAT] = numbers % 2 if self.role is None else torch.full_like(numbers, self.role)
        return state

    def turn(self, state: State) -> Tensor:
        return self.arena.turn(state)

    def observe(self, state: State, agent: int | None = None, dtype: torch.dtype = torch.float32) -> Observation:
        whole = self._seen(state)
        own = Observation(self._side(whole.observation, state), self._side(whole.action_mask, state))
        seen = own if agent is None else Observation(own.observation[:, agent], own.action_mask[:, agent])
        return Observation(seen.observation.to(dtype), seen.action_mask)

    def _seen(self, state: State) -> Observation:
        """What all agents see; kept, for the learner is shown a state before the opponents answer it."""
        if self._views is None or self._views[0] is not state:
            self._views = (state, self.arena.observe(state))
        return self._views[1]

    def _side(self, values: Tensor, state: State, *, other: bool = False) -> Tensor:
        """What of [B, agents of the arena, ...] is the team's, or its opponents'."""
        first, second = self._places[::-1] if other else self._places
        if self.role is not None:
            return values[:, second if self.role else first]
        as_first = state[SEAT].view(-1, *[1] * (values.dim() - 1)) == 0
        return torch.where(as_first, values[:, first], values[:, second])

    def global_state(self, state: State, dtype: torch.dtype = torch.float32) -> Tensor:
        seat = state[SEAT][:, None]
        if not self.arena.spec.state_shape:
            every = self._seen(state).observation
            sides = [self._side(every, state, other=other).flatten(1) for other in (False, True)]
            seen = torch.cat(sides, dim=1).to(dtype)
        elif self.role is not None:
            seen = self.arena.team_state(state, self.role, dtype).flatten(1)
        else:
            first, second = (self.arena.team_state(state, team, dtype).flatten(1) for team in (0, 1))
            seen = torch.where(seat == 0, first, second)
        return torch.cat((seen, (1 - 2 * seat).to(dtype)), dim=1)

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        assert uniforms is not None, "opponents draw their actions: uniforms are needed"
        base = self.arena.spec
        seen, mask = (self._side(each, state, other=True) for each in self._seen(state))
        draws = uniforms[:, base.step_uniforms :].view(len(actions), self.opponents, base.num_actions)
        joint = self._joint(actions, self.lanes.act(seen.flatten(2), mask, draws), state)
        chance = uniforms[:, : base.step_uniforms]
        after = self.arena.step(state, joint, chance, live)
        own, theirs = (self._side(after.rewards, state, other=other) for other in (False, True))
        self._margin += own.sum(dim=1) - theirs.sum(dim=1)
        learned = after
        for layer in self._rewarded:
            learned = learned._replace(rewards=layer.rewards(state, joint, chance, live, learned))
        if self._rewarded:
            own = self._side(learned.rewards, state)
        following = dict(after.state)
        following[SEAT] = state[SEAT]
        return Step(following, own, after.terminated, after.truncated)

    def _joint(self, actions: Tensor, answer: Tensor, state: State) -> Tensor:
        """The actions of all agents of the arena, int64 [B, N]."""
        first, second = self._places
        joint = torch.empty(len(actions), self.arena.spec.num_agents, dtype=torch.int64, device=actions.device)
        if self.role is None:
            mine = state[SEAT][:, None] == 0
            joint[:, first], joint[:, second] = torch.where(mine, actions, answer), torch.where(mine, answer, actions)
        else:
            joint[:, first], joint[:, second] = (answer, actions) if self.role else (actions, answer)
        return joint

    def outcomes(self) -> Tensor:
        """int64 [L, 2, 3] on the CPU: wins, draws and losses of the last episodes, by lane and seat.

        As in rated matches, whoever returned more has won.
        """
        result = torch.stack((self._margin > 0, self._margin == 0, self._margin < 0), dim=1).cpu()
        if self.role is None:
            return result.view(-1, self.lanes.size // 2, 2, OUTCOMES).sum(dim=1)
        table = torch.zeros(len(result) // self.lanes.size, 2, OUTCOMES, dtype=torch.int64)
        table[:, self.role] = result.view(-1, self.lanes.size, OUTCOMES).sum(dim=1)
        return table

    def render(self, state: State, index: int) -> str:
        return self.arena.render(state, index)

    def close(self) -> None:
        self.arena.close()
