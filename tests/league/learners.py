"""A run whose learner processes are objects of the test's own process, and what a test asks of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from agents.checkpoint import CheckpointStore
from league.config import LeagueConfig
from league.learner import Learner
from league.process import Place, Process
from league.registration import register_players
from league.runs import create
from league.trainers import training_setup
from league.training import Iteration, Trainer
from league.weights import LiveWeights, OpponentWeights
from matchmaking.records import Kind, Player, Role
from matchmaking.server import EmbeddedServer
from matchmaking.store import Store

PER_ITERATION = 128  # samples of a player: rock-paper-scissors wastes none
NEVER = 10**12
SETTINGS: dict[str, object] = {
    "arena": "rock_paper_scissors",
    "network": {"hidden": [8]},
    "rollout": {"lanes": 4, "environments": 16, "horizon": 8, "hold": 2},
    "ppo": {"minibatch": 64},
    "run": {"tensorboard": False},
    "roles": {role.value: {"min_steps": NEVER, "max_steps": NEVER} for role in Role},
}


class League:
    """A run without a supervisor: learner processes are objects of this process."""

    def __init__(self, root: Path, settings: dict[str, object]) -> None:
        self.config = LeagueConfig.model_validate(SETTINGS | settings)
        self.run = create(root, self.config, "test")
        self.server = EmbeddedServer(self.run.redis)
        self.server.start()
        self.store = Store.create(self.server.url, self.run.name, self.config.arena, self.config.matchmaking.decay)
        register_players(self.store, self.config)
        self._opened: list[Store] = []

    def learner(self, index: int = 0, config: LeagueConfig | None = None) -> Learner:
        """A learner as a process that was just started has it, with a connection of its own."""
        self._opened.append(Store.open(self.server.url, self.run.name))
        return Learner(Process("learner", Place(self.run, index), config or self.config, self._opened[-1]))

    def names(self) -> list[str]:
        return [player.name for player in self.store.players() if player.kind is Kind.FROZEN]

    def frozen(self, name: str) -> Player:
        return next(player for player in self.store.players() if player.name == name)

    def weights_of(self, frozen: Player) -> Tensor:
        """[D], read from the checkpoint of a frozen player."""
        setup = training_setup(self.config)
        store = CheckpointStore(self.run.checkpoints)
        live = LiveWeights(self.run.checkpoints / "live")
        initial = torch.zeros(setup.network.layout.width)
        return OpponentWeights(setup.network, store, live, lambda _: frozen, initial)(frozen.id)

    def close(self) -> None:
        for store in (self.store, *self._opened):
            store.close()
        self.server.stop()


def rules(**by_role: dict[str, object]) -> dict[str, object]:
    """Roles that freeze as given, and all others never."""
    return {role.value: {"min_steps": NEVER, "max_steps": NEVER} | by_role.get(role.value, {}) for role in Role}


def after(iterations: int) -> dict[str, object]:
    """A role that is frozen by its timeout after so many iterations."""
    return {"min_steps": 0, "max_steps": iterations * PER_ITERATION, "win_rate": 1.0}


def steps(iterations: int) -> dict[str, object]:
    return {"steps": iterations * PER_ITERATION, "tensorboard": False}


def ppo(learner: Learner) -> Trainer:
    """What trains the players of a learner process, where they share a network."""
    assert isinstance(learner.trainer, Trainer)
    return learner.trainer


def player(learner: Learner, name: str) -> Player:
    return next(player for player in learner.players if player.name == name)


def stop_after(learner: Learner, iterations: int, then: Callable[[], None] | None = None) -> None:
    """Let a learner's process be told to stop, or what `then` does, when it has iterated so often."""
    iterate, left = learner.trainer.iterate, [iterations]

    def counted() -> Iteration:
        left[0] -= 1
        if left[0] == 0:
            (then or learner.process.stop)()
        return iterate()

    learner.trainer.iterate = counted  # type: ignore[method-assign]


def train(learner: Learner, iterations: int) -> None:
    """Iterate as `run` does, without its clocks."""
    for _ in range(iterations):
        learner.advance()


class KilledError(Exception):
    """The end of a process, in a test."""


def killed(*_: object) -> None:
    raise KilledError
