"""The training of the teams that one process hosts, each by an algorithm of its own.

As `league.training` does for policies of one shape: opponents into lanes, episodes, an update, counts. Here one
iteration is one training step of one team, the one that has the fewest samples: a sample is a joint step of all agents.
Nothing here knows Redis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, JsonValue
from torch import Tensor

from agents.checkpoint import CheckpointStore
from agents.teams import registry
from agents.teams.core import TeamLearner, TeamMisfitError
from agents.teams.lanes import TeamLanes, shape_of
from agents.teams.policy import TeamPolicy, save_team
from agents.teams.versus import Versus
from arenas.core import Arena
from league.team_weights import publish_team
from league.training import Iteration, added_up, below
from league.weights import LiveWeights
from matchmaking.population import Population
from matchmaking.records import EpisodeCount
from matchmaking.rules import Choice, OpponentRule

WORTH_COMPACTING = 65_536  # numbers in a tensor

TeamSource = Callable[[str], TeamPolicy | None]
"""Gives the team of a player that is not hosted here, by id; None of a learner that has not shown itself yet."""


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
    """

    algorithm: str
    config: BaseModel
    environments: int
    lanes: int
    temperature: float
    seed: int

    @property
    def lane_size(self) -> int:
        """S: even, for each opponent is met from both seats; lanes are fewer where the environments ask for it."""
        pairs = self.environments // 2
        return 2 * next(pairs // lanes for lanes in range(min(self.lanes, pairs), 0, -1) if pairs % lanes == 0)


class HostedTeam:
    """A team in training and the arena that it is trained in.

    Args:
        arena: two teams that are alike.
        plan: how it is trained.
        device: where.

    Attributes:
        samples: joint steps since the start of the run; a reset does not take them back.
        resets: how often it began afresh.
        learner: what trains it.

    Raises:
        TeamMisfitError: arena and algorithm do not fit together, or the environments are an odd number.
    """

    def __init__(self, arena: Arena, plan: TeamPlan, device: torch.device) -> None:
        if plan.environments % 2:
            raise TeamMisfitError(
                f"{plan.environments} environments cannot be shared out evenly among two seats: set an even number"
            )
        self.plan, self._device = plan, device
        self.lanes = TeamLanes(plan.lane_size, device)
        self.versus = Versus(arena, self.lanes)
        self.samples = self.resets = 0
        self.learner: TeamLearner
        self.begin(0)

    def begin(self, resets: int) -> None:
        """Start with fresh weights, which the number of resets tells apart from those before."""
        plan, self.resets = self.plan, resets
        seed = int(np.random.SeedSequence([plan.seed, resets]).generate_state(1)[0])
        self.learner = registry.make(
            plan.algorithm, self.versus, plan.config, environments=plan.environments, seed=seed, device=self._device
        )

    def policy(self) -> TeamPolicy:
        """What plays for it against others, as it is now: a copy."""
        policy = self.learner.policy()
        policy.temperature = self.plan.temperature
        policy.draws = policy.temperature > 0
        return policy


class TeamTrainer:
    """Trains the teams of a league that one process hosts.

    Args:
        arena: two teams that are alike.
        plans: of the hosted learners, by id; the population holds them and hosts their payoff rows.
        rules: each one's opponent rule.
        population: the league as this process knows it; the caller keeps it up to date.
        team_of: teams of players that live elsewhere.
        device: where.
        seed: of the choice of opponents.

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
        self.hosted = {player: HostedTeam(arena, plan, device) for player, plan in plans.items()}
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
        player = min(self.players, key=lambda each: self.hosted[each].samples)
        hosted = self.hosted[player]
        opponents, branches = self._line_up(player)
        before = hosted.learner.environment_steps
        self._figures[player] = hosted.learner.train_step()
        samples = dict.fromkeys(self.players, 0)
        samples[player] = hosted.learner.environment_steps - before
        hosted.samples += samples[player]
        self.iteration += 1
        return Iteration(
            counts=self._counts(player, opponents),
            samples=samples,
            figures={each: dict(figures) for each, figures in self._figures.items()},
            branches={player: branches},
        )

    def reset(self, player: str) -> None:
        """Begin a team afresh: no weights, no experience and no schedule are kept."""
        hosted = self.hosted[player]
        hosted.begin(hosted.resets + 1)

    def weights(self, player: str) -> Tensor:
        """A copy [P * D] of a hosted team's present weights."""
        return self.hosted[player].learner.policy().weights.flatten()

    def publish(self, player: str, live: LiveWeights) -> None:
        """Show a hosted team as it is now to the other processes."""
        publish_team(live, player, self.hosted[player].policy())

    def checkpoint(self, player: str, store: CheckpointStore, steps: int) -> str:
        """Write a hosted team's checkpoint; its name."""
        return save_team(store, self.hosted[player].policy(), steps, parent=player, created_by="league")

    def _line_up(self, player: str) -> tuple[list[str], dict[str, int]]:
        """Choose an opponent for every lane, by id, and seat them; how often each branch of the rule was taken.

        A learner that nobody has seen yet is stood in for by the player itself, which counts nowhere.
        """
        hosted = self.hosted[player]
        count = hosted.plan.environments // hosted.plan.lane_size
        chosen: list[Choice] = self.rules[player].choose_many(self.population, player, self.choices, count)
        branches: dict[str, int] = {}
        teams: dict[str, TeamPolicy] = {}
        lanes: list[str] = []
        for choice in chosen:
            branches[choice.branch] = branches.get(choice.branch, 0) + 1
            found = teams.get(choice.opponent) or self._team(choice.opponent)
            opponent = player if found is None else choice.opponent
            teams[opponent] = found if found is not None else teams.get(player) or hosted.policy()
            lanes.append(opponent)
        lanes.sort(key=lambda each: repr(shape_of(teams[each])))  # one call for each shape
        hosted.lanes.load([teams[each] for each in lanes])
        return lanes, branches

    def _team(self, player: str) -> TeamPolicy | None:
        return self.hosted[player].policy() if player in self.hosted else self._team_of(player)

    def _counts(self, player: str, opponents: Sequence[str]) -> list[EpisodeCount]:
        """The episodes of the last training step, lanes with the same opponent added up; self-play is left out."""
        table = self.hosted[player].versus.outcomes().tolist()
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
            f"{player}.{name}": compact(tensor)
            for player, hosted in self.hosted.items()
            for name, tensor in hosted.learner.state().items()
        }
        extra: dict[str, Any] = {
            "players": list(self.players),
            "iteration": self.iteration,
            "samples": {player: hosted.samples for player, hosted in self.hosted.items()},
            "resets": {player: hosted.resets for player, hosted in self.hosted.items()},
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
        for player, hosted in self.hosted.items():
            hosted.begin(extra["resets"][player])
            hosted.samples = extra["samples"][player]
            try:
                saved = below(f"{player}.", tensors)
                hosted.learner.load_state({name: whole(tensor) for name, tensor in saved.items()})
            except KeyError as error:
                raise ValueError(f"it has no {error} of {hosted.plan.algorithm}: was the algorithm changed?") from error
            self.rules[player].load_state(extra["rules"][player])
        self.iteration = extra["iteration"]
        self.choices.bit_generator.state = extra["choices"]


def compact(tensor: Tensor) -> Tensor:
    """A large tensor of small whole numbers in a byte each: what agents see in a grid fills most of a replay buffer."""
    if tensor.dtype is not torch.float32 or tensor.numel() < WORTH_COMPACTING:
        return tensor
    small = tensor.to(torch.int8)
    return small if torch.equal(small.to(torch.float32), tensor) else tensor


def whole(tensor: Tensor) -> Tensor:
    """What `compact` was given: learners themselves keep nothing in such bytes."""
    return tensor.to(torch.float32) if tensor.dtype is torch.int8 else tensor
