"""A submitted bot on the disk: what it is, found without running any of it.

A bot comes as a bare `.py`, as a folder with `bot.toml`, or as a `.zip` or `.tar.gz` of such a folder. Which name of a
Python file is the bot is found by parsing it in another process (`agents.bots.outline`): a bot is never imported here.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from agents.bots.archive import unpack
from agents.bots.manifest import FILE, BotRejectedError, Manifest, parse, printable, resolve_command
from agents.bots.outline import Name, Outline, outline
from agents.bots.staging import Bounds, Staging, content_hash, stage_file, stage_folder
from arenas.spelling import did_you_mean, nearest

Language = Literal["python", "kaggle", "command"]

ARCHIVES = (".zip", ".tar.gz", ".tgz")
BARE = "bot.py"
"""What a bare file is called in its folder: its version does not depend on the name that it had."""
MAIN = (BARE, "main.py")
"""Where the bot is in a folder without `bot.toml`; `main.py` is Kaggle's."""
ENTRIES = ("Bot", "act", "agent")
KAGGLE_OBSERVATION = ("obs", "observation")


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


def load_source(path: Path, bounds: Bounds | None = None) -> BotSource:
    """The bot at `path`, from a copy of its files that lasts as long as this process.

    Args:
        path: a `.py` file, a folder, a `.zip` or a `.tar.gz`.
        bounds: how large it may be.

    Raises:
        BotRejectedError: it is no bot; the message says why and what would be right.
        OSError: the copy cannot be written.
    """
    folder = Path(tempfile.mkdtemp(dir=_scratch())) / "bot"
    name = stage(path, folder, bounds or Bounds())
    return describe(folder, name, *content_hash(folder))


@cache
def _scratch() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="league-bots-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def stage(path: Path, folder: Path, bounds: Bounds) -> str:
    """Copy a bot's files into `folder`, which is made.

    Returns:
        A name for the bot, after that of its file or folder.

    Raises:
        BotRejectedError: there is no bot at `path`, or one that is too large or has links or special files.
    """
    folder.mkdir()
    staging = Staging(folder.resolve(), bounds)
    name = path.absolute().name
    if path.is_symlink():
        raise BotRejectedError(f"{printable(str(path), 200)} is a symbolic link: give the file or folder itself")
    if path.is_dir():
        stage_folder(staging, path)
    elif not path.exists():
        raise BotRejectedError(f"there is no {printable(str(path), 200)}{_nearest_file(path)}")
    elif name.endswith(".py"):
        stage_file(staging, path, BARE)
        name = name.removesuffix(".py")
    elif suffix := next((each for each in ARCHIVES if name.endswith(each)), None):
        if not path.is_file():
            raise BotRejectedError(f"{printable(str(path), 200)} is no regular file")
        unpack(path, staging)
        _step_into(folder)
        name = name.removesuffix(suffix)
    else:
        raise BotRejectedError(
            f"{printable(str(path), 200)} is no bot: a bot is a .py file, a folder with {FILE}, a .zip or .tar.gz of "
            "such a folder, or a checkpoint (.safetensors)"
        )
    for inner, _, _ in os.walk(folder):
        Path(inner).chmod(0o755)  # whatever this process's umask is: a sandbox may look at it as another user
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_-")[:40] or "bot"


def _nearest_file(path: Path) -> str:
    try:
        around = [each.name for each in path.absolute().parent.iterdir()]
    except OSError:
        return ""
    return did_you_mean(path.name, around, before="; ", shown=lambda near: printable(str(path.parent / near), 200))


def _step_into(folder: Path) -> None:
    """Where everything that was packed lies in one folder, make that one the bot's."""
    inside = list(folder.iterdir())
    if len(inside) == 1 and inside[0].is_dir():
        outer = folder.with_name(f"{folder.name}.outer")
        folder.rename(outer)
        (outer / inside[0].name).rename(folder)
        outer.rmdir()


def describe(folder: Path, name: str, version: str, size: int) -> BotSource:
    """What the bot in a folder of its own is.

    Args:
        folder: its files, staged.
        name: what it is called where its manifest does not say.
        version: see `content_hash`.
        size: bytes.

    Raises:
        BotRejectedError: its manifest is not valid, or it does not define what it says.
    """
    folder = folder.resolve()
    manifest = _manifest(folder)
    command = resolve_command(manifest.command, folder) if manifest.command else ()
    if command:
        language: Language = "command"
    else:
        assert manifest.entry is not None
        language = _language(folder, manifest.entry)
    return BotSource(
        folder=folder,
        name=manifest.name or name,
        version=version,
        language=language,
        entry=manifest.entry or "",
        command=command,
        arenas=tuple(manifest.arenas),
        size=size,
    )


