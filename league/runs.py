"""The run folder `runs/NAME/`: what it holds, how it is made and found.

Layout: `league.toml` (the resolved configuration), `redis/`, `checkpoints/`, `bots/`, `replays/`, `logs/`, `metrics/`,
`exports/`. All runs lie in one folder: `--runs-dir`, else the environment's `LEAGUE_RUNS`, else `./runs`.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from league.config import LeagueConfig
from league.errors import RunError, suggestion
from league.files import replace_text
from league.settings import load, save

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
FOLDERS = ("redis", "checkpoints", "bots", "replays", "logs", "metrics", "exports")
PRIVATE = frozenset({"redis", "bots"})  # a server's socket and other people's programs
CONFIG = "league.toml"
NEWEST = ".newest"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run on disk; nothing is read before it is asked for."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def config_file(self) -> Path:
        return self.path / CONFIG

    @property
    def redis(self) -> Path:
        return self.path / "redis"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def bots(self) -> Path:
        return self.path / "bots"

    @property
    def replays(self) -> Path:
        return self.path / "replays"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics"

    @property
    def exports(self) -> Path:
        return self.path / "exports"

    @property
    def created(self) -> datetime:
        """When the run was made, in local time."""
        return datetime.fromtimestamp(self.config_file.stat().st_mtime).astimezone()

    def config(self) -> LeagueConfig:
        """The configuration that the run was started with."""
        return load(self.config_file)


def runs_root(given: Path | None = None) -> Path:
    """The folder of all runs."""
    return given if given is not None else Path(os.environ.get("LEAGUE_RUNS") or "runs")


def fresh_name(arena: str) -> str:
    """A name for a run of this arena that no other run has."""
    words = re.sub(r"[^A-Za-z0-9]+", "_", arena).strip("_") or "run"
    return f"{words[:32]}-{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def create(root: Path, config: LeagueConfig, name: str, *, fresh: bool = False) -> RunFolder:
    """Make a run's folder and write its configuration.

    Args:
        root: the folder of all runs.
        config: what to write as `league.toml`.
        name: of the run.
        fresh: delete a run of this name first.

    Raises:
        RunError: the name is not valid, the run exists and `fresh` is false, or it is running.
    """
    folder = RunFolder(root / checked_name(name))
    if folder.path.exists():
        if not folder.config_file.exists() and any(folder.path.iterdir()):
            raise RunError(f"{folder.path} exists and is no run (it has no {CONFIG}); choose another --name")
        if not fresh:
            raise RunError(
                f"run {name!r} exists in {root}: go on with `league resume {name}`, or start over with --fresh"
            )
        _delete(folder)
    folder.path.mkdir(parents=True)
    try:
        for part in FOLDERS:
            (folder.path / part).mkdir(mode=0o700 if part in PRIVATE else 0o777)
        save(config, folder.config_file)
        mark_newest(folder)
    except OSError:
        shutil.rmtree(folder.path)  # half of a run would be in the way of the next start
        raise
    return folder


def _delete(folder: RunFolder) -> None:
    """Delete a run that nobody is running, with the embedded server that may be left of it."""
    from league.lock import run_lock
    from matchmaking.server import EmbeddedServer

    with run_lock(folder):
        EmbeddedServer(folder.redis).stop()
        shutil.rmtree(folder.path)


def checked_name(name: str) -> str:
    """`name` where a run may be called so."""
    if not NAME.fullmatch(name):
        raise RunError(
            f"{name!r} is no name for a run: at most 64 letters, digits, '.', '_' and '-', a letter or digit first"
        )
    return name


def mark_newest(folder: RunFolder) -> None:
    """Make this the run that commands take where none is named."""
    replace_text(folder.path.parent / NEWEST, folder.name + "\n")


def list_runs(root: Path) -> list[RunFolder]:
    """All runs, the oldest first."""
    if not root.is_dir():
        return []
    found = [RunFolder(path) for path in root.iterdir() if (path / CONFIG).is_file()]
    return sorted(found, key=lambda folder: (folder.config_file.stat().st_mtime_ns, folder.name))


def find(root: Path, name: str | None = None) -> RunFolder:
    """The run of this name, or the newest one.

    Raises:
        RunError: there is no such run, or no run at all.
    """
    runs = {folder.name: folder for folder in list_runs(root)}
    if not runs:
        raise RunError(
            f"there is no run in {root}: `league start` makes one (--runs-dir or LEAGUE_RUNS names another folder)"
        )
    if name is None:
        marker = root / NEWEST
        newest = marker.read_text(encoding="utf-8").strip() if marker.is_file() else ""
        return runs.get(newest) or list(runs.values())[-1]
    if name not in runs:
        raise RunError(f"there is no run {name!r} in {root}; {suggestion(name, runs)}")
    return runs[name]
