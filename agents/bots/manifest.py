"""`bot.toml`: what a bot says of itself; and what may be a bot's name.

    name = "my_bot"                  # optional; `league submit --name` decides under which name it plays
    version = "2, with an opening"   # optional, a label for yourself: the version that counts is the content's hash
    entry = "bot:Bot"                # a class, a function act, or Kaggle's function agent
    arenas = ["connect_four"]        # optional; without it the bot says that it plays any

A bot in another language has `command = ["./my_bot"]` in place of `entry`.
"""

from __future__ import annotations

import re
import shutil
import stat
import sys
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agents.bots.core import FailureCode, FailureRecord, Phase
from agents.bots.protocol import printable as harmless
from agents.toml import TOMLError, loads
from arenas.spelling import did_you_mean

FILE = "bot.toml"
MAX_MANIFEST = 64 * 1024  # bytes
MAX_COMMAND = 4096  # bytes of all words: it travels to the nursery in one datagram
MAX_PROGRAM = 240  # bytes: a name that any file system could hold
MOST_MESSAGE = 4000  # characters
WORD = "[A-Za-z_][A-Za-z0-9_]*"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
LABEL = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]*")
PYTHONS = ("python", "python3")
"""Names of the interpreter that the league itself runs on, with its packages."""


class BotRejectedError(Exception):
    """A bot that is not taken, and why: nothing of it was run, unless the check of its play says so.

    Attributes:
        record: the reason in the form of a failure.
    """

    exit_code = 5

    def __init__(self, message: str, *, code: FailureCode = FailureCode.IMPORT_ERROR, traceback: str = "") -> None:
        message = harmless(message, MOST_MESSAGE)
        super().__init__(message)
        traceback = harmless(traceback, MOST_MESSAGE, lines=True)
        self.record = FailureRecord(code=code, phase=Phase.IMPORT, message=message, traceback=traceback)


