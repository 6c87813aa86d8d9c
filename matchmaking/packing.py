"""Compressed files, unpacked within bounds: a small file can stand for more than any machine holds."""

from __future__ import annotations

import zlib

_GZIP = 31  # of zlib's `wbits`: a gzip header and trailer


def unpacked(content: bytes, most: int) -> bytes:
    """The content of a gzip file of one member.

    Args:
        content: of the file.
        most: bytes that it may unpack to.

    Raises:
        ValueError: it is none, is cut short, is followed by something, or unpacks to more.
    """
    stream = zlib.decompressobj(_GZIP)
    try:
        found = stream.decompress(content, most + 1)
    except zlib.error as error:
        raise ValueError(f"not a whole gzip file ({error})") from error
    if len(found) > most:
        raise ValueError(f"it unpacks to more than {most:,} bytes")
    if not stream.eof:
        raise ValueError("not a whole gzip file (it is cut short)")
    if stream.unused_data:
        raise ValueError("not a gzip file alone (something follows it)")
    return found
