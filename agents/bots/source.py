"""A submitted bot on the disk: what it is, found without running any of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Language = Literal["python", "kaggle", "command"]


@dataclass(frozen=True)
class BotSource:
    """A bot's files, checked and ready to be started.

    Attributes:
        folder: holds the bot's files and nothing else; absolute. A bare `.py` lies in it as `bot.py`.
        name: what the bot calls itself.
        version: sha256 over the relative paths, executable bits and contents of its files.
        language: `python` (class Bot or function act), `kaggle` (function agent), or `command` (JSON lines).
        entry: `module:name` of a Python bot, such as `bot:Bot`; "" of a command.
        command: the words of a command, its program as an absolute path; () of a Python bot.
        arenas: the arenas that it plays; () for all.
        size: bytes of its files.
    """

    folder: Path
    name: str
    version: str
    language: Language
    entry: str
    command: tuple[str, ...]
    arenas: tuple[str, ...]
    size: int
