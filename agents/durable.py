"""Files of tensors that survive a kill, a power failure and a full disk, or say exactly what is wrong with them.

A file is written beside its place, flushed, renamed into it, and the folder flushed: a reader sees the old content or
the new, never a part. Content is addressed by its sha256 and verified whenever it is read. The format is safetensors
with one line of JSON in its header: nothing here can run code.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from agents.disk import flush_folder

SUFFIX = ".safetensors"
_TEMPORARY = ".tmp"
_HEADER_LENGTH = 8  # bytes of the little-endian length that opens a safetensors file


class CheckpointError(Exception):
    """A file of tensors that cannot be written, is missing, or is not what its name says.

    Attributes:
        path: the file.
        expected: the sha256 that was asked for, where one was.
        found: the sha256 of what is there; None where nothing can be read.
    """

    def __init__(self, path: Path, problem: str, expected: str | None = None, found: str | None = None) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.expected = expected
        self.found = found


class CheckpointMisfitError(CheckpointError):
    """A sound checkpoint of something else: another arena, another team size, another kind of player."""


def sha256(data: bytes) -> str:
    """The name of a content."""
    return hashlib.sha256(data).hexdigest()


def is_sha256(text: str) -> bool:
    """Whether `text` is written like a sha256: 64 hexadecimal digits in lower case."""
    return len(text) == 64 and all(letter in "0123456789abcdef" for letter in text)


def encode(tensors: Mapping[str, Tensor], header: str) -> bytes:
    """Tensors and a line of text as the bytes of a safetensors file; the same content gives the same bytes.

    The tensors are copied before they are encoded, so views into live weights, of one another or on a GPU are welcome.
    """
    copies = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    return safetensors.torch.save(copies, metadata={"header": header})


def decode(path: Path, data: bytes) -> tuple[dict[str, Tensor], str]:
    """The tensors, in memory of their own, and the line of text of what `encode` made; `path` is for errors."""
    try:
        tensors = safetensors.torch.load(data)
        length = int.from_bytes(data[:_HEADER_LENGTH], "little")
        header = json.loads(data[_HEADER_LENGTH : _HEADER_LENGTH + length])["__metadata__"]["header"]
        if not isinstance(header, str):
            raise TypeError(f"its header is a {type(header).__name__}")
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError, RuntimeError, RecursionError) as error:
        raise CheckpointError(path, f"not a file that this program wrote ({error})", found=sha256(data)) from error
    return tensors, header


def read_verified(path: Path, expected: str) -> bytes:
    """The content of a file whose sha256 is `expected`.

    Raises:
        CheckpointError: the file is missing, unreadable, cut short or changed; the message names both hashes.
    """
    data = read(path, expected)
    found = sha256(data)
    if found != expected:
        problem = f"damaged or not the right file: expected sha256 {expected}, found {found} in {len(data)} bytes"
        raise CheckpointError(path, problem, expected, found)
    return data


def read(path: Path, expected: str | None = None) -> bytes:
    """The content of a file; a CheckpointError where it cannot be read."""
    wanted = f": expected sha256 {expected}, found no content" if expected else ""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise CheckpointError(path, f"no such file{wanted}", expected) from error
    except OSError as error:
        raise CheckpointError(path, f"cannot be read ({error.strerror}){wanted}", expected) from error


def write_durably(path: Path, data: bytes) -> None:
    """Put `data` at `path`, whole or not at all, and on the disk when this returns.

    Raises:
        CheckpointError: the disk is full or refuses; what stood at `path` still stands, unless only the flush of the
            folder failed.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_TEMPORARY}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_and_flush(temporary, data)
        temporary.replace(path)
        flush_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = f"the disk is full ({len(data):,} bytes to write)" if full else f"cannot be written ({error.strerror})"
        raise CheckpointError(path, f"{reason}; nothing was lost") from error


def remove_leftovers(folder: Path, name: str) -> None:
    """Remove what killed writers of files named `name`... left in `folder`; only for a folder with one writer."""
    for leftover in folder.glob(f".{name}*{_TEMPORARY}"):
        leftover.unlink(missing_ok=True)


def _write_and_flush(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
