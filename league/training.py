"""The training of the players that one process hosts: opponents into lanes, rollout, update, counts.

Nothing here knows Redis: the learner process (`league.learner`) brings the population up to date, reports what
`Trainer.iterate` returns, and freezes and resets when the roles' rules say so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from pydantic import JsonValue
from torch import Tensor

from agents.algorithms.ppo import PPO
from agents.checkpoint import CheckpointStore, Manifest
from agents.compute import Compiler
from agents.networks import Network
from agents.rollout import Rollout
from agents.settings import PPOConfig, RolloutConfig
from arenas.core import Arena
from league.weights import LiveWeights
from matchmaking.population import Population
from matchmaking.records import EpisodeCount, Kind
from matchmaking.rules import OpponentRule

WeightSource = Callable[[str], Tensor]
"""Gives the weights [D] of a player that is not hosted here, by id."""


@dataclass(frozen=True, slots=True)
class TrainingSetup:
    """What a trainer is made of.

    Attributes:
        arena: the game.
        network: the shape shared by all players.
        rollout: sizes of the batch.
        ppo: the algorithm's settings.
        device: where everything is computed.
        dtype: compute precision.
        compiler: wraps tensor programs.
        seed: of every random stream of this trainer.
    """

    arena: Arena
    network: Network
    rollout: RolloutConfig
    ppo: PPOConfig
    device: torch.device
    dtype: torch.dtype
    compiler: Compiler
    seed: int


class Iteration(NamedTuple):
    """What one iteration gave.

    Attributes:
        counts: finished episodes by (player, opponent, seat); self-play is left out.
        samples: learner samples by player.
        figures: the update's figures, by player and name.
        branches: how often each branch of the opponent rules was taken, by player.
    """

    counts: list[EpisodeCount]
    samples: dict[str, int]
    figures: dict[str, dict[str, float]]
    branches: dict[str, dict[str, int]]


class Training(Protocol):
    """What trains the players of one process, as its learner process sees it.

    Attributes:
        iteration: iterations so far.
        rules: each player's opponent rule.
    """

    iteration: int
    rules: dict[str, OpponentRule]

    @property
    def arena(self) -> Arena: ...

    @property
    def device(self) -> torch.device:
        """Where everything is computed."""

    @property
    def dtype(self) -> torch.dtype:
        """Compute precision."""

    @property
    def samples_an_iteration(self) -> int:
        """About how many learner samples an iteration gives."""

    def iterate(self) -> Iteration:
        """Choose opponents, play, update; the population is not touched."""

    def reset(self, player: str) -> None:
        """Begin a player afresh; no episode under way that it plays in counts any more."""

    def weights(self, player: str) -> Tensor:
        """A copy of a player's present weights, flat."""

    def publish(self, player: str, live: LiveWeights) -> None:
        """Show a player's present weights to the other processes."""

    def checkpoint(self, player: str, store: CheckpointStore, steps: int) -> str:
        """Write a player's checkpoint after so many samples; its name."""

    def state(self) -> tuple[dict[str, Tensor], dict[str, JsonValue]]:
        """Everything that is needed to go on as if nothing had happened: tensors, and the rest as JSON."""

    def load_state(self, tensors: Mapping[str, Tensor], extra: Mapping[str, Any]) -> None:
        """Go on from what `state` gave; the tensors stay the caller's.

        Raises:
            ValueError: it does not fit.
        """


