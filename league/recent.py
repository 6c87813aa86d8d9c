"""What the players of a process did in the last few seconds."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

from league.training import Iteration

PACE_WINDOW = 10.0  # seconds over which samples a second are taken


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
