"""Errors as people see them."""

from __future__ import annotations

from league.errors import InputError
from league.telling import LONGEST, told


def test_what_a_message_quotes_is_text_and_no_order_to_a_terminal() -> None:
    assert told(InputError("no \x1b[2J, no \ud800 and no \u202e\nbut lines")) == (
        "no \\x1b[2J, no \\ud800 and no \\u202e\nbut lines",
        2,
    )
    assert told(FileNotFoundError(2, "No such file", "a\udcffb")) == ("a\\udcffb: No such file", 1)


def test_a_message_has_an_end() -> None:
    assert len(told(InputError("x" * 100_000))[0]) == LONGEST
