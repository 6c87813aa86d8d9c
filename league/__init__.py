"""AlphaStar-style league self-play: training, matchmaking, ratings and an arena.

    import league

    finished = league.start("connect_four", duration="5m")
    print(league.leaderboard(finished.run.name).players[0])

The functions live in `league.api` and are imported when they are first used, so that `import league` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from league.api import Finished, leaderboard, resume, start, status, stop

__all__ = ["Finished", "leaderboard", "resume", "start", "status", "stop"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("league.api"), name)