class Manifest(BaseModel):
    """The content of `bot.toml`.

    Attributes:
        name: what the bot calls itself.
        version: a label for people.
        entry: `module:name` of a Python class or function.
        command: words of a program that speaks JSON lines; the first is a file of the folder (`./my_bot`) or the name
            of an interpreter (`node`, `python3`).
        arenas: names of the arenas that it plays; empty for all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str | None = None
    version: str = Field(default="", max_length=100, pattern=rf"^{LABEL.pattern}$")
    entry: str | None = Field(default=None, max_length=200, pattern=rf"^{WORD}(\.{WORD})*:{WORD}$")
    command: list[str] = Field(default=[], max_length=64)
    arenas: list[str] = Field(default=[], max_length=100)

    @model_validator(mode="after")
    def _one_entry(self) -> Self:
        if (self.entry is None) == (not self.command):
            raise ValueError('give either entry = "bot:Bot" (Python) or command = ["./my_bot"] (any language)')
        if self.name is not None:
            checked_name(self.name)
        return self


def printable(text: str, most: int = 60) -> str:
    """`text` as it can be shown: quoted, control characters escaped, cut."""
    cut = text if len(text) <= most else text[:most] + "..."
    return ascii(cut) if any(not letter.isprintable() for letter in cut) else repr(cut)


def checked_name(name: str) -> str:
    """`name` where a bot may be called so.

    Raises:
        BotRejectedError: it says what is wrong with it, and a name that would be right.
    """
    if NAME.fullmatch(name):
        return name
    right = "at most 40 letters (A to Z), digits, '_' and '-', a letter or digit first"
    if not name:
        raise BotRejectedError(f"a bot needs a name: {right}")
    if len(name) > 40:
        right = f"it is {len(name)} long; {right}"
    near = re.sub(r"[^A-Za-z0-9_-]+", "_", name[:200]).strip("_-")[:40].strip("_-")
    hint = f"; {near!r} would do" if near else ""
    raise BotRejectedError(f"{printable(name)} is no name for a bot: {right}{hint}")


def parse(data: bytes) -> Manifest:
    """The manifest in the content of a `bot.toml`.

    Raises:
        BotRejectedError: it is no TOML, or a key or value is not valid; the message names it, and what would be right.
    """
    if len(data) > MAX_MANIFEST:
        raise BotRejectedError(f"{FILE} has {len(data):,} bytes; at most {MAX_MANIFEST:,} are read")
    try:
        return Manifest.model_validate(loads(data))
    except TOMLError as error:
        raise BotRejectedError(f"{FILE} is no TOML: {error}") from error
    except ValidationError as error:
        raise BotRejectedError(f"{FILE}: {_first_fault(error)}") from error


def _first_fault(error: ValidationError) -> str:
    fault: Any = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        known = Manifest.model_fields
        hint = did_you_mean(where, known, otherwise=f"there are {', '.join(known)}")
        return f"no key {printable(where)}: {hint}"
    if where == "entry" and fault["type"] == "string_pattern_mismatch":
        return f'entry {printable(str(fault["input"]))} is not of the form "module:name", such as "bot:Bot"'
    text = fault["msg"].removeprefix("Value error, ")
    given = printable(fault["input"]) if isinstance(fault["input"], str) else repr(fault["input"])[:60]
    return f"{where}: {text[0].lower()}{text[1:]}, not {given}" if where else text


def resolve_command(words: list[str], folder: Path) -> tuple[str, ...]:
    """The words of a command with its program as an absolute path.

    A program is a file of the bot's folder, `./my_bot`, or the bare name of an interpreter on the PATH. `python3` is
    the interpreter that the league itself runs on.

    Raises:
        BotRejectedError: the program is missing, not executable, or outside of the folder.
    """
    program = words[0]
    for word in words:
        if not word or not LABEL.fullmatch(word) or len(word) > 1000:
            raise BotRejectedError(f"{FILE}: command: {printable(word)} cannot be a word of a command")
    if (size := sum(len(word.encode()) for word in words)) > MAX_COMMAND:
        raise BotRejectedError(f"{FILE}: command: its words have {size:,} bytes; at most {MAX_COMMAND:,} are taken")
    if len(program.encode()) > MAX_PROGRAM:
        raise BotRejectedError(f"{FILE}: command: {printable(program)} is too long for the name of a program")
    if program in PYTHONS:
        return (sys.executable, *words[1:])
    if "/" not in program:
        if (folder / program).is_file():
            raise BotRejectedError(
                f'{FILE}: command: {printable(program)} is in the bot\'s folder: write "./{program}" to start it'
            )
        found = shutil.which(program)
        if found is None:
            raise BotRejectedError(
                f"{FILE}: command: no program {printable(program)} on this machine's PATH; "
                'name an interpreter that it has, or a program in the bot\'s folder as "./my_bot"'
            )
        return (str(Path(found).resolve()), *words[1:])
    path = Path(program)
    if path.is_absolute() or ".." in path.parts:
        raise BotRejectedError(
            f"{FILE}: command: {printable(program)} is outside of the bot's folder; "
            'a program of the folder is written "./my_bot", an interpreter by its bare name'
        )
    try:
        mode = (folder / path).stat(follow_symlinks=False).st_mode
    except OSError:
        hint = ": `make` builds it" if (folder / "Makefile").is_file() else ""
        raise BotRejectedError(f"{FILE}: command: there is no {printable(program)} in the bot's folder{hint}") from None
    if not stat.S_ISREG(mode):
        raise BotRejectedError(f"{FILE}: command: {printable(program)} is no file")
    if not mode & stat.S_IXUSR:
        raise BotRejectedError(
            f"{FILE}: command: {printable(program)} is not executable; `chmod +x {path.name}` makes it so "
            "(zip files made on Windows lose this: pack a .tar.gz)"
        )
    return (str(folder / path), *words[1:])
