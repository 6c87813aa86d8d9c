"""TOML in: whatever a text is, it is a table or one error."""

from __future__ import annotations

import pytest

from agents.toml import DEEPEST, TOMLError, loads


def test_a_table_is_read_from_text_and_from_bytes() -> None:
    assert loads('a = 1\n[b]\nc = ["é"]') == loads('a = 1\n[b]\nc = ["é"]'.encode()) == {"a": 1, "b": {"c": ["é"]}}
    assert loads(f"least = {-(2**63)}\nmost = {2**63 - 1}") == {"least": -(2**63), "most": 2**63 - 1}
    assert loads("a = " + "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = ", "Invalid value .at end of document."),
        (b"a = '\xff'", "byte 5 is not UTF-8"),
        (f"a = {2**63}", "an integer has more than 64 bits"),
        (f"a = [{{b = {-(2**63) - 1}}}]", "an integer has more than 64 bits"),
        ("a = " + "9" * 5000, "an integer has more than 64 bits"),
        ("a = " + "[" * DEEPEST + "]" * DEEPEST, "nested too deep"),
        ("a = " + "[" * 5000 + "]" * 5000, "nested too deep"),
        ("a = " + "{b = " * 5000 + "1" + "}" * 5000, "nested too deep"),
    ],
)
def test_whatever_is_wrong_is_one_error(text: str | bytes, message: str) -> None:
    with pytest.raises(TOMLError, match=f"^{message}"):
        loads(text)
