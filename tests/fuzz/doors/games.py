"""Arenas and scripted players by their names, options and parameters."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import arenas
from agents import scripted
from tests.fuzz.core import Door
from tests.fuzz.mutate import toml_text, words

OPTIONS: dict[str, dict[str, object]] = {
    "connect_four": {}, "prisoners_dilemma": {"rounds": 5, "payoffs": [3, 5, 0, 1]},
    "spread": {"N": 3, "max_cycles": 25}, "foraging": {"size": 8, "sight": 2},
    "tag": {"num_good": 1, "num_obstacles": 2}, "soccer": {"players": 2, "rows": 6},
    "rock_paper_scissors": {}, "leduc_poker": {}, "speaker_listener": {"max_cycles": 25},
    "openspiel:leduc_poker": {"players": 2}, "openspiel:tic_tac_toe": {}, "pettingzoo:classic/tictactoe-v3": {},
}  # fmt: skip


@contextmanager
def arena(scratch: Path) -> Iterator[Door]:
    samples = [
        f"arena = {json.dumps(name)}\n[options]\n".encode()
        + "".join(f"{key} = {json.dumps(value)}\n" for key, value in options.items()).encode()
        for name, options in OPTIONS.items()
    ]
    known = (arenas.UnknownArenaError, arenas.ArenaOptionError, arenas.ArenaLoadError)

    def enter(data: bytes) -> None:
        try:
            table = tomllib.loads(data.decode())
        except (ValueError, RecursionError):
            return  # how a file is read is another door's
        name, options = table.get("arena"), table.get("options", {})
        if not isinstance(name, str) or not isinstance(options, dict):
            return
        if any(isinstance(value, int) and abs(value) > 50 for value in options.values()):
            return  # whoever asks for a board of a million gets it
        made = arenas.make(name, **options)
        getattr(made, "close", lambda: None)()

    yield Door(samples, toml_text, known, enter)


@contextmanager
def scripted_player(scratch: Path) -> Iterator[Door]:
    samples = (
        b"connect_four\0alpha_beta:4", b"rock_paper_scissors\0mix:0.2,0.3,0.5", b"tic_tac_toe\0perfect",
        b"kuhn_poker\0equilibrium:0.2", b"prisoners_dilemma\0tit_for_tat", b"spread\0heuristic", b"tic_tac_toe\0random",
    )  # fmt: skip
    games = {name: arenas.make(name) for name in {each.split(b"\0")[0].decode() for each in samples}}

    def enter(data: bytes) -> None:
        arena, _, text = data.decode("utf-8", "surrogateescape").partition("\0")
        if arena in games:
            scripted.make(text, games[arena].spec)

    yield Door(samples, words, (scripted.ScriptedPlayerError,), enter)
