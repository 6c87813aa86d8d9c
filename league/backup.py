"""A whole run as one file: `league backup`.

The file is a tar.gz. First in it is `manifest.json`, which names every file that follows with its size and sha256; then
`store.json`, what Redis held at one moment; then the files of the run folder. Nothing in it says where the run lay.

A run is copied while it goes on. Redis is read at a moment in which each learner's state that was copied is still its
last one: the two fit together as after a kill at that moment, which a resume is made for. What never changes
(checkpoints, bots, replays, parts of logs) is read after Redis, so that everything that Redis names is there.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from agents.disk import flush_folder
from league.access import opened
from league.errors import InputError, LeagueError, StateMismatchError
from league.runs import CONFIG, FOLDERS, RunFolder
from league.toml import dumps
from matchmaking.dump import Dump, dump, encode
from matchmaking.logs import LOGS, Segment
from matchmaking.records import Kind, Player
from matchmaking.store import Store

MANIFEST, STORE = "manifest.json", "store.json"
PLACES = (*(place for place in FOLDERS if place != "redis"), "tournaments")
"""What of a run folder is copied, beside the configuration."""

IMMUTABLE = re.compile(
    r"checkpoints/[0-9a-f]{64}\.safetensors|bots/[0-9a-f]{64}/.*|(tournaments/[^/]+/)?replays/[^/]+\.jsonl\.gz|"
    r"logs/[a-z_]+/[^/]+\.jsonl\.gz"
)
POINTER = re.compile(r"checkpoints/[^/]+\.json")
TRIES = 5


class Entry(BaseModel):
    """A file of a backup."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    executable: bool = False


class Manifest(BaseModel):
    """What a backup says of itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)

    schema_version: Literal[1] = Field(default=1, alias="schema")
    run: str
    arena: str
    entries: tuple[Entry, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.entries)


def backup(run: RunFolder, file: Path) -> Manifest:
    """Write a run, which may be running, into `file`.

    Raises:
        InputError: there is such a file.
        StateMismatchError: something that the run refers to is missing or damaged: `league doctor` says what.
        OSError: the disk is full, or refuses.
    """
    if file.exists():
        raise InputError(f"{file} exists: give another name, or delete it first")
    config = run.config()
    with tempfile.TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent) as scratch:
        staged = Path(scratch) / "staged"
        staged.mkdir()
        without = config.model_copy(update={"redis": None})  # a password, and another machine's address
        (staged / CONFIG).write_text(dumps(without.model_dump(mode="json")), encoding="utf-8")
        with opened(run, config) as matchmaker:
            held = _moment(run, staged, matchmaker.store)
        (staged / STORE).write_bytes(encode(held))
        _stage_rest(run, staged)
        sources = {path: staged / path for path in (CONFIG, STORE, *_files(staged))}
        sources |= {path: run.path / path for path in _files(run.path) if IMMUTABLE.fullmatch(path)}
        entries = tuple(entry for path in sorted(sources) if (entry := _entry(path, sources[path])) is not None)
        _complete(held, {entry.path: entry.sha256 for entry in entries})
        manifest = Manifest(run=run.name, arena=config.arena, entries=entries)
        draft = Path(scratch) / "draft"
        _write(manifest, sources, draft)
        draft.replace(file)
        flush_folder(file.absolute().parent)
    return manifest


def _moment(run: RunFolder, staged: Path, store: Store) -> Dump:
    """Copy the learners' states, and give what Redis held while they were the last ones."""
    for _ in range(TRIES):
        pointers = _pointers(run)
        for path in pointers:
            _stage_state(run.path, staged, path)
        held = dump(store.session)
        if _pointers(run) == {path: (staged / path).read_bytes() for path in pointers}:
            return held
        shutil.rmtree(staged / "checkpoints")
    raise LeagueError(f"learners of run {run.name} save their states too often to be copied: try again")


def _pointers(run: RunFolder) -> dict[str, bytes]:
    """The files that name the last states of learners, and what they say."""
    paths = [path for path in _files(run.path) if POINTER.fullmatch(path)]
    return {path: (run.path / path).read_bytes() for path in paths}


