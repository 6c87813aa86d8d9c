"""The bots of a run on the disk, by the hash of their content: `FOLDER/<sha256>/` holds one version's files.

A bot is copied beside its place, flushed and renamed into it: a reader sees all of a bot or nothing. Files are
read-only, and a bot's content is hashed whenever it is loaded. Folders stay writable for their owner, so that a run can
be deleted like any other folder; a bot cannot write there, for its sandbox does not let it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from pathlib import Path

from agents.bots.manifest import BotRejectedError
from agents.bots.source import BotSource, describe, stage
from agents.bots.staging import Bounds, content_hash
from agents.disk import flush_folder

DRAFT = ".draft-"
STALE = 3600.0  # seconds after which a draft that is left was a killed process's


class BotStoreError(Exception):
    """A stored bot is missing, or is not what its name says: the host's fault, never the bot's."""

    exit_code = 4


class BotStore:
    """A folder of bots. Any number of processes may write and read it at the same time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    def path(self, version: str) -> Path:
        """Where the bot of this version lies, or would lie."""
        if len(version) != 64 or not set(version) <= set("0123456789abcdef"):
            raise BotStoreError(f"{version!r} is no version of a bot: 64 hexadecimal digits are")
        return self.folder / version

    def add(self, path: Path, bounds: Bounds | None = None) -> BotSource:
        """Store the bot at `path`; the same content again changes nothing.

        Raises:
            BotRejectedError: it is no bot, see `agents.bots.source`.
            OSError: the disk is full or refuses.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._sweep()
        draft = self.folder / f"{DRAFT}{secrets.token_hex(6)}"
        draft.mkdir()
        try:
            files = draft / "bot"
            name = stage(path, files, bounds or Bounds())
            version, size = content_hash(files)
            describe(files, name, version, size)  # refuses what is no bot before it is put in place
            place = self.path(version)
            if place.exists() and not self._sound(version):
                place.rename(draft / "damaged")
            if not place.exists():
                _flush(files)
                self._put(files, place)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return describe(place, name, version, size)

    def load(self, version: str, name: str = "bot") -> BotSource:
        """A stored bot, its content verified.

        Args:
            version: sha256.
            name: what the bot is called where its manifest does not say.

        Raises:
            BotStoreError: it is missing or damaged.
            BotRejectedError: it is whole, but its interpreter is not on this machine.
        """
        folder = self.path(version)
        if not folder.is_dir():
            raise BotStoreError(f"there is no bot {version} in {self.folder}")
        try:
            found, size = content_hash(folder)
        except (OSError, BotRejectedError) as error:
            raise BotStoreError(f"bot {version} in {self.folder} is damaged: {error}") from error
        if found != version:
            raise BotStoreError(
                f"bot {version} in {self.folder} is damaged: its files hash to {found}; submitting it again mends it"
            )
        return describe(folder, name, version, size)

    def _sound(self, version: str) -> bool:
        try:
            return content_hash(self.path(version))[0] == version
        except (OSError, BotRejectedError):
            return False

    def _put(self, files: Path, place: Path) -> None:
        try:
            files.rename(place)
        except OSError:
            if not place.is_dir():  # else another process was faster with the same bot
                raise
        flush_folder(self.folder)

    def _sweep(self) -> None:
        """Remove what processes left that were killed while they stored a bot."""
        for draft in self.folder.glob(f"{DRAFT}*"):
            try:
                if time.time() - draft.stat().st_mtime > STALE:
                    shutil.rmtree(draft)
            except FileNotFoundError:  # its owner has just finished
                continue


def _flush(folder: Path) -> None:
    for path, _, _ in os.walk(folder):
        flush_folder(Path(path))
