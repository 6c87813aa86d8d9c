"""Compressed files within bounds."""

from __future__ import annotations

import gzip
import tracemalloc

import pytest

from matchmaking.packing import unpacked


def test_what_was_packed_comes_back() -> None:
    for content in (b"", b"x", b"a line\n" * 10_000):
        assert unpacked(gzip.compress(content), len(content)) == content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cut short"),
        (b"no gzip", "not a whole gzip file"),
        (gzip.compress(b"abc")[:-1], "cut short"),
        (gzip.compress(b"abc")[:-8] + b"\0" * 8, "not a whole gzip file"),
        (gzip.compress(b"abc") * 2, "something follows"),
        (gzip.compress(b"abcd"), "more than 3 bytes"),
    ],
)
def test_what_is_no_whole_file_is_said(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        unpacked(content, 3)


def test_a_bomb_takes_no_more_than_the_bound() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="more than 1,000 bytes"):
            unpacked(bomb, 1000)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
