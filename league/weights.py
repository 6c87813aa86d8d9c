"""Weights of players that another process trains or that are frozen, as rows ready for a lane."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from agents.checkpoint import CheckpointError, CheckpointStore, check_tensors
from agents.core import Parameters
from agents.durable import SUFFIX, decode, encode
from agents.networks import Network
from league.recently_used import RecentlyUsed
from matchmaking.records import Kind, Player

CACHE_BYTES = 256 * 2**20
Stamp = tuple[int, int]

log = logging.getLogger("league")


class LiveWeights:
    """The present weights of learners, one file a player, replaced every few seconds.

    They are worth nothing after a crash, so they are written without waiting for the disk: a power failure may leave a
    file without its content, which readers take for one that is not there yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def publish(self, player: str, weights: Tensor) -> None:
        """Replace the weights [D] of a player; only the process that trains it may do so."""
        self.write(player, {"weights": weights})

    def write(self, player: str, tensors: Parameters, about: str = "") -> None:
        """Replace what is known of a player, and what its tensors are; see `publish`."""
        path = self.path(player)
        draft = path.with_suffix(".tmp")  # always the same: what a killed writer left is written over
        try:
            draft.write_bytes(encode(tensors, about))
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    def stamp(self, player: str) -> Stamp | None:
        """Changes whenever the weights do; None where there are none yet."""
        try:
            found = self.path(player).stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_ino  # a file system's clock may stand still between two files

    def read(self, player: str) -> Tensor:
        """The weights [D] that were last published."""
        return self.open(player)[0]["weights"]

    def open(self, player: str) -> tuple[Parameters, str]:
        """The tensors that were last written, and what they are."""
        path = self.path(player)
        return decode(path, path.read_bytes())

    def path(self, player: str) -> Path:
        """Where they stand."""
        return self.folder / f"{player}{SUFFIX}"


class OpponentWeights:
    """Rows [D] by player id: frozen players from their checkpoints, learners of other processes from their files.

    Args:
        network: the shape that all players share.
        checkpoints: frozen weights.
        live: weights of learners elsewhere.
        find: gives the record of a player.
        initial: [D], what a learner elsewhere plays with until it first publishes.
    """

    def __init__(
        self,
        network: Network,
        checkpoints: CheckpointStore,
        live: LiveWeights,
        find: Callable[[str], Player],
        initial: Tensor,
    ) -> None:
        self._network, self._checkpoints, self._live, self._find = network, checkpoints, live, find
        self._initial = initial
        self._frozen = RecentlyUsed[Tensor](max(1, CACHE_BYTES // (network.layout.width * initial.element_size())))
        self._learners: dict[str, tuple[Stamp | None, Tensor]] = {}

    def __call__(self, player: str) -> Tensor:
        """The weights [D] of a player.

        Raises:
            CheckpointError: its checkpoint is missing, damaged or of another network.
        """
        record = self._find(player)
        if record.kind is Kind.LEARNER:
            return self._learner(player)
        if record.checkpoint is None:
            raise ValueError(f"{record.name} is a {record.kind.value} player: it has no weights to fill a lane with")
        sha = record.checkpoint
        return self._frozen.get(sha, lambda: self._checkpoint(sha))

    def _learner(self, player: str) -> Tensor:
        stamp = self._live.stamp(player)
        known = self._learners.get(player)
        if known is None or known[0] != stamp:
            known = (stamp, self._read(player) if stamp else self._initial)
            self._learners[player] = known
        return known[1]

    def _read(self, player: str) -> Tensor:
        try:
            return self._live.read(player)
        except CheckpointError as error:
            log.warning("live weights are left out: %s", error)
            return self._initial

    def _checkpoint(self, sha: str) -> Tensor:
        parameters, _ = self._checkpoints.load(sha)
        check_tensors(parameters, self._network.layout.shapes(), self._checkpoints.path(sha))
        row = torch.zeros(1, self._network.layout.width)
        self._network.layout.pack({name: tensor.unsqueeze(0) for name, tensor in parameters.items()}, row)
        return row[0]
