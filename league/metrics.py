"""Curves of training: a JSONL file always, TensorBoard where its package is installed and the run wants it."""

from __future__ import annotations

import importlib.util
import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


def tensorboard_installed() -> bool:
    """Whether the extra `track` is there."""
    return importlib.util.find_spec("tensorboard") is not None


class MetricsWriter:
    """Writes the figures of the players that a process trains.

    Args:
        folder: the run's `metrics/`.
        process: such as `learner-0`: its lines go to `learner-0.jsonl`, appended when a run is resumed.
        tensorboard: also write event files, one folder a player, where TensorBoard is installed.

    A line holds `time` (seconds since the epoch), `player`, `step` and the figures. A figure that is not finite is null
    in JSON, which has no NaN.
    """

    def __init__(self, folder: Path, process: str, *, tensorboard: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._file = (folder / f"{process}.jsonl").open("a", encoding="utf-8")
        self._tensorboard = tensorboard and tensorboard_installed()
        self._writers: dict[str, SummaryWriter] = {}

    def write(self, player: str, step: int, figures: Mapping[str, float]) -> None:
        """Add one point of every figure: `step` is the player's learner samples so far."""
        finite = {name: float(value) if math.isfinite(value) else None for name, value in figures.items()}
        line = {"time": round(time.time(), 3), "player": player, "step": step, **finite}
        self._file.write(json.dumps(line, allow_nan=False) + "\n")
        self._file.flush()
        if self._tensorboard:
            writer = self._writer(player)
            for name, value in figures.items():
                writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush everything to the disk."""
        self._file.close()
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _writer(self, player: str) -> SummaryWriter:
        if player not in self._writers:
            from torch.utils.tensorboard import SummaryWriter

            self._writers[player] = SummaryWriter(str(self._folder / "tensorboard" / player))
        return self._writers[player]
