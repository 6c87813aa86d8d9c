"""The nearest name, and the question."""

from __future__ import annotations

from matchmaking.spelling import did_you_mean, nearest


def test_nearest_names() -> None:
    assert nearest("stat", ["start", "status"]) == "status", "the only one that begins so"
    assert nearest("strt", ["start", "status"]) == "start"
    assert nearest("leader", ["leaderboard", "lean"]) == "leaderboard"
    assert nearest("STRT", ["start", "status"]) == "start"
    assert nearest("zzz", ["start", "status"]) is None
    assert nearest("", ["start"]) is None
    assert nearest("BOT-A1", ["BOT-A", "other"]) == "BOT-A"
    assert nearest("My", ["MyBot", "other"]) == "MyBot"
    assert nearest("mybott", ["MyBot", "other"]) == "MyBot"


def test_the_question() -> None:
    assert did_you_mean("strt", ["start", "status"], "valid: start, status") == "did you mean 'start'?"
    assert did_you_mean("zzz", ["start", "status"], "valid: start, status") == "valid: start, status"
