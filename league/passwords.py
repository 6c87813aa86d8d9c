"""Passwords of a shared Redis: kept in a file of one's own, and kept out of the list of processes."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from agents.toml import TOMLError, loads
from league.errors import InputError
from league.files import replace_text
from league.toml import dumps
from matchmaking.server import password_of

ROLES = ("worker", "reader")
PRIVATE = 0o600
BYTES = 24  # of a password that is made up


def passwords(path: Path) -> dict[str, str]:
    """The passwords of a run's users, by role; where the file is missing it is made, readable for its owner only.

    Raises:
        InputError: the file holds something else.
        OSError: it cannot be read or written.
    """
    if not path.exists():
        made = {role: secrets.token_urlsafe(BYTES) for role in ROLES}
        replace_text(path, dumps(made), PRIVATE)
        return made
    try:
        table = loads(path.read_bytes())
    except TOMLError as error:
        raise InputError(f"{path}: not valid TOML") from error  # what it quotes may be a password
    if set(table) != set(ROLES) or not all(isinstance(word, str) and word for word in table.values()):
        raise InputError(f'{path}: expected two lines, worker = "..." and reader = "..."')
    return table


def hide(words: Iterable[str]) -> None:
    """Overwrite the passwords of URLs among a command line's words, so that `ps` shows them no longer.

    The kernel shows others the memory in which a program was given its words. A moment passes before they are
    overwritten: who cannot bear that puts the URL into the environment (LEAGUE_REDIS) or into a file.
    """
    found = [password for word in words if (password := password_of(word))]
    if found and sys.platform == "linux":
        with suppress(OSError):  # a kernel that does not let a program write there
            _overwrite([password.encode() for password in found])


def _overwrite(found: Iterable[bytes]) -> None:
    fields = Path("/proc/self/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    begin, end = int(fields[45]), int(fields[46])  # arg_start and arg_end, proc(5), counted from the third field
    with Path("/proc/self/mem").open("r+b", buffering=0) as memory:
        memory.seek(begin)
        words = memory.read(end - begin)
        for password in found:
            words = words.replace(password, b"*" * len(password))
        memory.seek(begin)
        memory.write(words)
