"""An evaluator process: leases pairings of rated matches, plays them seat-swapped, and reports them.

It computes on the CPU with one thread, behind the learners (niced), and takes a bounded share of a core while they
train. Between two plies it gives signs of life, keeps its lease, rests, and notices that it is to stop.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

import arenas
from agents.checkpoint import CheckpointStore
from agents.core import Agent
from arenas.core import Arena, Observation
from arenas.match import ActorError, play_pairs
from league.flags import flag_unplayable, unplayable
from league.process import Process, run_process
from league.roster import Roster, UnplayableError
from league.throttle import Throttle
from matchmaking.records import Kind, Lease, Player, Rating
from matchmaking.run_records import Reported
from matchmaking.service import Matchmaker

NICENESS = 10
IDLE = 0.5  # seconds between two looks for something to play
LEASE_BEATS = 4  # heartbeats in the time that a lease lasts
DUE_PAIRINGS = 6  # that every player is owed before a run ends by itself

log = logging.getLogger("league")


class LeaseLostError(Exception):
    """The pairing has been handed to somebody else: what was played so far is worth nothing."""


class StoppedError(Exception):
    """The process was told to stop in the middle of a pairing."""


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
        self._roster = Roster(arena, CheckpointStore(process.run.checkpoints), settings.temperature, self._player)
        self._games = 0
        self._started = time.monotonic()

    def run(self) -> None:
        """Play until the process is to stop or, when it is to finish, until every player has what it is owed."""
        process = self._process
        while not process.stopping:
            process.beat(self._status(), self._numbers())
            if process.finishing:
                self._throttle.release()
                if not self.due():
                    return
            if not self.play_next():
                if process.finishing:
                    return
                process.sleep(IDLE, "nothing to play")

    def play_next(self) -> bool:
        """Lease a pairing, play and report it; False where there is none."""
        lease = self._matchmaker.lease(self._process.name, self._seconds)
        if lease is None:
            return False
        pairing = lease.pairing
        settled = False
        try:
            outcomes = self._play(lease)
            settled = True
            reported = self._matchmaker.report_match(lease, outcomes)
            if reported is Reported.RECORDED:
                self._games += len(outcomes)
            else:
                log.warning("the report of %s was not taken (%s)", pairing.id, reported)
        except UnplayableError as error:
            settled = True
            log.error("%s", error)
            flag_unplayable(self._process.store, error.player, str(error))
            self._matchmaker.abort(lease, str(error), drop=True)
        except ActorError as error:
            settled = True
            log.error("%s is dropped: %s", pairing.id, error)
            self._matchmaker.abort(lease, str(error), drop=True)
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
        owed = 2 * self._process.config.evaluation.pairs * DUE_PAIRINGS
        ratings = self._matchmaker.ratings()
        flagged = unplayable(self._process.store)
        return [
            player
            for player in self._matchmaker.players()
            if player.kind is not Kind.LEARNER
            and player.id not in flagged
            and ratings.get(player.id, Rating()).games < owed
        ]

    def _play(self, lease: Lease) -> str:
        pairing = lease.pairing
        keep_at = time.monotonic() + self._seconds / LEASE_BEATS

        def rest() -> None:
            """What is to be done between two plies."""
            nonlocal keep_at
            self._process.beat(self._status(), self._numbers())
            if self._process.stopping:
                raise StoppedError
            if time.monotonic() >= keep_at:
                keep_at = time.monotonic() + self._seconds / LEASE_BEATS
                if self._matchmaker.heartbeat(lease, self._seconds) is None:
                    raise LeaseLostError
            if self._process.finishing:
                self._throttle.release()
            self._throttle.rest()

        a, b = (
            _Paced(self._roster.agent(player), self._player(player).name, rest) for player in (pairing.a, pairing.b)
        )
        return play_pairs(self._arena, a, b, pairing.pairs, pairing.seed).outcomes

    def _player(self, player: str) -> Player:
        if player not in self._players:
            for record in self._matchmaker.players(since=len(self._players)):
                self._players[record.id] = record
        return self._players[player]

    def _status(self) -> str:
        return f"{self._games} rated games"

    def _numbers(self) -> dict[str, float]:
        return {"games_per_second": self._games / max(time.monotonic() - self._started, 1e-9)}


class _Paced:
    """An agent after each of whose answers `rest` is called."""

    def __init__(self, agent: Agent, name: str, rest: Callable[[], None]) -> None:
        self.name = name
        self._agent = agent
        self._rest = rest

    def begin(self, batch: int, device: torch.device) -> None:
        self._agent.begin(batch, device)

    def act(self, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
        answer = self._agent.act(observation, uniforms, live)
        self._rest()
        return answer


def work(process: Process) -> None:
    """Evaluate until the process is to stop."""
    os.nice(NICENESS)
    torch.set_num_threads(1)
    arena = arenas.make(process.config.arena, **process.config.arena_options)
    try:
        Evaluator(process, arena, Throttle(process.config.evaluation.share)).run()
    finally:
        arena.close()


if __name__ == "__main__":
    sys.exit(run_process("evaluator", work))
