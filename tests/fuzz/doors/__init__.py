"""The doors by name. Each is in a module of its package's, which is imported when the door is opened."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from tests.fuzz.core import Door, OpenDoor

WHERE = {
    "league file": "settings:league_file",
    "saved league.toml": "settings:saved_file",
    "set option": "settings:set_option",
    "players and duration": "settings:players_and_duration",
    "environment": "settings:environment",
    "arena name and options": "games:arena",
    "scripted player": "games:scripted_player",
    "command line": "commands:command_line",
    "Redis URL": "commands:redis_url",
    "bot.toml": "bots:manifest",
    "bot's answers": "conversation:answers",
    "bot.zip": "bots:zipped",
    "bot.tar.gz": "bots:tarred",
    "checkpoint": "weights:checkpoint",
    "team's checkpoint": "weights:team",
    "roles' checkpoint": "weights:roles",
    "pointer to a state": "weights:pointer",
    "team's training state": "weights:training_state",
    "learner's state": "weights:learner_state",
    "tournament.json": "files:tournament_settings",
    "tournament's journal": "files:journal",
    "stored replays": "files:replays",
    "match file": "files:match_file",
    "log segment": "files:segment",
    "evaluations.json": "files:evaluations",
    "Redis records": "records:records",
}


class _Doors(Mapping[str, OpenDoor]):
    def __getitem__(self, name: str) -> OpenDoor:
        module, function = WHERE[name].split(":")

        def open_door(scratch: Path) -> AbstractContextManager[Door]:
            made: AbstractContextManager[Door] = getattr(importlib.import_module(f"{__name__}.{module}"), function)(
                scratch
            )
            return made

        return open_door

    def __iter__(self) -> Iterator[str]:
        return iter(WHERE)

    def __len__(self) -> int:
        return len(WHERE)


DOORS: Mapping[str, OpenDoor] = _Doors()
