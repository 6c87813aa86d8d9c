"""A bot as an actor of matches: one process a row, asked one after the other."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from agents.bots.core import BotFailedError, Clocks, FailureRecord, InfraError
from agents.bots.nursery import Nursery
from agents.bots.process import Array, BotProcess
from agents.bots.source import BotSource
from arenas.core import ArenaSpec, Observation
from arenas.match import FORFEIT


class BotActor:
    """Plays a bot's rows (`agents.core.Agent`).

    Rows think one after the other: never two of them at once, and never while the opponent thinks, so that a clock
    counts one bot alone. Processes are reused from match to match until they fail.

    Args:
        nursery: starts its processes.
        source: what the bot is.
        spec: of the arena.
        clocks: a bot's time.
        name: for messages.
        pairing: id that the matches' ids in failure records begin with, as in `PAIRING/INDEX`.

    Attributes:
        draws: it uses no uniforms of ours: a bot has its own randomness, from the seed that it is told.
        failures: the rows that failed since `begin`, with their records. The answer in such a row is `FORFEIT`.
    """

    draws = False

    def __init__(
        self,
        nursery: Nursery,
        source: BotSource,
        spec: ArenaSpec,
        clocks: Clocks,
        *,
        name: str | None = None,
        pairing: str | None = None,
    ) -> None:
        self.spec, self.name = spec, name or source.name
        self.failures: list[tuple[int, FailureRecord]] = []
        self.pairing = pairing
        self._nursery, self._source, self._clocks = nursery, source, clocks
        self._processes: list[BotProcess | None] = []
        self._failed: dict[int, FailureRecord] = {}
        self._seats: list[tuple[str | None, int, str]] = []
        self._step = 0

    def sit(self, agents: Sequence[str], seeds: Sequence[int], matches: Sequence[int]) -> None:
        """Be told what the next rows are (see `arenas.match.SeatedActor`)."""
        self._seats = [
            (f"{self.pairing}/{match}" if self.pairing else str(match), bot_seed(seed, match, agent), agent)
            for agent in agents
            for seed, match in zip(seeds, matches, strict=True)
        ]

    def begin(self, batch: int, device: torch.device) -> None:
        """Have a live process, reset for its match, in each of `batch` rows; a row that fails here forfeits later.

        Raises:
            InfraError: the host's fault; its processes are gone.
        """
        if len(self._seats) != batch:
            raise ValueError(f"{self.name} was told of {len(self._seats)} rows, but is to play {batch}")
        self.failures, self._failed, self._step = [], {}, 0
        for process in self._processes[batch:]:
            if process is not None:
                process.kill()
        self._processes = [*self._processes[:batch], *[None] * (batch - len(self._processes))]
        try:
            self._be_ready()
        except InfraError:
            self.close()
            raise

    def _be_ready(self) -> None:
        unfit: FailureRecord | None = None
        for row, (match, seed, agent) in enumerate(self._seats):
            if unfit is not None and not self._lives(row):
                # What cannot start for one match cannot for the next: it is not tried, and waited for, in every row.
                self._failed[row] = unfit.model_copy(update={"match": match, "agent": agent})
                continue
            try:
                if not self._lives(row):
                    self._processes[row] = self._nursery.start(self._source, self.spec, self._clocks)
            except BotFailedError as error:
                unfit = self._failed[row] = error.record.model_copy(update={"match": match, "agent": agent})
                continue
            process = self._processes[row]
            assert process is not None
            try:
                process.reset(match, seed, agent)
            except BotFailedError as error:
                self._failed[row] = error.record

    def _lives(self, row: int) -> bool:
        process = self._processes[row]
        return process is not None and process.alive

    def at_step(self, step: int) -> None:
        """Be told the step of the matches (see `arenas.match.SteppedActor`)."""
        self._step = step

    def act(self, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
        """Ask the rows that are live (see `agents.core.Agent.act`).

        Raises:
            InfraError: the host's fault; its processes are gone.
        """
        seen, masks = (tensor.cpu().numpy() for tensor in observation)
        chosen = [0] * len(live)
        for row in live.nonzero()[:, 0].tolist():
            chosen[row] = self._ask(row, seen[row], masks[row])
        self._step += 1
        return torch.tensor(chosen, dtype=torch.int64, device=live.device)

    def _ask(self, row: int, seen: Array, mask: Array) -> int:
        process = self._processes[row]
        record = self._failed.get(row)
        if record is None:
            assert process is not None  # or the row would have failed
            try:
                return process.act(seen, mask, self._step)
            except BotFailedError as error:
                record = self._failed[row] = error.record
            except InfraError:
                self.close()
                raise
        self.failures.append((row, record))
        return FORFEIT

    def close(self) -> None:
        """End its processes."""
        for process in self._processes:
            if process is not None:
                process.kill()
        self._processes = []


def bot_seed(seed: int, match: int, agent: str) -> int:
    """A seed for a bot, in [0, 2^32), of its own in each match and slot; the game's chance does not follow from it."""
    digest = hashlib.blake2b(f"{seed}/{match}/{agent}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big")
