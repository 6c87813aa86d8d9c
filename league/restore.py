"""A run out of the file of `league backup`, on this machine and under whatever name: `league restore`.

The file may be anybody's. Its manifest is read first; only regular files that it names are unpacked, each with the size
and the hash that it names, into a folder of which nobody knows. What stands in the folder of runs is whole.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO, cast

from pydantic import ValidationError

from agents.bots.archive import HEADER_BYTES, Metered
from agents.bots.manifest import BotRejectedError, printable
from agents.bots.staging import Bounds, Staging
from agents.disk import flush_folder
from league.backup import MANIFEST, PLACES, STORE, BackupError, Manifest
from league.config import LeagueConfig
from league.errors import RunError
from league.runs import CONFIG, FOLDERS, PRIVATE, RunFolder, checked_name, mark_newest
from league.settings import load, save
from matchmaking.dump import decode, put
from matchmaking.server import EmbeddedServer
from matchmaking.session import Session

MOST_MANIFEST = 64 * 1024**2  # bytes: some hundred thousand files
MOST_PATH, MOST_DEPTH = 500, 20
DRAFT = ".restore-"


def restore(file: Path, root: Path, name: str | None = None, redis: str | None = None) -> RunFolder:
    """Make a run of a backup.

    Args:
        file: the backup.
        root: the folder of all runs.
        name: of the run; the one that it had unless given.
        redis: URL of a Redis to put it into; None gives it one of its own.

    Raises:
        BackupError: the file is damaged, or no backup.
        RunError: there is a run of this name.
        MatchmakingError: no Redis, one that holds such a run, or another schema.
        OSError: the disk is full, or refuses.
    """
    root.mkdir(parents=True, exist_ok=True)
    _sweep(root)
    with _draft(root) as scratch, _opened(file) as (archive, meter):
        manifest = _manifest(file, archive)
        meter.allow(manifest.size + HEADER_BYTES * len(manifest.entries))
        run = RunFolder(root / checked_name(name or manifest.run))
        if run.path.exists():
            raise RunError(f"{run.path} exists: give another name with --name")
        room = shutil.disk_usage(root).free
        if manifest.size > room:
            raise BackupError(f"{file} unpacks to {manifest.size:,} bytes, and the disk of {root} has {room:,} left")
        draft = RunFolder(scratch / "run")
        draft.path.mkdir()
        _unpack(file, archive, manifest, draft.path)
        config = _settle(file, draft, redis)
        _fill(file, draft, run.name, config)
        draft.path.replace(run.path)
        flush_folder(root)
    mark_newest(run)
    return run


@contextmanager
def _draft(root: Path) -> Iterator[Path]:
    """A folder for what is not whole yet; it is locked for as long as somebody works in it."""
    scratch = Path(tempfile.mkdtemp(prefix=DRAFT, dir=root))
    descriptor = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield scratch
    finally:
        _remove(scratch)
        os.close(descriptor)


def _sweep(root: Path) -> None:
    """Remove what killed restores have left."""
    for scratch in root.glob(f"{DRAFT}*"):
        with suppress(FileNotFoundError):  # its owner has just finished
            descriptor = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(scratch)
            except BlockingIOError:
                continue
            finally:
                os.close(descriptor)


def _remove(scratch: Path) -> None:
    EmbeddedServer(scratch / "run" / "redis").stop()
    shutil.rmtree(scratch)


@contextmanager
def _opened(file: Path) -> Iterator[tuple[tarfile.TarFile, Metered]]:
    """The archive as a stream, and the meter that lets no more of it come out than is expected.

    What goes wrong in it is one line.
    """
    try:
        with file.open("rb") as content, gzip.GzipFile(fileobj=content) as unzipped:
            meter = Metered(unzipped, Bounds(size=MOST_MANIFEST))
            with tarfile.open(fileobj=cast(IO[bytes], meter), mode="r|", errorlevel=2) as archive:
                yield archive, meter
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, UnicodeError) as error:
        raise BackupError(f"{file} is damaged, or no backup ({' '.join(str(error).split())[:200]})") from error
    except BotRejectedError as error:
        raise BackupError(f"{file} is no sound backup: {error}") from error


def _manifest(file: Path, archive: tarfile.TarFile) -> Manifest:
    member = archive.next()
    if member is None or member.name != MANIFEST or not member.isreg() or member.size > MOST_MANIFEST:
        raise BackupError(f"{file} is no backup of a league: it does not begin with {MANIFEST}")
    content = archive.extractfile(member)
    assert content is not None
    try:
        manifest = Manifest.model_validate_json(content.read())
    except ValidationError as error:
        raise BackupError(f"{file}: its manifest is none of schema 1: {error.errors()[0]['msg']}") from error
    for entry in manifest.entries:
        if entry.path not in (CONFIG, STORE) and entry.path.split("/")[0] not in PLACES:
            raise BackupError(f"{file}: {printable(entry.path)} is no file of a run")
    return manifest


def _unpack(file: Path, archive: tarfile.TarFile, manifest: Manifest, folder: Path) -> None:
    expected = {entry.path: entry for entry in manifest.entries}
    if len(expected) != len(manifest.entries):
        raise BackupError(f"{file}: its manifest names a file twice")
    bounds = Bounds(size=max(manifest.size, 1), files=len(expected) + 1, path=MOST_PATH, depth=MOST_DEPTH)
    staging = Staging(folder, bounds)
    while (member := archive.next()) is not None:
        entry = expected.pop(member.name, None)
        shown = printable(member.name)
        if entry is None:
            raise BackupError(f"{file}: {shown} is not in its manifest")
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse() or member.size != entry.size:
            raise BackupError(f"{file}: {shown} is not the regular file of {entry.size:,} bytes of its manifest")
        content = archive.extractfile(member)
        assert content is not None
        with content:
            staging.add(entry.path, cast(BinaryIO, content), entry.size, entry.executable)
        with (folder / entry.path).open("rb") as written:
            if hashlib.file_digest(written, "sha256").hexdigest() != entry.sha256:
                raise BackupError(f"{file} is damaged: {shown} is not what its manifest says")
        if not entry.path.startswith("bots/"):
            (folder / entry.path).chmod(0o644)
    if expected:
        raise BackupError(f"{file} is damaged: {printable(min(expected))} is missing")


def _settle(file: Path, draft: RunFolder, redis: str | None) -> LeagueConfig:
    """The folders that a run has, and the configuration with its Redis."""
    for part in FOLDERS:
        (draft.path / part).mkdir(mode=0o700 if part in PRIVATE else 0o777, exist_ok=True)
        (draft.path / part).chmod(0o700 if part in PRIVATE else 0o755)
    if not draft.config_file.is_file() or not (draft.path / STORE).is_file():
        raise BackupError(f"{file} is damaged: {CONFIG} or {STORE} is missing")
    config = load(draft.config_file).model_copy(update={"redis": redis})
    save(config, draft.config_file)
    return config


def _fill(file: Path, draft: RunFolder, name: str, config: LeagueConfig) -> None:
    """Put the store's content into the run's Redis."""
    path = draft.path / STORE
    try:
        held = decode(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise BackupError(f"{file}: {STORE} is not what a run has in Redis") from error
    path.unlink()
    server = EmbeddedServer(draft.redis) if config.redis is None else None
    if server is not None:
        server.start()
    try:
        session = Session(config.redis or EmbeddedServer(draft.redis).url, name)
        try:
            put(session, held)
        finally:
            session.close()
    finally:
        if server is not None:
            server.stop()
            for left in ("socket-directory", "redis.log"):  # they name the folder that was renamed
                (draft.redis / left).unlink(missing_ok=True)
