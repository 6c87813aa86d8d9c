"""Frames, lines, and text of somebody else's."""

from __future__ import annotations

import json

import numpy as np
import pytest

from agents.bots.protocol import (
    ACT_FRAME,
    HEADER,
    JSON_FRAME,
    ReplyError,
    act_frame,
    json_frame,
    parse,
    printable,
    shown,
)


def test_a_move_s_frame_is_header_observation_and_mask_aligned_for_float32() -> None:
    observation, mask = np.arange(6, dtype=np.float32), np.array([True, False, True])
    frame = act_frame(7, observation.tobytes(), mask.tobytes(), 1.5, 10.0)
    assert HEADER.unpack_from(frame) == (len(frame), ACT_FRAME, 7, 0, 1.5, 10.0)
    assert HEADER.size % 8 == 0
    assert np.frombuffer(frame, np.float32, 6, HEADER.size).tolist() == observation.tolist()
    assert np.frombuffer(frame, np.bool_, 3, HEADER.size + 24).tolist() == mask.tolist()


def test_other_requests_are_frames_with_json() -> None:
    frame = json_frame({"type": "reset", "id": 3})
    assert HEADER.unpack_from(frame)[:2] == (len(frame), JSON_FRAME)
    assert json.loads(frame[HEADER.size :]) == {"type": "reset", "id": 3}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "not JSON: an empty line"),
        (b"4", "no object: 4"),
        (b"[1, 2]", "no object"),
        (b'{"id": 1', "not JSON"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b"[" * 60_000, "nested too deep"),
        (b'{"id": ' + b"9" * 5000 + b"}", "not JSON"),
        (b'\x1b[31m{"id": 1}', r"not JSON: \x1b[31m"),
    ],
)
def test_what_is_no_object_is_told_apart_and_shown_harmlessly(line: bytes, reason: str) -> None:
    with pytest.raises(ReplyError) as caught:
        parse(line)
    assert reason in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


def test_a_line_may_end_as_on_another_system() -> None:
    assert parse(b'{"id": 1, "action": 3}\r') == {"id": 1, "action": 3}


def test_printable_leaves_nothing_that_a_terminal_obeys() -> None:
    hostile = "a\x1b[2J\x00\x07\r\nb\u202ecc\u2028d\ud800e\x85f\u200bg"
    text = printable(hostile, 1000)
    assert text.isprintable()
    text.encode()
    assert text == r"a\x1b[2J\x00\x07\r\nb\u202ecc\u2028d\ud800e\x85f\u200bg"
    assert printable("a\n\tb\r", 10, lines=True) == "a\n\tb\\r"
    assert printable("grüße, 世界", 20) == "grüße, 世界"


def test_printable_is_bounded() -> None:
    assert printable("x" * 100, 10) == "x" * 9 + "…"
    assert printable("x" * 100 + "end", 4, end=True) == "…end"
    assert len(printable("\x00" * 1000, 10)) <= 40
    assert printable({"a": ["\x1b"]}, 50) == r'{"a": ["\u001b"]}'
    assert printable(None, 10) == "null"
    assert shown(b"\x80abc\n") == r"\x80abc"
