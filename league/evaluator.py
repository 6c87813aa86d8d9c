"""An evaluator process: leases pairings of rated matches, plays them seat-swapped, and reports them.

It computes on the CPU with one thread, behind the learners (niced), and takes a bounded share of a core while they
train; where there are none it takes all of it. Between two plies it gives signs of life, keeps its lease, rests, and
notices that it is to stop. Submitted bots play in processes of their own, whose time is not the evaluator's.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections import Counter
from contextlib import nullcontext, suppress

import torch

import arenas
from agents.bots.core import InfraError
from agents.bots.store import BotStore
from agents.checkpoint import CheckpointStore
from agents.core import Agent
from arenas.core import Arena
from arenas.match import BATCH, ActorError
from league.bot_host import BotHost, HostedBot
from league.drafts import settle_replays
from league.flags import flag_unplayable, unplayable
from league.lease_watch import LeaseLostError, LeaseWatch, StoppedError
from league.process import Process, run_process
from league.rated import PlayerFaultError, Rated, play_rated, records
from league.replays import ReplayStore, are_kept
from league.roster import Roster, UnplayableError
from league.suspension import inactive, note_failures
from league.throttle import Throttle
from matchmaking.records import Kind, Lease, Player, Rating
from matchmaking.run_records import Reported
from matchmaking.service import Matchmaker

NICENESS = 10
IDLE = 0.5  # seconds between two looks for something to play
DUE_PAIRINGS = 6  # that every player is owed before a run ends by itself
FAULTS = 3  # of the host, in a row, where one player's process was concerned, before it is left out

log = logging.getLogger("league")


class Evaluator:
    """Plays what the matchmaker hands out.

    Args:
        process: what it shares with all processes.
        arena: the run's game.
        throttle: bounds the CPU that it takes.
    """

    def __init__(self, process: Process, arena: Arena, throttle: Throttle) -> None:
        self._process = process
        self._arena = arena
        self._throttle = throttle
        settings = process.config.evaluation
        self._seconds = settings.lease_seconds
        self._matchmaker = Matchmaker(
            process.store,
            pairs=settings.pairs,
            bot_pairs=process.config.bots.pairs,
            left_out=lambda: unplayable(process.store),
        )
        self._players: dict[str, Player] = {}
        self._watch: LeaseWatch | None = None
        self._bots = BotHost(arena.spec, process.config.bots, self._while_a_bot_thinks)
        self._roster = Roster(
            arena,
            CheckpointStore(process.run.checkpoints),
            settings.temperature,
            self._player,
            (BotStore(process.run.bots), self._bots),
        )
        self._replays = ReplayStore(process.run.replays, settings.replays_size or None)
        self._faults: Counter[str] = Counter()  # of the host, in a row, by player
        self._games = 0
        self._started = time.monotonic()

    def run(self) -> None:
        """Play until the process is to stop or, when it is to finish, until every player has what it is owed."""
        process = self._process
        settle_replays(process.run, process.store, process.name)
        while not process.stopping:
            process.beat(self._status(), self._numbers())
            if process.finishing:
                self._throttle.release()
                if not self.due():
                    break
            if not self.play_next():
                if process.finishing:
                    break
                process.sleep(IDLE, "nothing to play")
        settle_replays(process.run, process.store, process.name)

    def play_next(self) -> bool:
        """Lease a pairing, play and report it; False where there is none."""
        lease = self._matchmaker.lease(self._process.name, self._seconds)
        if lease is None:
            return False
        pairing = lease.pairing
        settled = False
        try:
            players = self._player(pairing.a), self._player(pairing.b)
            rated = self._play(lease, players)
            settled = True
            self._report(lease, players, rated)
        except UnplayableError as error:
            settled = True
            log.error("%s", error)
            flag_unplayable(self._process.store, error.player, str(error))
            self._matchmaker.abort(lease, str(error), drop=True)
        except ActorError as error:
            settled = True
            log.error("%s is dropped: %s", pairing.id, error)
            self._matchmaker.abort(lease, str(error), drop=True)
        except PlayerFaultError as error:
            settled = True
            self._note_fault(lease, error)
        except LeaseLostError:
            settled = True
            log.warning("the lease of %s was lost; what was played of it counts nowhere", pairing.id)
        except StoppedError:
            settled = True
            log.info("%s is given back", pairing.id)
            self._matchmaker.abort(lease, "the evaluator stops", fault=False)
        finally:
            if not settled:  # whatever it was, it says nothing about the players
                self._matchmaker.abort(lease, "the evaluator broke off")
        return True

    def due(self) -> list[Player]:
        """The players that have not yet had the rated matches that each is owed."""
        config = self._process.config
        ratings = self._matchmaker.ratings()
        out = inactive(self._process.store) | unplayable(self._process.store)

        def owed(player: Player) -> int:
            pairs = config.bots.pairs if player.kind is Kind.BOT else config.evaluation.pairs
            return 2 * pairs * DUE_PAIRINGS

        return [
            player
            for player in self._matchmaker.players()
            if player.kind is not Kind.LEARNER
            and player.id not in out
            and ratings.get(player.id, Rating()).games < owed(player)
        ]

    def close(self) -> None:
        """End all bots."""
        self._bots.close()

    def _play(self, lease: Lease, players: tuple[Player, Player]) -> Rated:
        config = self._process.config
        guests = any(player.kind is Kind.BOT for player in players)
        self._watch = watch = LeaseWatch(
            self._process, self._matchmaker, lease, self._seconds, lambda: (self._status(), self._numbers())
        )

        def rest() -> None:
            """What is to be done between two plies."""
            watch.look()
            if self._process.finishing:
                self._throttle.release()
            self._throttle.rest()

        agents: list[Agent] = []
        try:
            for player in players:
                agents.append(agent := self._roster.agent(player.id))
                if isinstance(agent, HostedBot):
                    agent.pairing = lease.pairing.id
            with watch.in_background() if guests else nullcontext():
                return play_rated(
                    self._arena,
                    lease.pairing,
                    players,
                    (agents[0], agents[1]),
                    rest,
                    lanes=config.bots.lanes if guests else BATCH,
                    record=are_kept(config.evaluation.replays, [player.kind for player in players]),
                )
        finally:
            for agent in agents:
                if isinstance(agent, HostedBot):
                    with suppress(InfraError):  # whoever should tell how it ended is gone, and the bot with it
                        agent.close()

    def _while_a_bot_thinks(self) -> None:
        if self._watch is not None:
            self._watch.check()

    def _report(self, lease: Lease, players: tuple[Player, Player], rated: Rated) -> None:
        """Report a pairing that was played, and what comes with it: replays, failures, suspensions."""
        pairing, config = lease.pairing, self._process.config
        if rated.plays:
            written = records(pairing.id, rated.plays, rated.failures, players, self._arena, config.arena_options)
            self._replays.draft(pairing.id, lease.worker, written)
        reported = self._matchmaker.report_match(lease, rated.outcomes, rated.forfeits)
        if reported is not Reported.RECORDED:
            self._replays.discard(pairing.id, lease.worker)
            log.warning("the report of %s was not taken (%s)", pairing.id, reported)
            return
        if rated.plays:
            self._replays.keep(pairing.id, lease.worker)
        self._games += len(rated.outcomes)
        for player in players:
            self._faults.pop(player.id, None)
            if player.kind is Kind.BOT:
                failures = rated.failures.get(player.id, [])  # a checkpoint that was submitted has none
                limit = config.bots.suspend_after
                note_failures(self._process.store, player, pairing.id, len(rated.outcomes), failures, limit)

    def _note_fault(self, lease: Lease, error: PlayerFaultError) -> None:
        """The host failed, which rates nobody; where one player's process is concerned again and again, it is out."""
        player = error.player
        self._faults[player.id] += 1
        log.error("%s is given back (INFRA, %s): %s", lease.pairing.id, player.name, error)
        if self._faults[player.id] >= FAULTS:
            flag_unplayable(self._process.store, player, f"{player.name} cannot play: {error}")
        self._matchmaker.abort(lease, str(error))
        self._process.sleep(IDLE, f"{player.name} could not be run")

    def _player(self, player: str) -> Player:
        if player not in self._players:
            for record in self._matchmaker.players(since=len(self._players)):
                self._players[record.id] = record
        return self._players[player]

    def _status(self) -> str:
        return f"{self._games} rated games"

    def _numbers(self) -> dict[str, float]:
        return {"games_per_second": self._games / max(time.monotonic() - self._started, 1e-9)}


def work(process: Process) -> None:
    """Evaluate until the process is to stop."""
    os.nice(NICENESS)
    torch.set_num_threads(1)
    arena = arenas.make(process.config.arena, **process.config.arena_options)
    try:
        evaluator = Evaluator(
            process, arena, Throttle(process.config.evaluation.share if process.config.trains else 1.0)
        )
        try:
            evaluator.run()
        finally:
            evaluator.close()
    finally:
        arena.close()


if __name__ == "__main__":
    sys.exit(run_process("evaluator", work))
