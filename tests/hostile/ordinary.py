"""Runs a command as an ordinary user, from root: `python -m tests.hostile.ordinary COMMAND...`.

Root's interpreter often lies below a folder that nobody else may enter. In a mount namespace of its own this puts an
empty folder in the place of the closed one, with nothing but the interpreter in it, and then gives up root for good.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

NOBODY = 65534


def closed_to_others(path: Path) -> Path | None:
    """The outermost folder above `path` that others may not enter."""
    return next((each for each in reversed(path.parents) if not each.stat().st_mode & 0o001), None)


def uncover(path: Path) -> None:
    """Make a folder that lies behind a closed one visible at its place."""
    closed = closed_to_others(path)
    if closed is None:
        return
    with tempfile.TemporaryDirectory() as aside:
        mount("--bind", str(path), aside)
        mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", str(closed))
        path.mkdir(parents=True)
        mount("--move", aside, str(path))


def mount(*words: str) -> None:
    """`mount(8)`."""
    subprocess.run(["mount", *words], check=True)


def main(command: list[str]) -> None:
    """Become nobody and go on as the command. Run inside of `unshare --mount`."""
    uncover(Path(sys.base_prefix))
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    os.execvpe(command[0], command, {**os.environ, "HOME": "/", "PYTHONDONTWRITEBYTECODE": "1"})


if __name__ == "__main__":
    if sys.argv[1:2] != ["--inside"]:
        inside = ["unshare", "--mount", "--propagation", "private", sys.executable, "-m", "tests.hostile.ordinary"]
        os.execvp(inside[0], [*inside, "--inside", *sys.argv[1:]])
    main(sys.argv[2:])
