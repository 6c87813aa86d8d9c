"""Arenas: games as batched programs. `arenas.make("connect_four")` builds one; importing this package is cheap."""

from arenas.registry import (
    ArenaLoadError,
    ArenaOptionError,
    UnknownArenaError,
    describe,
    make,
    names,
)

__all__ = ["ArenaLoadError", "ArenaOptionError", "UnknownArenaError", "describe", "make", "names"]