def _stage_rest(run: RunFolder, staged: Path) -> None:
    """Copy what else changes."""
    for path in _files(run.path):
        state = path.startswith("checkpoints/") and path.count("/") == 1
        if not (state or IMMUTABLE.fullmatch(path)):
            _copy(run.path / path, staged / path)


def _stage_state(folder: Path, staged: Path, pointer: str) -> None:
    """Copy a slot of `agents.state_store`: the pointer, and what it named when it was read."""
    slot = Path(pointer).stem
    for _ in range(TRIES):
        words = (folder / pointer).read_bytes()
        found = [
            path
            for sha in re.findall(r"[0-9a-f]{64}", words.decode(errors="replace"))
            if _copy(folder / (path := f"checkpoints/{slot}-{sha}.safetensors"), staged / path)
        ]
        if found:
            (staged / pointer).write_bytes(words)
            return
    raise StateMismatchError(f"{folder / pointer} names states that are not there: `league doctor` says more")


def _copy(source: Path, target: Path) -> bool:
    """Copy a file; False where it has gone meanwhile."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        shutil.copyfile(source, target)
        return True
    return False


def _files(folder: Path) -> Iterator[str]:
    """The regular files in a run's folders by relative path; hidden ones are somebody's drafts, but not in a bot."""
    for place in PLACES:
        if (folder / place).is_dir():
            yield from _below(folder, f"{place}/")


def _below(folder: Path, inner: str) -> Iterator[str]:
    with os.scandir(folder / inner) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            path = f"{inner}{entry.name}"
            draft = entry.name.startswith(".") and not re.match("bots/[^.]", path)
            if entry.is_dir(follow_symlinks=False) and not draft:
                yield from _below(folder, f"{path}/")
            elif entry.is_file(follow_symlinks=False) and not draft:
                yield path


def _entry(path: str, source: Path) -> Entry | None:
    """What the manifest says of a file; None where it has gone meanwhile, such as a replay beyond the budget."""
    try:
        with source.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            facts = os.fstat(file.fileno())
    except FileNotFoundError:
        return None
    return Entry(path=path, size=facts.st_size, sha256=digest, executable=bool(facts.st_mode & 0o100))


def _complete(held: Dump, hashes: dict[str, str]) -> None:
    """See that the files are there, and sound, without which the run could not go on."""
    needed: dict[str, str] = {}  # sha256 by path
    for player in map(Player.model_validate_json, held.get("players", ())):
        if player.checkpoint:
            needed[f"checkpoints/{player.checkpoint}.safetensors"] = player.checkpoint
        if player.kind is Kind.BOT and player.version and not any(player.version in path for path in hashes):
            raise StateMismatchError(f"bot {player.name} ({player.version}) is missing: `league doctor` says more")
    for log in LOGS:
        for segment in map(Segment.model_validate_json, held.get(f"segments:{log}", ())):
            needed[f"logs/{log}/{segment.name}"] = segment.sha256
    for path, sha in sorted(needed.items()):
        if hashes.get(path) != sha:
            raise StateMismatchError(f"{path} is missing or damaged: `league doctor` says more")


def _write(manifest: Manifest, sources: dict[str, Path], target: Path) -> None:
    with target.open("wb") as file:
        with (
            gzip.GzipFile(fileobj=file, mode="wb", compresslevel=3, mtime=0) as zipped,
            tarfile.open(fileobj=zipped, mode="w|", format=tarfile.PAX_FORMAT) as archive,
        ):
            text = manifest.model_dump_json().encode()
            archive.addfile(_member(MANIFEST, len(text), False), io.BytesIO(text))
            for entry in manifest.entries:
                with sources[entry.path].open("rb") as content:
                    archive.addfile(_member(entry.path, entry.size, entry.executable), content)
        file.flush()
        os.fsync(file.fileno())


def _member(path: str, size: int, executable: bool) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.size = size
    member.mode = 0o755 if executable else 0o644
    return member


class BackupError(LeagueError):
    """A file that is no backup, or a damaged one."""

    exit_code = 4
