"""The nearest name, and the question."""

from __future__ import annotations

import time

from arenas.spelling import did_you_mean, nearest


def test_nearest_names() -> None:
    assert nearest("fuds", ["foods", "players"]) == "foods"
    assert nearest("BOT", ["Bot", "Deep"]) == "Bot", "as it is written"
    assert nearest("zzz", ["foods", "players"]) is None
    assert nearest("", []) is None
    assert nearest("po", ["foods", "POLES"]) == "POLES", "the only one that begins so"


def test_a_name_of_any_length_is_answered_at_once() -> None:
    started = time.process_time()
    assert nearest("f" * 10_000_000, ["foods"] * 50) is None
    assert time.process_time() - started < 1.0


def test_the_question() -> None:
    known = ["foods", "players"]
    assert did_you_mean("food", known, before="; ", after=" ") == "; did you mean foods? "
    assert did_you_mean("zzz", known, before="; ", after=" ") == ""
    assert did_you_mean("zzz", known, otherwise="there are two") == "there are two"
    assert did_you_mean("food", known, shown=lambda name: f"game:{name}") == "did you mean game:foods?"