class Trainer:
    """Trains P players of a league in one batched program.

    Args:
        setup: arena, network, sizes, device.
        players: ids of the hosted learners; the population holds them and hosts their payoff rows.
        rules: each one's opponent rule.
        initial: float32 [P, D], the first weights, and those that a reset goes back to; copied.
        population: the league as this process knows it; the caller keeps it up to date.
        weights_of: weights of players that live elsewhere.
    """

    def __init__(
        self,
        setup: TrainingSetup,
        players: Sequence[str],
        rules: Mapping[str, OpponentRule],
        initial: Tensor,
        population: Population,
        weights_of: WeightSource,
    ) -> None:
        self.setup, self.players, self.rules, self.population = setup, list(players), dict(rules), population
        self.initial = initial.clone()
        self._weights_of = weights_of
        self.generator = torch.Generator(setup.device).manual_seed(setup.seed)
        self.choices = np.random.default_rng(setup.seed)
        symmetries = setup.arena.spec.symmetries
        self.ppo = PPO(setup.network, initial, setup.ppo, setup.dtype, setup.device, symmetries, setup.compiler)
        self.rollout = Rollout(
            setup.arena, setup.network, len(players), setup.rollout, setup.dtype, setup.device, self.generator,
            setup.compiler,
        )  # fmt: skip
        self.iteration = 0
        self.opponents: list[str | None] = [None] * (len(players) * setup.rollout.lanes)

    @property
    def arena(self) -> Arena:
        return self.setup.arena

    @property
    def device(self) -> torch.device:
        return self.setup.device

    @property
    def dtype(self) -> torch.dtype:
        return self.setup.dtype

    @property
    def samples_an_iteration(self) -> int:
        """Learner samples that an iteration gives at the most."""
        return len(self.players) * self.setup.rollout.environments * self.setup.rollout.horizon

    def iterate(self) -> Iteration:
        """Choose opponents, play T steps, update every player; the population is not touched."""
        branches = self._choose_opponents()
        experience = self.rollout.collect(self.ppo.policies)
        figures = self.ppo.update(experience, self.generator)
        samples = experience.valid.sum((1, 2)).tolist()
        table = {name: values.tolist() for name, values in figures.items()}
        self.iteration += 1
        return Iteration(
            counts=self._counts(),
            samples=dict(zip(self.players, samples, strict=True)),
            figures={
                player: {name: values[index] for name, values in table.items()}
                for index, player in enumerate(self.players)
            },
            branches=branches,
        )

    def reset(self, player: str) -> None:
        """Begin a player afresh from its initial weights; see `restart`."""
        self.restart(player, self.initial[self.players.index(player)])

    def restart(self, player: str, weights: Tensor) -> None:
        """Begin a player afresh from `weights` [D]; no episode under way that it plays in counts any more."""
        index = self.players.index(player)
        self.ppo.restart(index, weights)
        lanes = self.setup.rollout.lanes
        for row, opponent in enumerate(self.opponents):
            if row // lanes == index or opponent == player:
                self.opponents[row] = None  # chosen anew, which voids what is under way

    def weights(self, player: str) -> Tensor:
        """A copy [D] of a hosted player's present weights."""
        return self.ppo.snapshot(self.players.index(player))

    def publish(self, player: str, live: LiveWeights) -> None:
        """Show a hosted player's present weights to the other processes."""
        live.publish(player, self.weights(player))

    def checkpoint(self, player: str, store: CheckpointStore, steps: int) -> str:
        """Write a hosted player's checkpoint after so many samples; its name."""
        network, spec = self.setup.network, self.setup.arena.spec
        row = self.weights(player).unsqueeze(0)
        manifest = Manifest(
            arena=spec.name,
            observation_shape=spec.observation_shape,
            num_actions=spec.num_actions,
            network=network.config.model_dump(mode="json"),
            steps=steps,
            parent=player,
            created_by="league",
        )
        return store.save({name: tensor[0] for name, tensor in network.layout.views(row).items()}, manifest)

    def _choose_opponents(self) -> dict[str, dict[str, int]]:
        """Give lanes that are due, or empty, new opponents; bring the weights of live ones up to date."""
        lanes, hold = self.setup.rollout.lanes, self.setup.rollout.hold
        branches: dict[str, dict[str, int]] = {}
        for index, player in enumerate(self.players):
            rows = range(index * lanes, (index + 1) * lanes)
            due = [row for row in rows if self.opponents[row] is None or (row + self.iteration) % hold == 0]
            chosen = self.rules[player].choose_many(self.population, player, self.choices, len(due))
            for row, choice in zip(due, chosen, strict=True):
                taken = branches.setdefault(player, {})
                taken[choice.branch] = taken.get(choice.branch, 0) + 1
                if choice.opponent != self.opponents[row]:
                    self.opponents[row] = choice.opponent
                    self.rollout.assign(row, self._weights(choice.opponent))
        for row, opponent in enumerate(self.opponents):
            if opponent is not None and self.population.player(opponent).kind is Kind.LEARNER:
                self.rollout.lanes.load(row, self._weights(opponent))
        return branches

    def _weights(self, player: str) -> Tensor:
        if player in self.players:
            return self.ppo.masters[self.players.index(player)]
        return self._weights_of(player)

    def _counts(self) -> list[EpisodeCount]:
        """The countable episodes of the last rollout, lanes with the same opponent added up."""
        rows = []
        for row, seats in enumerate(self.rollout.counts().tolist()):
            player, opponent = self.players[row // self.setup.rollout.lanes], self.opponents[row]
            if opponent is None or opponent == player:
                continue
            rows += [
                EpisodeCount(player=player, opponent=opponent, seat=seat, wins=wins, draws=draws, losses=losses)
                for seat, (wins, draws, losses) in enumerate(seats)
                if wins + draws + losses
            ]
        return added_up(rows)

    def state(self) -> tuple[dict[str, Tensor], dict[str, JsonValue]]:
        """Everything that is needed to go on as if nothing had happened: tensors (copies), and the rest as JSON."""
        tensors = {f"ppo.{name}": tensor.clone() for name, tensor in self.ppo.state().items()}
        tensors |= {f"rollout.{name}": tensor.clone() for name, tensor in self.rollout.state_tensors().items()}
        tensors |= {"generator": self.generator.get_state(), "initial": self.initial.clone()}
        extra: dict[str, Any] = {
            "players": list(self.players),
            "iteration": self.iteration,
            "opponents": list(self.opponents),
            "choices": self.choices.bit_generator.state,
            "rules": {player: rule.state() for player, rule in self.rules.items()},
        }
        return tensors, extra

    def load_state(self, tensors: Mapping[str, Tensor], extra: Mapping[str, Any]) -> None:
        """Go on from what `state` gave; the tensors stay the caller's.

        Raises:
            ValueError: the state is of other players, of other sizes, of another rule or of another kind of device.
        """
        if extra["players"] != self.players:
            raise ValueError(f"this state is of the players {extra['players']}, not of {self.players}")
        if tensors["generator"].shape != self.generator.get_state().shape:
            raise ValueError(f"its random stream is of another kind of device than {self.setup.device.type}")
        self.ppo.load_state(below("ppo.", tensors))
        self.rollout.load_state_tensors({k: v.clone() for k, v in below("rollout.", tensors).items()})
        self.generator.set_state(tensors["generator"])
        self.initial.copy_(tensors["initial"])
        self.iteration = extra["iteration"]
        self.opponents = list(extra["opponents"])
        self.choices.bit_generator.state = extra["choices"]
        for player, state in extra["rules"].items():
            self.rules[player].load_state(state)


def added_up(counts: Sequence[EpisodeCount]) -> list[EpisodeCount]:
    """The same episodes with one row for each player, opponent and seat."""
    sums: dict[tuple[str, str, int], list[int]] = {}
    for row in counts:
        total = sums.setdefault((row.player, row.opponent, row.seat), [0, 0, 0])
        for index, number in enumerate((row.wins, row.draws, row.losses)):
            total[index] += number
    return [
        EpisodeCount(player=player, opponent=opponent, seat=seat, wins=wins, draws=draws, losses=losses)
        for (player, opponent, seat), (wins, draws, losses) in sums.items()
    ]


def below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, by the rest of their names."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
