"""What a stranger's bot says of itself, and comes as."""

from __future__ import annotations

import gzip
import io
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from agents.bots import manifest as manifests
from agents.bots.archive import unpack
from agents.bots.manifest import BotRejectedError
from agents.bots.staging import Bounds, Staging
from tests.fuzz.core import Door
from tests.fuzz.mutate import tar_archive, toml_text, zip_archive

TOML = (
    b'name = "my_bot"\nversion = "2, with an opening"\nentry = "bot:Bot"\narenas = ["connect_four"]\n',
    b'command = ["./my_bot", "--fast"]\narenas = []\n',
)
BOT = b"def act(observation, action_mask, clock):\n    return int(action_mask.argmax())\n"


@contextmanager
def manifest(scratch: Path) -> Iterator[Door]:
    def enter(data: bytes) -> None:
        found = manifests.parse(data)
        if found.command:
            manifests.resolve_command(found.command, scratch)

    yield Door(TOML, toml_text, (BotRejectedError,), enter)


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bot.toml", TOML[0])
        archive.writestr("bot.py", BOT)
        archive.writestr("lib/book.txt", b"e4 e5\n" * 50)
    return out.getvalue()


def _tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in (("bot.toml", TOML[0]), ("./bot.py", BOT), ("lib/book.txt", b"e4 e5\n" * 50)):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(out.getvalue(), mtime=0)


def _unpacker(scratch: Path) -> Callable[[bytes], None]:
    archive, folder = scratch / "bot.zip", scratch / "files"
    around = scratch / "around"
    around.mkdir()

    def enter(data: bytes) -> None:
        archive.write_bytes(data)
        folder.mkdir()
        try:
            unpack(archive, Staging(folder, Bounds(size=2_000_000, files=50)))
        finally:
            size = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
            shutil.rmtree(folder)
            if size > 2_000_000 or {path.name for path in scratch.iterdir()} != {"bot.zip", "around"}:
                raise AssertionError(f"{size} bytes, {sorted(path.name for path in scratch.iterdir())}")

    return enter


@contextmanager
def zipped(scratch: Path) -> Iterator[Door]:
    yield Door([_zip()], zip_archive, (BotRejectedError,), _unpacker(scratch))


@contextmanager
def tarred(scratch: Path) -> Iterator[Door]:
    yield Door([_tar()], tar_archive, (BotRejectedError,), _unpacker(scratch))