def _manifest(folder: Path) -> Manifest:
    """The manifest of a bot, made up where it has none."""
    file = folder / FILE
    if file.is_file():
        return parse(file.read_bytes())
    modules = sorted(each.name for each in folder.glob("*.py"))
    main = next((each for each in MAIN if each in modules), modules[0] if len(modules) == 1 else None)
    if main is None:
        there = f"and {len(modules)} .py files" if modules else "and no .py file"
        raise BotRejectedError(
            f'the folder has no {FILE} {there}: write {FILE} with entry = "bot:Bot" or command = ["./my_bot"]'
        )
    module = main.removesuffix(".py")
    if not module.isidentifier():
        raise BotRejectedError(f"{printable(main)} cannot be imported under this name: call it {BARE}")
    return Manifest(entry=f"{module}:{_found_entry(main, _outline(folder / main))}")


def _outline(file: Path) -> Outline:
    found = outline(file.read_bytes())
    if found.error:
        where = f"{file.name}:{found.line}" if found.line else file.name
        shown = f'  File "{file.name}", line {found.line}\n    {found.text}\n' if found.text else ""
        raise BotRejectedError(f"{where}: {found.error}", traceback=shown)
    return found


def _found_entry(file: str, names: Outline) -> str:
    """The name of the bot in a file that does not say it: exactly one of those that the contract knows."""
    found = [each for each in ENTRIES if each in names.names]
    if not found:  # Kaggle's course calls it my_agent(obs, config), among others
        found = [name for name, each in names.names.items() if _is_kaggles(each)]
    if len(found) == 1:
        return found[0]
    if found:
        raise BotRejectedError(
            f"{file} defines {' and '.join(found[:5])}, and only one of them can be the bot: put the file into a "
            f'folder with a {FILE} that says entry = "{file.removesuffix(".py")}:{found[0]}"'
        )
    near = next((near for each in ENTRIES if (near := nearest(each, names.names))), None)
    hint = f" (it does define {near})" if near else ""
    raise BotRejectedError(
        f"{file} defines no bot{hint}: write `class Bot`, `def act(observation, action_mask, clock)` or "
        "Kaggle's `def agent(observation, configuration)`"
    )


def _is_kaggles(name: Name) -> bool:
    """Whether a function takes what Kaggle gives: observation, and configuration if it likes."""
    first = name.parameters[:1]
    return name.kind == "function" and len(name.parameters) <= 2 and bool(first) and first[0] in KAGGLE_OBSERVATION


def _language(folder: Path, entry: str) -> Language:
    """Python or Kaggle: an action needs three things here and one or two there.

    Raises:
        BotRejectedError: the module or the name is missing, or the function takes something else.
    """
    module, name = entry.split(":")
    path = folder.joinpath(*module.split("."))
    file = next((each for each in (path.with_suffix(".py"), path / "__init__.py") if each.is_file()), None)
    if file is None:
        there = [each.relative_to(folder).as_posix() for each in sorted(folder.rglob("*.py"))]
        wanted = f"{module.replace('.', '/')}.py"
        hint = did_you_mean(wanted, there, otherwise=f"it has {', '.join(there[:5]) or 'no .py file'}")
        raise BotRejectedError(f'entry "{entry}": there is no {wanted} in the bot\'s folder; {hint}')
    names = _outline(file)
    found = names.names.get(name)
    if found is None:
        if names.star:
            return "kaggle" if name == "agent" else "python"
        hint = did_you_mean(name, names.names, before="; ")
        raise BotRejectedError(f'entry "{entry}": {file.name} defines no {name}{hint}')
    if found.kind != "function":
        return "kaggle" if found.kind == "bound" and name == "agent" else "python"
    number = len(found.parameters)
    if found.any_number or number in (1, 2, 3):
        return "kaggle" if number in (1, 2) or (found.any_number and name == "agent") else "python"
    raise BotRejectedError(
        f"{file.name}:{found.line}: {name} takes {number} arguments; right would be "
        f"{name}(observation, action_mask, clock), or Kaggle's {name}(observation, configuration)"
    )
