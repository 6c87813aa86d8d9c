"""A learner process: trains the players that it hosts, reports, freezes and resets them by their roles' rules.

One iteration: opponents into lanes, T steps of play, an update, one report (`league.training`), then the roles' rules
(`league.roles`). Freezing writes the checkpoint, resets the learner where the role says so, saves the state, and only
then registers the player: nobody hears of a copy that a kill could take back.
"""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, JsonValue
from torch import Tensor

from agents.checkpoint import CheckpointStore
from agents.compute import keep_memory
from agents.durable import sha256
from agents.state_store import SavedState, StateStore
from league import learner_state
from league.episode_stream import EpisodeStream, iterations_a_batch
from league.errors import StateMismatchError
from league.hosting import hosting
from league.metrics import MetricsWriter
from league.process import Process, run_process
from league.recent import Recent
from league.roles import FreezeReason, RateSet, should_freeze, should_reset
from league.trainers import make_training
from league.training import Iteration
from league.weights import LiveWeights
from matchmaking.population import Population
from matchmaking.records import Kind, LearnerStatus, Player, Role

SAVE_EVERY = 15.0  # seconds between saved states: what a kill -9 costs at the most
REPORT_EVERY = 0.25  # seconds between reports of finished episodes to Redis
SHARE_EVERY = 1.0  # seconds between looks at the rest of the league
METRICS_EVERY = 5.0  # seconds between points of the curves

log = logging.getLogger("league")


class Career(BaseModel):
    """What a learner has behind it.

    Attributes:
        steps: learner samples since the start of the run; a reset does not take them back.
        frozen_at: `steps` when it was last frozen.
        generation: how many frozen players it has made.
        episodes: countable episodes finished.
        episodes_at_freeze: `episodes` when it was last frozen.
    """

    model_config = ConfigDict(extra="forbid")

    steps: int = 0
    frozen_at: int = 0
    generation: int = 0
    episodes: int = 0
    episodes_at_freeze: int = 0


UNFIT = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError)
"""What a saved state of the wrong shape leads to: a key that is missing, a tensor or a number of another kind."""


