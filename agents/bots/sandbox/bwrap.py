"""`strict`: a nursery inside bubblewrap's namespaces; its bots put Landlock and seccomp on top.

What is added to `auto`: a file system in which nothing else exists (so that not even the names, sizes and times of the
host's files can be seen, which Landlock shows), a network without interfaces, process ids of its own, another uid.

The nursery's whole command line runs inside, its control socket inherited: `[*prefix([bot.folder]), sys.executable,
harness, ...]`. The folders are fixed when it starts, so that `strict` has one nursery for each bot's folder. Process
ids inside are not those outside: signal by pidfd. bwrap ends when the THREAD that started it ends.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from agents.bots.sandbox.confine import SYSTEM, SYSTEM_FILES, interpreter_paths

INSTALL = "bwrap is not installed (Debian, Ubuntu: apt install bubblewrap; Fedora: dnf install bubblewrap)"
_PACKAGE = Path(__file__).resolve().parents[2]
"""The package `agents`: the nursery's program is in there."""
_NOBODY = "65534"
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
_PATIENCE = 10.0  # seconds for a trial on a loaded machine


def prefix(folders: Sequence[str | Path]) -> list[str]:
    """The command line that, put before another one, runs it inside the namespaces.

    Args:
        folders: the bots' own, absolute; read-only inside, at the same paths.

    Raises:
        FileNotFoundError: bwrap is not installed.
    """
    program = shutil.which("bwrap")
    if program is None:
        raise FileNotFoundError(INSTALL)
    paths = [*SYSTEM, *SYSTEM_FILES, *interpreter_paths(), sys.prefix, sys.base_prefix]
    paths += [str(_PACKAGE / "__init__.py"), str(_PACKAGE / "bots"), *map(str, folders)]
    return [
        *(program, "--unshare-all", "--unshare-user", "--uid", _NOBODY, "--gid", _NOBODY),
        *("--die-with-parent", "--new-session", "--hostname", "bot"),
        *("--tmpfs", "/tmp"),
        *_mounts(paths),
        *(word for device in _DEVICES for word in ("--dev-bind", device, device)),
        *("--remount-ro", "/", "--chdir", "/", "--"),
    ]


def _mounts(paths: Iterable[str]) -> list[str]:
    """Read-only, outer folders first; what lies in another one that is mounted already is there."""
    words: list[str] = []
    mounted: list[str] = []
    for path in sorted(set(paths)):
        if not os.path.lexists(path) or any(Path(path).is_relative_to(outer) for outer in mounted):
            continue
        if path in SYSTEM and Path(path).is_symlink():  # /bin -> usr/bin
            words += ["--symlink", str(Path(path).readlink()), path]
        else:
            words += ["--ro-bind", path, path]
            mounted.append(path)
    return words


def trouble() -> str:
    """Runs this Python inside. "" where that works, else why not, in one line."""
    try:
        line = [*prefix([]), sys.executable, "-I", "-S", "-c", "pass"]
        done = subprocess.run(line, capture_output=True, text=True, timeout=_PATIENCE, env={}, check=False)
    except FileNotFoundError as error:
        return str(error)
    except subprocess.TimeoutExpired:
        return f"bwrap did not end within {_PATIENCE:g} s"
    if done.returncode == 0:
        return ""
    said = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
    if "Permission denied" in said or "not permitted" in said or "No permissions" in said:
        return (
            f"{said}: user namespaces are forbidden to this user "
            "(Ubuntu: an AppArmor profile for bwrap, or sysctl kernel.apparmor_restrict_unprivileged_userns=0)"
        )
    return said
