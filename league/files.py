"""Files that are replaced as a whole, so that nobody sees a part of one; and files that are read within bounds."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from agents.disk import flush_folder


def read_bounded(path: Path, most: int) -> bytes:
    """The content of a file that somebody names, which may be a pipe, or a device that never ends.

    Raises:
        OSError: it cannot be read, or has more than `most` bytes.
    """
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"more than {most:,} bytes", str(path))
    return content


def check_writable(path: Path) -> None:
    """See that `replace_bytes` can put a file there, before work is done whose result it holds.

    Raises:
        OSError: it cannot.
    """
    draft = _draft(path)
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.touch()
        draft.unlink()
    except OSError as error:
        error.filename = str(path)
        raise


def replace_text(path: Path, text: str, mode: int = 0o666) -> None:
    """Put `text` at `path`, see `replace_bytes`."""
    replace_bytes(path, text.encode(), mode)


def replace_bytes(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Put `content` at `path`, on the disk when this returns; where that fails, what stood there still stands.

    Args:
        path: the file; folders that are missing are made.
        content: all of it.
        mode: who may read and write it, as far as the process's umask lets it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _draft(path)
    try:
        with open(draft, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        flush_folder(path.parent)
    except BaseException as error:
        with suppress(OSError):  # the first error is the one to tell
            draft.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)  # a failed write does not say of what
        raise


def _draft(path: Path) -> Path:
    """Where the content of a file is written before it takes its place."""
    return path.with_name(f".{path.name}.{os.getpid()}")