class Learner:
    """The players of one process and everything around their training.

    Args:
        process: what the process shares with all others.
    """

    def __init__(self, process: Process) -> None:
        self.process, self.config, self.store = process, process.config, process.store
        config, index = process.config, process.place.index
        torch.set_num_threads(config.learners.threads)
        keep_memory()
        self.population = Population(self.store.players(), decay=self.store.info.decay)
        groups = hosting(self.population.learners, config.learners.processes)
        self.players = groups[index] if index < len(groups) else []
        if not self.players:
            return
        for player in self.players:
            self.population.host(player.id)
        self.states = StateStore(process.run.checkpoints, process.name)
        saved = self._saved()
        self.checkpoints = CheckpointStore(process.run.checkpoints)
        self.live = LiveWeights(process.run.checkpoints / "live")
        config = learner_state.as_before(config, saved)
        self.trainer = make_training(config, index, self.players, self.population, self.checkpoints, self.live)
        self.careers = {player.id: Career() for player in self.players}
        batch = iterations_a_batch(self.trainer.samples_an_iteration)
        self.stream = EpisodeStream(self.store, self.population, process.name, batch)
        self.chance = np.random.default_rng([config.seed, index, 1])  # of resets
        self.entering: list[Player] = []  # frozen, and not registered yet
        self._listed = len(self.population)  # players that the store has listed to us
        self._resume(saved)

    def _saved(self) -> SavedState | None:
        saved = self.states.load()
        if saved is not None and saved.extra.get("schema") != learner_state.SCHEMA:
            raise StateMismatchError(
                f"{self.states.pointer} is of another version of this program: it has schema "
                f"{saved.extra.get('schema')}, this program writes schema {learner_state.SCHEMA}"
            )
        return saved

    def _resume(self, saved: SavedState | None) -> None:
        """Go on from what was saved; where the same bits cannot be had, with the payoff and reports of Redis."""
        exact = learner_state.repeatable(self.trainer, self.config)
        try:
            if saved is not None:
                exact = self._load(saved) and exact
            for player in self.players:
                learner_state.check_copies(self.population, player, self.careers[player.id].generation)
        except UNFIT as error:
            what = "does not fit this run" if saved is not None else "is missing"
            reason = error if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
            raise StateMismatchError(f"{self.states.pointer} {what}: {reason}") from error
        if not exact:
            for player in self.players:
                self.population.load_row(player.id, self.store.payoff_row(player.id))
            self.stream.follow()

    def _load(self, saved: SavedState) -> bool:
        """Put a saved state back; whether what follows it can be trained again bit for bit."""
        extra: Mapping[str, Any] = saved.extra
        self.entering = [Player.model_validate(player) for player in extra["entering"]]
        for player in self.entering:
            if player.id not in self.population:
                self.population.add(player)
        self.trainer.load_state(saved.tensors, extra["trainer"])
        self.chance.bit_generator.state = extra["chance"]
        self.careers = {player: Career.model_validate(career) for player, career in extra["careers"].items()}
        learner_state.load_payoff(self.population, saved.tensors, extra["met"])
        self.stream.load_state(extra["stream"])
        log.info("goes on from iteration %d", self.trainer.iteration)
        if lost := self.stream.lost:
            log.warning("Redis lacks the last %d reports that this state was saved after: its payoff counts", lost)
        same = extra["machine"] == learner_state.machine(self.trainer, self.config)
        if not same:
            log.warning("saved on another machine or by another version of torch: the last bits will differ")
        return same and not lost

    def save(self) -> None:
        """Make everything durable that a resume needs."""
        self.stream.send()
        tensors, trainer = self.trainer.state()
        payoff, met = learner_state.payoff_state(self.population)
        extra: dict[str, JsonValue] = {
            "schema": learner_state.SCHEMA,
            "machine": learner_state.machine(self.trainer, self.config),
            "trainer": trainer,
            "chance": dict(self.chance.bit_generator.state),
            "careers": {player: career.model_dump() for player, career in self.careers.items()},
            "met": met,
            "stream": self.stream.state(),
            "entering": [player.model_dump(mode="json") for player in self.entering],
        }
        self.states.save({**tensors, **payoff}, extra)

    def run(self) -> None:
        """Train until the process is to stop."""
        process = self.process
        for player in self.players:
            if player.role is Role.MAIN_AGENT and self.careers[player.id].generation == 0:
                self.freeze(player, "the start")  # the pool is never empty: AlphaStar's main agents enter it at step 0
            self.trainer.publish(player.id, self.live)
        self._register_copies()
        recent = Recent([player.id for player in self.players])
        with MetricsWriter(process.run.metrics, process.name, tensorboard=self.config.run.tensorboard) as metrics:
            self._train(recent, metrics)
        if process.finishing or (not process.stopping and self._trained_enough()):
            self.stream.close()
            for player in filter(self._worth_a_last_copy, self.players):
                self.freeze(player, "the end of the run")
            self._register_copies()
        self.save()
        self._share(recent)

    def _worth_a_last_copy(self, player: Player) -> bool:
        """Whether a learner enters the pool once more at the end: an exploiter that was reset a moment ago does not."""
        career = self.careers[player.id]
        trained = career.steps - career.frozen_at
        if player.role is Role.MAIN_AGENT or career.generation == 0:
            return trained > 0
        assert player.role is not None
        return trained >= max(1, self.config.roles.of(player.role).min_steps)

    def _train(self, recent: Recent, metrics: MetricsWriter) -> None:
        """Iterate until the process is to stop or to finish, or the limit of samples is reached."""
        process = self.process
        started = time.monotonic()
        next_save, next_metrics = started + SAVE_EVERY, started + METRICS_EVERY
        next_share = next_report = started
        while not (process.stopping or process.finishing or self._trained_enough()):
            recent.add(self.advance())
            now = time.monotonic()
            if now >= next_report:
                next_report = now + REPORT_EVERY
                self.stream.send()
            if now >= next_share:
                next_share = now + SHARE_EVERY
                self._share(recent)
            if now >= next_metrics:
                next_metrics = now + METRICS_EVERY
                for player in self.players:
                    figures = recent.figures(player.id) | {"pool_win_rate": self._pool_win_rate(player)}
                    metrics.write(player.name, self.careers[player.id].steps, figures)
            if now >= next_save:
                next_save = now + SAVE_EVERY
                self.save()
            process.beat("training", {"samples_per_second": recent.samples_per_second()})

    def advance(self) -> Iteration:
        """Train for one iteration and do what the roles' rules ask for; nothing here may depend on a clock."""
        iteration = self.trainer.iterate()
        self._count(iteration)
        self._apply_roles()
        return iteration

    def weights(self, player: Player) -> Tensor:
        """A copy of a hosted player's present weights, flat."""
        return self.trainer.weights(player.id)

    def freeze(self, player: Player, reason: str) -> Player:
        """Copy a learner into a new frozen player, which stands in the pool here at once.

        Its id follows from what it is: the same copy, made again after a kill, is the same player.
        """
        career = self.careers[player.id]
        checkpoint, version = self.trainer.checkpoint(player.id, self.checkpoints, career.steps), str(career.generation)
        frozen = Player(
            id=f"p_{sha256(f'{player.id} {version} {checkpoint}'.encode())[:12]}",
            name=f"{player.name}.v{version}",
            kind=Kind.FROZEN,
            role=player.role,
            parent=player.id,
            checkpoint=checkpoint,
            version=version,
            steps=career.steps,
        )
        self.population.add(frozen)
        self.entering.append(frozen)
        career.generation += 1
        career.frozen_at, career.episodes_at_freeze = career.steps, career.episodes
        log.info("froze %s after %d samples: %s", frozen.name, career.steps, reason)
        return frozen

    def _register_copies(self) -> None:
        """Let the league know of the copies that were just made, once the state that made them is saved.

        Whenever the process is killed, the saved state is not behind the registered players; what it has to register
        still is in it, and is registered when the process comes back.
        """
        if self.entering:
            self.save()
            for player in self.entering:
                self.store.register(player)
            self.entering = []

    def _apply_roles(self) -> None:
        for player in self.players:
            self._apply_role(player)
        self._register_copies()  # not before everybody's turn: a state in the middle would skip who comes after

    def _apply_role(self, player: Player) -> None:
        career = self.careers[player.id]
        assert player.role is not None, f"learner {player.name} has no role"
        settings = self.config.roles
        decision = should_freeze(self.population, player.id, player.role, career.steps - career.frozen_at, settings)
        if decision is None or (decision.reason is FreezeReason.WIN_RATE and not self._earned(player, decision.steps)):
            return
        lowest = "nobody to beat" if decision.lowest is None else f"lowest win rate {decision.lowest:.2f}"
        self.freeze(player, f"{decision.reason.value}, {lowest}")
        self._reset(player)

    def _earned(self, player: Player, steps: int) -> bool:
        """Whether its win rates against the main agents are its own, or those of what it was before its last freeze.

        The payoff of a pair remembers about 1 / (1 - decay) games. Without a least number of steps, an exploiter that
        was reset would be frozen again, as it began, on the record of its predecessor.
        """
        assert player.role is not None, f"learner {player.name} has no role"
        rule, decay, career = self.config.roles.of(player.role), self.store.info.decay, self.careers[player.id]
        if rule.rate_set is not RateSet.MAIN_AGENTS or steps >= rule.max_steps or decay == 1.0:
            return True
        remembered = len(self.population.main_agents) / (1.0 - decay)
        return career.episodes - career.episodes_at_freeze >= remembered

    def _reset(self, player: Player) -> None:
        """Begin a player afresh that was just frozen, where its role says so."""
        assert player.role is not None, f"learner {player.name} has no role"
        if should_reset(player.role, self.chance, self.config.roles):
            self.trainer.reset(player.id)
            log.info("reset %s to its initial weights", player.name)

    def _count(self, iteration: Iteration) -> None:
        """Take note of what an iteration gave; the payoff, here and in Redis, learns of it with the next batch."""
        for row in iteration.counts:
            self.careers[row.player].episodes += row.games
        self.stream.add(iteration.counts)
        for player, rule in self.trainer.rules.items():
            rule.observe(self.population, [row for row in iteration.counts if row.player == player])
        for player, samples in iteration.samples.items():
            self.careers[player].steps += samples

    def _share(self, recent: Recent) -> None:
        """Look at the rest of the league, and show it one's own state."""
        self._meet_new_players()
        self.stream.send()
        elsewhere = [learner.id for learner in self.population.learners if learner not in self.players]
        for player in self.players:
            # Learners of other processes report their episodes against this one themselves.
            self.population.update_row(player.id, self.store.payoff_row(player.id, elsewhere))
            self.trainer.publish(player.id, self.live)
            career = self.careers[player.id]
            self.store.processes.set_status(
                LearnerStatus(
                    player=player.id,
                    steps=career.steps,
                    generation=career.generation,
                    pool_win_rate=self._pool_win_rate(player),
                    samples_per_second=recent.samples_per_second(player.id),
                    episodes=career.episodes,
                    numbers={name: each for name, each in recent.figures(player.id).items() if math.isfinite(each)},
                )
            )

    def _pool_win_rate(self, player: Player) -> float:
        """Mean win rate against the frozen players that it has met; 0.5 where it has met none."""
        met = self.population.games(player.id, self.population.frozen) > 0
        return float(self.population.win_rates(player.id)[met].mean()) if met.any() else 0.5

    def _meet_new_players(self) -> None:
        joined = self.store.players(since=self._listed)
        self._listed += len(joined)
        for player in joined:
            if player.id not in self.population:  # our own copies are there since they were made
                self.population.add(player)

    def _trained_enough(self) -> bool:
        limit = self.config.run.steps
        return limit is not None and all(career.steps >= limit for career in self.careers.values())


def work(process: Process) -> None:
    """Train this process's share of the league."""
    process.pin()
    learner = Learner(process)
    if not learner.players:
        log.info("there are more learner processes than learners: nothing to do")
        while not (process.stopping or process.finishing):
            process.sleep(1.0, "idle")
        return
    log.info("trains %s", ", ".join(player.name for player in learner.players))
    learner.run()


if __name__ == "__main__":
    sys.exit(run_process("learner", work))
