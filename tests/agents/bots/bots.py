"""Bots for tests, written into a folder of their own."""

from __future__ import annotations

import hashlib
import sys
import textwrap
from pathlib import Path

from agents.bots.source import BotSource, Language


def write_bot(folder: Path, code: str, *, entry: str = "bot:Bot", language: Language = "python") -> BotSource:
    """A bot whose only file is `bot.py`. A command is run by the interpreter of the tests."""
    folder.mkdir(parents=True, exist_ok=True)
    text = textwrap.dedent(code)
    (folder / "bot.py").write_text(text, encoding="utf-8")
    return BotSource(
        folder=folder,
        name=folder.name,
        version=hashlib.sha256(text.encode()).hexdigest(),
        language=language,
        entry="" if language == "command" else entry,
        command=(sys.executable, "-I", "-u", str(folder / "bot.py")) if language == "command" else (),
        arenas=(),
        size=len(text),
    )


RANDOM = """
    import random

    class Bot:
        def __init__(self, spec):
            self.actions = range(spec.num_actions)

        def reset(self, seed, agent):
            self.random = random.Random(seed)

        def act(self, observation, action_mask, clock):
            return self.random.choice([action for action in self.actions if action_mask[action]])
"""
"""Plays random legal moves."""

LINES = """
    import json, random, sys

    def say(**message):
        print(json.dumps(message), flush=True)

    for line in sys.stdin:
        request = json.loads(line)
        if request["type"] == "start":
            say(type="ready")
        elif request["type"] == "reset":
            dice = random.Random(request["seed"])
            say(id=request["id"], ok=True)
        elif request["type"] == "act":
            legal = [action for action, flag in enumerate(request["action_mask"]) if flag]
            say(id=request["id"], action=dice.choice(legal))
"""
"""The same over JSON lines."""


def acting(body: str, *, head: str = "") -> str:
    """The code of a bot whose `act` has this body."""
    return (
        textwrap.dedent(head)
        + "class Bot:\n    def __init__(self, spec): self.spec, self.moves = spec, 0\n"
        + "    def act(self, observation, action_mask, clock):\n        self.moves += 1\n"
        + textwrap.indent(textwrap.dedent(body).strip(), "        ")
        + "\n"
    )
