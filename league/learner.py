"""A learner process: trains the players that it hosts, reports, freezes and resets them by their roles' rules.

One iteration: opponents into lanes, T steps of play, an update, one report (`league.training`), then the roles' rules
(`league.roles`). Freezing writes the checkpoint first, then registers the player, then resets where the role says so.
"""

from __future__ import annotations

import logging
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, JsonValue
from torch import Tensor

import arenas
from agents.checkpoint import CheckpointStore, Manifest
from agents.compute import keep_memory, pick_compiler, pick_device, pick_precision
from agents.networks import Network
from agents.state_store import StateStore
from league.config import LeagueConfig
from league.errors import InputError, StateMismatchError
from league.hosting import hosting
from league.metrics import MetricsWriter
from league.process import Process, run_process
from league.roles import FreezeReason, RateSet, should_freeze, should_reset
from league.training import Iteration, Trainer, TrainingSetup, added_up
from league.weights import LiveWeights, OpponentWeights
from matchmaking import rules
from matchmaking.population import Population
from matchmaking.records import EpisodeCount, Kind, LearnerStatus, Player, Role, new_id

SAVE_EVERY = 15.0  # seconds between saved states: what a kill -9 costs at the most
REPORT_EVERY = 0.25  # seconds between reports of finished episodes
SHARE_EVERY = 1.0  # seconds between looks at the rest of the league
METRICS_EVERY = 5.0  # seconds between points of the curves
PACE_WINDOW = 10.0  # seconds over which samples a second are taken

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
            self.population.load_row(player.id, self.store.payoff_row(player.id))
        setup = training_setup(config, index)
        self.initial = setup.network.initial(torch.Generator().manual_seed(config.seed))[0]
        self.checkpoints = CheckpointStore(process.run.checkpoints)
        self.live = LiveWeights(process.run.checkpoints / "live")
        weights = OpponentWeights(
            setup.network, self.checkpoints, self.live, self.population.player, self.initial.to(setup.device)
        )
        self.trainer = Trainer(
            setup,
            [player.id for player in self.players],
            {player.id: rules.make(config.matchmaking.rule, **config.matchmaking.options) for player in self.players},
            self.initial.expand(len(self.players), -1),
            self.population,
            weights,
        )
        self.careers = {player.id: Career() for player in self.players}
        self.unreported: list[EpisodeCount] = []
        self.states = StateStore(process.run.checkpoints, process.name)
        self.chance = np.random.default_rng([config.seed, index, 1])  # of resets
        self._resume()

    def _resume(self) -> None:
        saved = self.states.load()
        if saved is not None:
            extra: Mapping[str, Any] = saved.extra
            try:
                self.trainer.load_state(saved.tensors, extra["trainer"])
            except ValueError as error:
                raise StateMismatchError(f"{self.states.pointer} does not fit this run: {error}") from error
            self.initial = saved.tensors["initial"]
            self.chance.bit_generator.state = extra["chance"]
            self.careers = {player: Career.model_validate(career) for player, career in extra["careers"].items()}
            log.info("goes on from iteration %d", self.trainer.iteration)
        for player in self.players:
            self._complete_freeze(player)

    def _complete_freeze(self, player: Player) -> None:
        """Do what was left to do where the process was killed after a player was registered and before it saved."""
        career, frozen = self.careers[player.id], self.population.frozen_of(player.id)
        if len(frozen) <= career.generation:
            return
        newest = self.population.players[int(frozen[-1])]
        career.generation = len(frozen)
        career.steps = max(career.steps, newest.steps)
        career.frozen_at, career.episodes_at_freeze = newest.steps, career.episodes
        if newest.steps:  # nobody is reset after the copy at the start
            self._reset(player)

    def save(self) -> None:
        """Make everything durable that a resume needs."""
        self._report()
        tensors, trainer = self.trainer.state()
        extra: dict[str, JsonValue] = {
            "trainer": trainer,
            "chance": dict(self.chance.bit_generator.state),
            "careers": {player: career.model_dump() for player, career in self.careers.items()},
        }
        self.states.save({**tensors, "initial": self.initial}, extra)

    def run(self) -> None:
        """Train until the process is to stop."""
        process = self.process
        for player in self.players:
            if player.role is Role.MAIN_AGENT and self.careers[player.id].generation == 0:
                self.freeze(player, "the start")  # the pool is never empty: AlphaStar's main agents enter it at step 0
            self.live.publish(player.id, self.weights(player))
        recent = Recent([player.id for player in self.players])
        with MetricsWriter(process.run.metrics, process.name, tensorboard=self.config.run.tensorboard) as metrics:
            self._train(recent, metrics)
        if process.finishing or (not process.stopping and self._trained_enough()):
            for player in filter(self._worth_a_last_copy, self.players):
                self.freeze(player, "the end of the run")
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
            iteration = self.trainer.iterate()
            self._count(iteration)
            recent.add(iteration)
            for player in self.players:
                self._apply_role(player)
            now = time.monotonic()
            if now >= next_report:
                next_report = now + REPORT_EVERY
                self._report()
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

    def weights(self, player: Player) -> Tensor:
        """A copy [D] of a hosted player's present weights."""
        return self.trainer.ppo.snapshot(self.players.index(player))

    def freeze(self, player: Player, reason: str) -> Player:
        """Copy a learner into a new frozen player: checkpoint first, then its registration."""
        career = self.careers[player.id]
        network = self.trainer.setup.network
        row = self.weights(player).unsqueeze(0)
        parameters = {name: tensor[0] for name, tensor in network.layout.views(row).items()}
        spec = self.trainer.setup.arena.spec
        manifest = Manifest(
            arena=spec.name,
            observation_shape=spec.observation_shape,
            num_actions=spec.num_actions,
            network=network.config.model_dump(mode="json"),
            steps=career.steps,
            parent=player.id,
            created_by="league",
        )
        frozen = self.store.register(
            Player(
                id=new_id("p"),
                name=f"{player.name}.v{career.generation}",
                kind=Kind.FROZEN,
                role=player.role,
                parent=player.id,
                checkpoint=self.checkpoints.save(parameters, manifest),
                version=str(career.generation),
                steps=career.steps,
            )
        )
        career.generation += 1
        career.frozen_at, career.episodes_at_freeze = career.steps, career.episodes
        self._meet_new_players()
        log.info("froze %s after %d samples: %s", frozen.name, career.steps, reason)
        return frozen

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
        self.save()

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
            self.trainer.restart(player.id, self.initial)
            log.info("reset %s to its initial weights", player.name)

    def _count(self, iteration: Iteration) -> None:
        """Take note of what an iteration gave; the payoff, here and in Redis, learns of it with the next report."""
        for row in iteration.counts:
            self.careers[row.player].episodes += row.games
        self.unreported += iteration.counts
        for player, rule in self.trainer.rules.items():
            rule.observe(self.population, [row for row in iteration.counts if row.player == player])
        for player, samples in iteration.samples.items():
            self.careers[player].steps += samples

    def _report(self) -> None:
        """One report for all iterations since the last one: each costs the server a flush to the disk.

        The payoff decays by the batch, so the rows held here take the same batches: they equal those in Redis to the
        last bit, and a resume finds what was there.
        """
        rows, self.unreported = added_up(self.unreported), []
        if rows:
            self.store.report_episodes(rows)
        for row in rows:
            self.population.record(row.player, row.opponent, row.wins, row.draws, row.losses)

    def _share(self, recent: Recent) -> None:
        """Look at the rest of the league, and show it one's own state."""
        self._meet_new_players()
        self._report()
        elsewhere = [learner.id for learner in self.population.learners if learner not in self.players]
        for player in self.players:
            # Learners of other processes report their episodes against this one themselves.
            self.population.update_row(player.id, self.store.payoff_row(player.id, elsewhere))
            self.live.publish(player.id, self.weights(player))
            career = self.careers[player.id]
            self.store.processes.set_status(
                LearnerStatus(
                    player=player.id,
                    steps=career.steps,
                    generation=career.generation,
                    pool_win_rate=self._pool_win_rate(player),
                    samples_per_second=recent.samples_per_second(player.id),
                    episodes=career.episodes,
                    numbers=recent.figures(player.id),
                )
            )

    def _pool_win_rate(self, player: Player) -> float:
        """Mean win rate against the frozen players that it has met; 0.5 where it has met none."""
        met = self.population.games(player.id, self.population.frozen) > 0
        return float(self.population.win_rates(player.id)[met].mean()) if met.any() else 0.5

    def _meet_new_players(self) -> None:
        for player in self.store.players(since=len(self.population)):
            self.population.add(player)

    def _trained_enough(self) -> bool:
        limit = self.config.run.steps
        return limit is not None and all(career.steps >= limit for career in self.careers.values())


