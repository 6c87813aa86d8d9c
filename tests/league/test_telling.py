"""Errors as people see them."""

from __future__ import annotations

import pytest
import torch

from league.errors import InputError
from league.telling import LONGEST, out_of_memory, told


def test_what_a_message_quotes_is_text_and_no_order_to_a_terminal() -> None:
    assert told(InputError("no \x1b[2J, no \ud800 and no \u202e\nbut lines")) == (
        "no \\x1b[2J, no \\ud800 and no \\u202e\nbut lines",
        2,
    )
    assert told(FileNotFoundError(2, "No such file", "a\udcffb")) == ("a\\udcffb: No such file", 1)


def test_a_message_has_an_end() -> None:
    assert len(told(InputError("x" * 100_000))[0]) == LONGEST


@pytest.mark.parametrize("size", [(2**50,), (2**62, 2**62)])
def test_memory_that_there_is_not_is_told_in_one_line(size: tuple[int, ...]) -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.zeros(size)
    message, code = told(caught.value)
    assert message.startswith("not enough memory, take fewer or smaller (environments, episodes")
    assert "\n" not in message
    assert code == 1
    assert not out_of_memory(RuntimeError("another fault"))
