"""The training of the teams that one process hosts, each by an algorithm of its own.

As `league.training` does for policies of one shape: opponents into lanes, episodes, an update, counts. Here one
iteration is one training step of one team, the one that has the fewest samples: a sample is a joint step of all agents.
Where the teams of the arena are not alike, a player is a team for each role, each with a learner of its own; they are
trained in turns, against the other role's teams, and frozen and reset together. Nothing here knows Redis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, JsonValue
from torch import Tensor

from agents.checkpoint import CheckpointStore
from agents.teams import registry
from agents.teams.all_roles import Teams, player_of, role_names, save_roles
from agents.teams.core import TeamLearner, TeamMisfitError, TeamSetup
from agents.teams.credit import credited
from agents.teams.credit_settings import CreditConfig
from agents.teams.lanes import TeamLanes, shape_of
from agents.teams.policy import TeamPolicy, save_team
from agents.teams.versus import Versus, check_versus, trained_roles
from arenas.core import Arena
from league.team_weights import publish_teams
from league.training import Iteration, added_up, below
from league.weights import LiveWeights
from matchmaking.population import Population
from matchmaking.records import EpisodeCount
from matchmaking.rules import Choice, OpponentRule

WORTH_COMPACTING = 65_536  # numbers in a tensor

TeamSource = Callable[[str], Teams | None]
"""Gives the teams of a player that is not hosted here, by id; None of a learner that has not shown itself yet."""


@dataclass(frozen=True, slots=True)
class TeamPlan:
    """How a team is trained.

    Attributes:
        algorithm: its name.
        config: the algorithm's settings.
        environments: B, episodes of a training step; even.
        lanes: L, the most opponents that it faces at the same time.
        temperature: at which it plays against others.
        seed: of all randomness.
        credit: which rewards it learns from.
    """

    algorithm: str
    config: BaseModel
    environments: int
    lanes: int
    temperature: float
    seed: int
    credit: CreditConfig = field(default_factory=CreditConfig)

    @property
    def lane_size(self) -> int:
        """S: even, for each opponent is met from both seats; lanes are fewer where the environments ask for it."""
        pairs = self.environments // 2
        return 2 * next(pairs // lanes for lanes in range(min(self.lanes, pairs), 0, -1) if pairs % lanes == 0)


class HostedTeam:
    """A team in training and the arena that it is trained in.

    Args:
        arena: two teams.
        plan: how it is trained.
        device: where.
        role: which of the two it is, where they are not alike (`agents.teams.versus.trained_roles`).

    Attributes:
        samples: joint steps since the start of the run; a reset does not take them back.
        resets: how often it began afresh.
        learner: what trains it.

    Raises:
        TeamMisfitError: arena, algorithm and rewards do not fit together, or the environments are an odd number.
    """

    def __init__(self, arena: Arena, plan: TeamPlan, device: torch.device, role: int | None = None) -> None:
        if plan.environments % 2:
            raise TeamMisfitError(
                f"{plan.environments} environments cannot be shared out evenly among two seats: set an even number"
            )
        check_versus(arena.spec)
        self.plan, self.role, self._device = plan, role, device
        self.lanes = TeamLanes(plan.lane_size, device)
        self.versus = Versus(credited(arena, plan.credit, plan.config), self.lanes, role)
        self.samples = self.resets = 0
        self.learner: TeamLearner
        self.begin(0)

    def begin(self, resets: int) -> None:
        """Start with fresh weights, which the number of resets tells apart from those before."""
        plan, self.resets = self.plan, resets
        seed = int(np.random.SeedSequence([plan.seed, resets, *filter(None, [self.role])]).generate_state(1)[0])
        self.learner = registry.make(
            plan.algorithm, self.versus, plan.config, environments=plan.environments, seed=seed, device=self._device
        )

    def policy(self) -> TeamPolicy:
        """What plays for it against others, as it is now: a copy."""
        learned, temperature = self.learner.policy(), self.plan.temperature
        setup = TeamSetup(self.versus.arena, self.role or 0, learned.setup.sharing, learned.setup.agent_ids)
        return TeamPolicy(setup, learned.network, learned.weights, temperature, learned.algorithm)


class TeamTrainer:
    """Trains the teams of a league that one process hosts.

    Args:
        arena: two teams.
        plans: of the hosted learners, by id; the population holds them and hosts their payoff rows.
        rules: each one's opponent rule.
        population: the league as this process knows it; the caller keeps it up to date.
        team_of: teams of players that live elsewhere.
        device: where.
        seed: of the choice of opponents.

    Attributes:
        parts: names of the teams that each player is made of: its own, or one with each role behind it.
        hosted: the teams by these names.

    Raises:
        TeamMisfitError: the arena and an algorithm do not fit together.
    """

    def __init__(
        self,
        arena: Arena,
        plans: Mapping[str, TeamPlan],
        rules: Mapping[str, OpponentRule],
        population: Population,
        team_of: TeamSource,
        device: torch.device,
        seed: int,
    ) -> None:
        self.arena, self.device = arena, device
        self.players, self.rules, self.population = list(plans), dict(rules), population
        self.parts: dict[str, tuple[str, ...]] = {}
        self.hosted: dict[str, HostedTeam] = {}
        for player, plan in plans.items():
            made = {part_name(player, arena, role): role for role in trained_roles(arena.spec)}
            self.parts[player] = tuple(made)
            self.hosted |= {part: HostedTeam(arena, plan, device, role) for part, role in made.items()}
        self.choices = np.random.default_rng(seed)
        self.iteration = 0
        self._team_of = team_of
        self._figures: dict[str, dict[str, float]] = {player: {} for player in self.players}

    @property
    def dtype(self) -> torch.dtype:
        """Teams are computed in single precision."""
        return torch.float32

    @property
    def samples_an_iteration(self) -> int:
        """About how many samples an iteration gives."""
        environments = [team.plan.environments for team in self.hosted.values()]
        return max(environments) * self.arena.spec.max_steps

    def iterate(self) -> Iteration:
        """Train the team with the fewest samples for one step; the population is not touched."""
        player = min(self.players, key=lambda each: sum(self.hosted[part].samples for part in self.parts[each]))
        part = min(self.parts[player], key=lambda each: self.hosted[each].samples)
        hosted = self.hosted[part]
        opponents, branches = self._line_up(player, part)
        before = hosted.learner.environment_steps
        figures = hosted.learner.train_step()
        role = part.removeprefix(player).removeprefix(".")
        self._figures[player] |= {f"{role}_{name}" if role else name: figure for name, figure in figures.items()}
        samples = dict.fromkeys(self.players, 0)
        samples[player] = hosted.learner.environment_steps - before
        hosted.samples += samples[player]
        self.iteration += 1
        return Iteration(
            counts=self._counts(player, part, opponents),
            samples=samples,
            figures={each: dict(figures) for each, figures in self._figures.items()},
            branches={player: branches},
        )

    def reset(self, player: str) -> None:
        """Begin a player afresh: no weights, no experience and no schedule are kept."""
        for hosted in self._hosted(player):
            hosted.begin(hosted.resets + 1)

    def weights(self, player: str) -> Tensor:
        """A copy of a hosted player's present weights, flat."""
        return torch.cat([hosted.learner.policy().weights.flatten() for hosted in self._hosted(player)])

    def publish(self, player: str, live: LiveWeights) -> None:
        """Show a hosted player as it is now to the other processes."""
        publish_teams(live, player, self._own(player))

    def checkpoint(self, player: str, store: CheckpointStore, steps: int) -> str:
        """Write a hosted player's checkpoint; its name."""
        made = player_of(self._own(player))
        if isinstance(made, TeamPolicy):
            return save_team(store, made, steps, parent=player, created_by="league")
        return save_roles(store, made, steps, parent=player, created_by="league")

    def _hosted(self, player: str) -> list[HostedTeam]:
        return [self.hosted[part] for part in self.parts[player]]

    def _own(self, player: str) -> Teams:
        """The teams of a hosted player as they are now."""
        return tuple(hosted.policy() for hosted in self._hosted(player))

    def _line_up(self, player: str, part: str) -> tuple[list[str], dict[str, int]]:
        """Choose an opponent for every lane, by id, and seat them; how often each branch of the rule was taken.

        A learner that nobody has seen yet is stood in for by the player itself, which counts nowhere.
        """
        hosted = self.hosted[part]
        count = hosted.plan.environments // hosted.plan.lane_size
        chosen: list[Choice] = self.rules[player].choose_many(self.population, player, self.choices, count)
        branches: dict[str, int] = {}
        teams: dict[str, TeamPolicy] = {}
        lanes: list[str] = []
        facing = -1 if hosted.role is None else 1 - hosted.role
        for choice in chosen:
            branches[choice.branch] = branches.get(choice.branch, 0) + 1
            opponent = choice.opponent
            if opponent not in teams:
                found = self._team(opponent)
                opponent = player if found is None else opponent
                if opponent not in teams:
                    teams[opponent] = (found or self._own(player))[facing]
            lanes.append(opponent)
        lanes.sort(key=lambda each: repr(shape_of(teams[each])))  # one call for each shape
        hosted.lanes.load([teams[each] for each in lanes])
        return lanes, branches

    def _team(self, player: str) -> Teams | None:
        return self._own(player) if player in self.parts else self._team_of(player)

    def _counts(self, player: str, part: str, opponents: Sequence[str]) -> list[EpisodeCount]:
        """The episodes of the last training step, lanes with the same opponent added up; self-play is left out."""
        table = self.hosted[part].versus.outcomes().tolist()
        return added_up(
            [
                EpisodeCount(player=player, opponent=opponent, seat=seat, wins=wins, draws=draws, losses=losses)
                for opponent, seats in zip(opponents, table, strict=True)
                for seat, (wins, draws, losses) in enumerate(seats)
                if opponent != player and wins + draws + losses
            ]
        )

    def state(self) -> tuple[dict[str, Tensor], dict[str, JsonValue]]:
        """Everything that is needed to go on as if nothing had happened; the tensors are those in use.

        No episode is under way between two iterations.
        """
        tensors = {
            f"{part}.{name}": compact(tensor)
            for part, hosted in self.hosted.items()
            for name, tensor in hosted.learner.state().items()
        }
        extra: dict[str, Any] = {
            "players": list(self.players),
            "iteration": self.iteration,
            "samples": {part: hosted.samples for part, hosted in self.hosted.items()},
            "resets": {part: hosted.resets for part, hosted in self.hosted.items()},
            "choices": self.choices.bit_generator.state,
            "rules": {player: rule.state() for player, rule in self.rules.items()},
        }
        return tensors, extra

    def load_state(self, tensors: Mapping[str, Tensor], extra: Mapping[str, Any]) -> None:
        """Go on from what `state` gave; the tensors stay the caller's.

        Raises:
            ValueError: the state is of other players, of other algorithms or of other sizes.
        """
        if extra["players"] != self.players:
            raise ValueError(f"this state is of the players {extra['players']}, not of {self.players}")
        for part, hosted in self.hosted.items():
            hosted.begin(extra["resets"][part])
            hosted.samples = extra["samples"][part]
            try:
                saved = below(f"{part}.", tensors)
                hosted.learner.load_state({name: whole(tensor) for name, tensor in saved.items()})
            except KeyError as error:
                raise ValueError(f"it has no {error} of {hosted.plan.algorithm}: was the algorithm changed?") from error
        for player, rule in self.rules.items():
            rule.load_state(extra["rules"][player])
        self.iteration = extra["iteration"]
        self.choices.bit_generator.state = extra["choices"]


def part_name(player: str, arena: Arena, role: int | None) -> str:
    """What a team of a player is called: as the player, or with the role behind it."""
    return player if role is None else f"{player}.{role_names(arena.spec)[role]}"


def compact(tensor: Tensor) -> Tensor:
    """A large tensor of small whole numbers in a byte each: what agents see in a grid fills most of a replay buffer."""
    if tensor.dtype is not torch.float32 or tensor.numel() < WORTH_COMPACTING:
        return tensor
    small = tensor.to(torch.int8)
    return small if torch.equal(small.to(torch.float32), tensor) else tensor


def whole(tensor: Tensor) -> Tensor:
    """What `compact` was given: learners themselves keep nothing in such bytes."""
    return tensor.to(torch.float32) if tensor.dtype is torch.int8 else tensor