class Recent:
    """What the players of a process did in the last few seconds: pace, and the last update's figures.

    Args:
        players: ids.
    """

    def __init__(self, players: Sequence[str]) -> None:
        self._window: deque[tuple[float, dict[str, int]]] = deque([(time.monotonic(), dict.fromkeys(players, 0))])
        self._figures: dict[str, dict[str, float]] = {player: {} for player in players}

    def add(self, iteration: Iteration) -> None:
        """Take note of an iteration that ended just now."""
        now = time.monotonic()
        self._window.append((now, iteration.samples))
        while len(self._window) > 2 and now - self._window[0][0] > PACE_WINDOW:
            self._window.popleft()
        self._figures = iteration.figures

    def samples_per_second(self, player: str | None = None) -> float:
        """Learner samples a second, of one player or of all."""
        entries = list(self._window)[1:]
        if not entries:
            return 0.0
        samples = sum(sum(by.values()) if player is None else by[player] for _, by in entries)
        return samples / max(entries[-1][0] - self._window[0][0], 1e-9)

    def figures(self, player: str) -> dict[str, float]:
        """The last update's figures of a player, and its pace."""
        return self._figures[player] | {"samples_per_second": self.samples_per_second(player)}


def training_setup(config: LeagueConfig, index: int = 0) -> TrainingSetup:
    """Arena, network, device and precision of a learner process; what was decided is said in the log.

    Raises:
        InputError: the configuration asks for what this machine or this arena does not have.
    """
    try:
        arena = arenas.make(config.arena, **config.arena_options)
        network = Network(config.network, arena.spec.observation_shape, arena.spec.num_actions)
        device = pick_device(config.learners.device)
        batch = min(config.ppo.minibatch, config.rollout.environments * config.rollout.horizon)
        dtype = pick_precision(config.learners.precision, network, batch, device)
        compiler, how = pick_compiler(config.learners.compile, device)
    except ValueError as error:
        raise InputError(str(error)) from error
    log.info("computes on %s in %s, %s", device, str(dtype).removeprefix("torch."), how)
    return TrainingSetup(
        arena, network, config.rollout, config.ppo, device, dtype, compiler, seed=config.seed * 1000 + index
    )


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
