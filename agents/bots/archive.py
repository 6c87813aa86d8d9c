"""Unpacking archives of strangers: zip and tar.gz, regular files only, within bounds held before and while unpacking.

An archive's headers are its author's word: they are checked first, and then not believed. No memory or disk is taken
in proportion to what a header says.
"""

from __future__ import annotations

import errno
import gzip
import io
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import IO, BinaryIO, cast

from agents.bots.manifest import BotRejectedError, printable
from agents.bots.staging import IGNORED, Bounds, Staging, escape, too_large

ZIP_END, ZIP64_LOCATOR = b"PK\x05\x06", b"PK\x06\x07"
ZIP_END_SIZE, ZIP64_LOCATOR_SIZE, ZIP_COMMENT = 22, 20, 65_536
HEADER_BYTES = 1024  # of an archive's own for each file: far more than names of allowed length need


def unpack(archive: Path, staging: Staging) -> None:
    """Copy the files of a zip or tar.gz; which of the two it is, its content says.

    Raises:
        BotRejectedError: the archive is too large, damaged, neither, or holds what a bot may not have.
    """
    size = archive.stat().st_size
    if size > staging.bounds.size:
        raise too_large(size, staging.bounds, "the archive")
    with archive.open("rb") as file:
        magic = file.read(2)
        file.seek(0)
        if magic == b"PK":
            _unpack_zip(file, staging)
        elif magic == b"\x1f\x8b":
            _unpack_tar(file, staging)
        else:
            raise BotRejectedError(f"{printable(archive.name)} is neither a zip nor a tar.gz file")


def _part(path: str) -> bool:
    """Whether a member is part of the bot."""
    return not IGNORED.intersection(path.split("/"))


def _unpack_zip(file: BinaryIO, staging: Staging) -> None:
    _check_directory(file, staging.bounds)
    try:
        with zipfile.ZipFile(file) as archive:
            members = [member for member in archive.infolist() if _part(member.orig_filename)]
            for member in members:
                _check_member(member)
            if sum(member.file_size for member in members) > staging.bounds.size:
                raise too_large(sum(member.file_size for member in members), staging.bounds)
            for member in members:
                # Not `filename`: that one is cut at a NUL byte.
                if member.orig_filename.endswith("/"):
                    staging.add_folder(member.orig_filename[:-1])
                    continue
                staging.check(member.orig_filename, member.file_size)
                with archive.open(member) as content:
                    executable = bool(member.external_attr >> 16 & stat.S_IXUSR)
                    staging.add(member.orig_filename, cast(BinaryIO, content), member.file_size, executable)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError, ValueError) as error:
        raise BotRejectedError(f"the zip file is damaged ({' '.join(str(error).split())[:200]})") from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # else a member lies before the beginning of the file
            raise
        raise BotRejectedError("the zip file is damaged (it says that a member lies outside of it)") from error


def _check_directory(file: BinaryIO, bounds: Bounds) -> None:
    """Make sure that the list of members fits into memory before `zipfile` reads the whole of it."""
    size = file.seek(0, io.SEEK_END)
    tail_size = min(size, ZIP_END_SIZE + ZIP64_LOCATOR_SIZE + ZIP_COMMENT)
    file.seek(size - tail_size)
    tail = file.read(tail_size)
    file.seek(0)
    if ZIP64_LOCATOR in tail:
        raise BotRejectedError("the zip file has the form for more than 4 GiB; a bot's is far smaller")
    end = tail.rfind(ZIP_END)
    directory = int.from_bytes(tail[end + 12 : end + 16], "little") if end >= 0 else 0
    if directory > bounds.files * HEADER_BYTES:
        raise BotRejectedError(f"the zip file lists more than {bounds.files:,} files")


def _check_member(member: zipfile.ZipInfo) -> None:
    mode, shown = member.external_attr >> 16, printable(member.orig_filename)
    if stat.S_ISLNK(mode):
        raise escape(f"{shown} in the zip file is a symbolic link: a bot has regular files only")
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise escape(f"{shown} in the zip file is a special file: a bot has regular files only")
    if member.flag_bits & 1:
        raise BotRejectedError(f"{shown} in the zip file is encrypted")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BotRejectedError(f"{shown} in the zip file is packed in an unusual way: use stored or deflate")


class Metered(io.RawIOBase):
    """What comes out of a stream, up to a budget: a header that announces 100 GB ends here."""

    def __init__(self, stream: gzip.GzipFile, bounds: Bounds) -> None:
        super().__init__()
        self._stream, self._bounds = stream, bounds
        self._left = bounds.size + bounds.files * HEADER_BYTES + 1024**2

    def allow(self, more: int) -> None:
        """Let so many bytes more come out: what they are is known by now."""
        self._left += more

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > self._left:
            size = self._left + 1
        data = self._stream.read(min(size, 1024**2))
        self._left -= len(data)
        if self._left < 0:
            raise too_large(self._bounds.size, self._bounds)
        return data


def _unpack_tar(file: BinaryIO, staging: Staging) -> None:
    try:
        with gzip.GzipFile(fileobj=file) as unzipped:
            metered = cast(IO[bytes], Metered(unzipped, staging.bounds))
            with tarfile.open(fileobj=metered, mode="r|", errorlevel=2) as archive:
                for member in archive:
                    if _part(member.name):
                        _unpack_member(archive, member, staging)
                    if member.size > staging.bounds.size:  # of no part of a bot, and tarfile would go through all of
                        raise too_large(member.size, staging.bounds)  # it block by block, whether it is there or not
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError) as error:
        raise BotRejectedError(f"the tar.gz file is damaged ({' '.join(str(error).split())[:200]})") from error


def _unpack_member(archive: tarfile.TarFile, member: tarfile.TarInfo, staging: Staging) -> None:
    path, shown = member.name.removeprefix("./"), printable(member.name)
    if member.isdir():
        if path not in ("", "."):
            staging.add_folder(path.rstrip("/"))
        return
    if member.issym() or member.islnk():
        kind = "symbolic" if member.issym() else "hard"
        raise escape(f"{shown} in the tar.gz file is a {kind} link: a bot has regular files only")
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
        raise escape(f"{shown} in the tar.gz file is a special file: a bot has regular files only")
    staging.check(path, member.size)
    content = archive.extractfile(member)
    assert content is not None
    with content:
        staging.add(path, cast(BinaryIO, content), member.size, bool(member.mode & stat.S_IXUSR))
