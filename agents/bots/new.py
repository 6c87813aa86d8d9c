"""Starter bots: a folder that plays at once, in several languages, with the place marked where an idea goes."""

from __future__ import annotations

import inspect
import re
from enum import StrEnum
from pathlib import Path

from agents.bots.manifest import checked_name
from arenas.core import Arena

TEMPLATES = Path(__file__).with_name("templates")
SUFFIX = ".tmpl"
HEADING = re.compile(r"[A-Z][a-z]+( \[[^]]*\])?[,:]")
"""How a part of an arena's documentation begins, such as `Rewards:` or `Observation [2, 6, 7]:`."""


class Language(StrEnum):
    """What a starter bot can be written in."""

    PYTHON = "python"  # a class
    FUNCTION = "function"  # a Python function
    KAGGLE = "kaggle"  # Kaggle's agent(observation, configuration)
    JAVASCRIPT = "javascript"  # for node
    C = "c"


class NoTemplateError(ValueError):
    """There is no starter bot of this language for this arena, or the place for it is taken."""


def write_bot(name: str, language: Language, arena: Arena, folder: Path) -> list[Path]:
    """Write a starter bot.

    Args:
        name: of the bot.
        language: what it is written in.
        arena: the game that it plays.
        folder: made here; it must not exist, or be empty.

    Returns:
        The files, those with the place for one's idea first.

    Raises:
        BotRejectedError: the name is none for a bot.
        NoTemplateError: the folder is taken, or Kaggle has no such game.
    """
    values = _values(checked_name(name), arena)
    templates = _templates(language, arena.spec.name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise NoTemplateError(f"{folder} exists and is not empty; choose another name or folder")
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for target, template in templates.items():
        path = folder / target
        path.write_text(fill(template.read_text(encoding="utf-8"), values), encoding="utf-8")
        written.append(path)
    return sorted(written, key=lambda path: (path.suffix not in (".py", ".js", ".c"), path.name))


def fill(template: str, values: dict[str, str]) -> str:
    """A template with `@KEY@` replaced; a value of several lines repeats what stands before its key on the line."""

    def line(text: str) -> str:
        for key, value in values.items():
            before, mark, rest = text.partition(f"@{key}@")
            if mark:
                text = "\n".join(f"{before}{each}{rest}".rstrip() for each in value.split("\n"))
        return text

    return "\n".join(line(text) for text in template.split("\n"))


def _templates(language: Language, arena: str) -> dict[str, Path]:
    """The templates by the name of the file that each becomes."""
    found: dict[str, Path] = {}
    games = []
    for path in sorted((TEMPLATES / language).glob(f"*{SUFFIX}")):
        target = path.name.removesuffix(SUFFIX)
        if language is Language.KAGGLE and target.startswith("main.py."):
            game = target.removeprefix("main.py.")
            games.append(game)
            if game != arena:
                continue
            target = "main.py"
        found[target] = path
    if language is Language.KAGGLE and arena not in games:
        raise NoTemplateError(f"Kaggle has no game like {arena}; --language kaggle is for {', '.join(games)}")
    return found


def _values(name: str, arena: Arena) -> dict[str, str]:
    spec = arena.spec
    return {
        "NAME": name,
        "ARENA": spec.name,
        "ABOUT": _about(arena),
        "SHAPE": str(list(spec.observation_shape)),
        "LAST": str(spec.num_actions - 1),
    }


def _about(arena: Arena) -> str:
    """What the arena's own documentation says of rules, observations and actions."""
    text = inspect.getdoc(type(arena)) or ""
    if arena.spec.description and not arena.spec.pure:  # the class is an adapter's: it says nothing of the game
        text = arena.spec.description
    lines = []
    kept = True
    for line in text.split("\n"):
        if not line or HEADING.match(line):
            kept = not line.startswith(("State:", "Args:"))
        if kept:
            lines.append(line.replace("\\", "/").replace("@", "(at)").rstrip())
    return "\n".join(lines).strip("\n")
