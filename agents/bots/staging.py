"""Taking over the files of a stranger: copied one by one into a fresh folder, within bounds held while copying.

Whatever a bot comes as (a file, a folder, an archive), its files pass through `Staging.add`: regular files with plain
relative paths, so many and so large as the bounds allow. Links and special files are refused where they are met.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict, Field

from agents.bots.core import FailureCode
from agents.bots.manifest import LABEL, BotRejectedError, printable

CHUNK = 64 * 1024
IGNORED = frozenset(
    {"__pycache__", ".git", ".hg", ".DS_Store", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".venv", "__MACOSX"}
)
"""What lies about in folders and is no part of a bot."""


class Bounds(BaseModel):
    """How large a bot may be.

    Attributes:
        size: bytes of all files together, unpacked; an archive may not be larger either.
        files: how many, folders counted too.
        path: bytes of a file's path inside of the bot.
        depth: folders in folders.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(default=20 * 1024**2, ge=1)
    files: int = Field(default=1000, ge=1)
    path: int = Field(default=240, ge=1)
    depth: int = Field(default=12, ge=1)


def escape(message: str) -> BotRejectedError:
    """The rejection of something that would reach out of the bot's folder."""
    return BotRejectedError(message, code=FailureCode.SANDBOX_DENIED)


def too_large(size: int, bounds: Bounds, what: str = "the bot") -> BotRejectedError:
    """The rejection of a bot of `size` bytes (at least)."""
    return BotRejectedError(f"{what} has {size:,} bytes or more; at most {bounds.size:,} are taken")


class Staging:
    """A folder that a bot's files are copied into.

    Attributes:
        folder: empty at first.
        bounds: what it may hold.
        size: bytes so far.
    """

    def __init__(self, folder: Path, bounds: Bounds) -> None:
        self.folder = folder
        self.bounds = bounds
        self.size = 0
        self._number = 0

    def check(self, path: str, size: int) -> None:
        """See beforehand whether a file of this path and declared size would be taken.

        Raises:
            BotRejectedError: the path is absolute, climbs, or is no plain path; a bound would be passed.
        """
        bounds, shown = self.bounds, printable(path)
        parts = path.split("/")
        if path.startswith(("/", "\\")) or path[1:2] == ":":
            raise escape(f"the path {shown} is absolute; every file of a bot lies in its folder")
        if ".." in parts or "\\" in path:
            raise escape(f"the path {shown} could climb out of the bot's folder")
        if not all(parts) or "." in parts or not LABEL.fullmatch(path):
            raise BotRejectedError(f"{shown} is no plain path of a file")
        try:
            length = len(path.encode("utf-8"))
        except UnicodeEncodeError:
            raise BotRejectedError(f"the path {shown} is not UTF-8") from None
        if length > bounds.path:
            raise BotRejectedError(f"the path {shown} has {length} bytes; at most {bounds.path} are taken")
        if len(parts) > bounds.depth:
            raise BotRejectedError(f"{shown} lies {len(parts)} folders deep; at most {bounds.depth} are taken")
        if size < 0 or self.size + size > bounds.size:
            raise too_large(self.size + max(size, 0), bounds)

    def _count(self) -> None:
        self._number += 1
        if self._number > self.bounds.files:
            raise BotRejectedError(f"the bot has more than {self.bounds.files:,} files and folders")

    def add(self, path: str, content: BinaryIO, size: int, executable: bool) -> None:
        """Copy one file; not more of it is read than the bounds allow, whatever its declared size.

        Args:
            path: relative, with slashes.
            content: read in pieces.
            size: what the file is said to have.
            executable: whether it can be run as a program.

        Raises:
            BotRejectedError: see `check`; or there is more of it than was said.
        """
        self.check(path, size)
        self._count()
        target = self.folder / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(target, flags, 0o600)
        except (FileExistsError, NotADirectoryError):
            raise BotRejectedError(f"{printable(path)} is a file and a folder, or there twice") from None
        with os.fdopen(descriptor, "wb") as file:
            written = 0
            while piece := content.read(CHUNK):
                written += len(piece)
                if written > size:
                    raise BotRejectedError(
                        f"{printable(path)} is larger than the {size:,} bytes that it is said to have"
                    )
                file.write(piece)
            file.flush()
            os.fchmod(descriptor, 0o555 if executable else 0o444)
            os.fsync(descriptor)
        if written != size:
            raise BotRejectedError(f"{printable(path)} has {written:,} bytes, not the {size:,} that it is said to have")
        self.size += written

    def add_folder(self, path: str) -> None:
        """Count a folder; folders without files are no part of a bot and are not made."""
        self.check(path, 0)
        self._count()


def stage_file(staging: Staging, source: Path, path: str) -> None:
    """Copy the file `source`, which must be no link and nothing special, to `path`."""
    descriptor = _opened(source)
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise escape(f"{printable(source.name)} is {_kind(facts.st_mode)}: a bot has regular files only")
        staging.add(path, file, facts.st_size, bool(facts.st_mode & stat.S_IXUSR))


def stage_folder(staging: Staging, source: Path, path: str = "") -> None:
    """Copy what lies in the folder `source`."""
    with os.scandir(source) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            if entry.name in IGNORED:
                continue
            inner = f"{path}{entry.name}"
            if entry.is_symlink():
                raise escape(f"{printable(inner)} is a symbolic link: a bot has regular files only")
            if entry.is_dir(follow_symlinks=False):
                staging.add_folder(inner)
                stage_folder(staging, Path(entry.path), f"{inner}/")
            else:
                stage_file(staging, Path(entry.path), inner)


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        if path.is_symlink():
            raise escape(f"{printable(path.name)} is a symbolic link: a bot has regular files only") from error
        if not path.is_file() and path.exists():
            raise escape(f"{printable(path.name)} is no regular file: a bot has regular files only") from error
        raise BotRejectedError(f"{printable(str(path), 200)} cannot be read ({error.strerror})") from error


def _kind(mode: int) -> str:
    names = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFBLK: "a device",
        stat.S_IFCHR: "a device",
    }
    return names.get(stat.S_IFMT(mode), "no regular file")


def content_hash(folder: Path) -> tuple[str, int]:
    """The version of the bot in `folder`, and its size in bytes.

    It is the sha256 of one line for each file, sorted by path: `SHA256 x|- PATH`. Times, owners, empty folders and the
    order in which files were written do not matter.

    Raises:
        OSError: a file cannot be read.
        BotRejectedError: there is a link or a special file.
    """
    lines = []
    total = 0
    for path, file in _files(folder):
        descriptor = _opened(file)
        with os.fdopen(descriptor, "rb") as content:
            facts = os.fstat(descriptor)
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        total += facts.st_size
        lines.append((path.encode(), f"{digest} {'x' if facts.st_mode & stat.S_IXUSR else '-'} ".encode()))
    whole = hashlib.sha256(b"league bot 1\n")
    for name, line in sorted(lines):
        whole.update(line + name + b"\n")
    return whole.hexdigest(), total


def _files(folder: Path, path: str = "") -> Iterator[tuple[str, Path]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            inner = f"{path}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from _files(Path(entry.path), f"{inner}/")
            else:
                yield inner, Path(entry.path)
