"""What lies in a run folder and nothing refers to: found, and removed where that is asked for.

Nothing is taken that a player, a learner's state, a log, a bot's record or a tournament's file names, and nothing that
is young: a process of a running league may have written it and be about to say so. References are read again right
before something is removed.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from league.replays import SUFFIX as REPLAY
from league.replays import pairing_of_draft
from league.runs import RunFolder
from matchmaking.logs import SUFFIX as SEGMENT
from matchmaking.records import Kind
from matchmaking.service import Matchmaker

GRACE = 3600.0  # seconds
NAME = re.compile(rb"[0-9a-f]{64}")
STATE = re.compile(r"(?P<slot>.+)-(?P<sha>[0-9a-f]{64})\.safetensors")
CHECKPOINT = re.compile(r"(?P<sha>[0-9a-f]{64})\.safetensors")
DRAFT = re.compile(r"\..+\.tmp|\..+\.\d+|\.draft-.+")
"""How writers call what is not in its place yet: `agents.durable`, `league.files`, `agents.bots.store`."""

MOST_TEXT = 16 * 1024**2  # bytes of a file that is searched for names


class Garbage(NamedTuple):
    """Something that nothing refers to.

    Attributes:
        path: a file, or the folder of a bot.
        what: in a word or two.
        size: bytes.
    """

    path: Path
    what: str
    size: int


def collect(run: RunFolder, matchmaker: Matchmaker, grace: float = GRACE) -> list[Garbage]:
    """What could be removed now, by kind and path.

    Args:
        run: the folder.
        matchmaker: of the run; it may be running.
        grace: seconds for which a file is left alone after it was last written.
    """
    # First what there is, then what is named: what comes meanwhile is in neither list.
    files = list(_old_files(run, time.time() - grace))
    store = matchmaker.store
    players = store.players()
    kept_names = _mentioned(run)
    checkpoints = {player.checkpoint for player in players} | {player.version for player in players} | kept_names
    bots = {player.version for player in players if player.kind is Kind.BOT} | kept_names
    learners = {player.id for player in players}
    segments = {f"{log.name}/{segment.name}" for log in store.logs.values() for segment in log.segments()}
    played: set[str] = set()
    if any(path.parent == run.replays for path in files):
        played = {result.id for result in store.queue.log()}
    pending = {pairing.id for pairing in store.queue.pending()}

    def what(path: Path) -> str | None:
        """What a file is, where nothing refers to it."""
        folder, name = path.parent, path.name
        if folder == run.replays:
            pairing = pairing_of_draft(name)
            if pairing is not None:
                settled = pairing not in played or (folder / f"{pairing}{REPLAY}").exists()
                return "draft" if settled and pairing not in pending else None
            return "replay" if name.endswith(REPLAY) and name.removesuffix(REPLAY) not in played | pending else None
        if DRAFT.fullmatch(name):
            return "draft"
        if folder == run.checkpoints:
            if found := CHECKPOINT.fullmatch(name):
                return "checkpoint" if found["sha"] not in checkpoints else None
            found = STATE.fullmatch(name)
            return "state" if found and (folder / f"{found['slot']}.json").exists() and not _kept(path, found) else None
        if folder == run.checkpoints / "live":
            return "live weights" if path.suffix == ".safetensors" and path.stem not in learners else None
        if folder == run.bots:
            return "bot" if path.is_dir() and NAME.fullmatch(name.encode()) and name not in bots else None
        if folder.parent == run.logs and name.endswith(SEGMENT):
            return "part of a log" if f"{folder.name}/{name}" not in segments else None
        return None

    found = [Garbage(path, kind, _size(path)) for path in files if (kind := what(path)) is not None]
    return sorted(found, key=lambda each: (each.what, each.path))


def remove(run: RunFolder, matchmaker: Matchmaker, chosen: Iterable[Garbage], grace: float = GRACE) -> list[Garbage]:
    """Remove what was chosen, as far as nothing refers to it now either; returns what was removed."""
    still = {each.path for each in collect(run, matchmaker, grace)}
    removed = []
    for each in chosen:
        if each.path in still:
            if each.path.is_dir():
                shutil.rmtree(each.path)
            else:
                each.path.unlink(missing_ok=True)
            removed.append(each)
    return removed


def _old_files(run: RunFolder, before: float) -> Iterator[Path]:
    """The files that are looked at, and the folders of bots, last written before a moment."""
    folders: list[tuple[Path, Callable[[Path], bool]]] = [
        (run.checkpoints, Path.is_file),
        (run.checkpoints / "live", Path.is_file),
        (run.bots, Path.is_dir),
        (run.replays, Path.is_file),
        *((path, Path.is_file) for path in sorted(run.logs.glob("*")) if path.is_dir()),
        (run.path, lambda path: path.is_file() and path.name.startswith(".league.toml.")),
        (run.exports, lambda path: path.is_file() and path.name.startswith(".")),
    ]
    for folder, wanted in folders:
        if folder.is_dir():
            for path in sorted(folder.iterdir()):
                if not path.is_symlink() and wanted(path) and path.lstat().st_mtime < before:
                    yield path


def _mentioned(run: RunFolder) -> set[str]:
    """Hashes that stand in learners' states, in their pointers, and in the files of tournaments and exports."""
    found: set[str] = set()
    for path in run.checkpoints.glob("*-*.safetensors"):
        found |= _names(_header(path))
    texts = [*run.checkpoints.glob("*.json"), *run.exports.rglob("*"), *(run.path / "tournaments").rglob("*")]
    for path in (*texts, run.config_file):
        if path.is_file() and not path.name.endswith(REPLAY) and path.stat().st_size <= MOST_TEXT:
            found |= _names(path.read_bytes())
    return found


def _header(path: Path) -> bytes:
    """The part of a file of tensors that is text: its length stands before it."""
    try:
        with path.open("rb") as file:
            return file.read(min(int.from_bytes(file.read(8), "little"), MOST_TEXT))
    except FileNotFoundError:  # a newer state has taken its place
        return b""


def _names(content: bytes) -> set[str]:
    return {name.decode() for name in NAME.findall(content)}


def _kept(path: Path, found: re.Match[str]) -> bool:
    """Whether a learner's state is one of those that its pointer names."""
    return found["sha"] in _names((path.parent / f"{found['slot']}.json").read_bytes())


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(Path(folder, name).lstat().st_size for folder, _, names in os.walk(path) for name in names)
