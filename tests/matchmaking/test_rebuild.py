"""Payoff and ratings are recomputed from the logs to the last bit, and damage is found and repaired."""

from __future__ import annotations

import random
from typing import Any

import pytest

from matchmaking.fold import RatingFold
from matchmaking.rebuild import rebuild
from matchmaking.records import Forfeit, Player, Rating
from matchmaking.server import EmbeddedServer, connect
from matchmaking.standings import standings
from matchmaking.store import Store
from tests.matchmaking.conftest import make_players
from tests.matchmaking.test_fold import play


def _history(store: Store) -> list[Player]:
    players = make_players(store, 5)
    rng = random.Random(3)
    for _ in range(30):
        store.report_rows(
            [
                (rng.randrange(5), rng.randrange(5), 0, rng.randrange(9), rng.randrange(3), rng.randrange(9))
                for _ in range(12)
            ]
        )
    for number in range(20):
        a, b = rng.sample(players, 2)
        outcomes = "".join(rng.choices("wdl", k=8))
        failed = [
            Forfeit(match=match, player=player.id, code="TIMEOUT")
            for match, letter in enumerate(outcomes)
            for player in {"w": [b], "l": [a], "d": [a, b]}[letter]
            if number % 4 == 0
        ]
        play(store, a, b, outcomes, f"m_{number}", failed)
        if number == 14:
            RatingFold(store).step()
    return players


def test_a_sound_run_is_exact(store: Store) -> None:
    _history(store)
    found = rebuild(store)
    assert found.exact
    assert not found.replaced
    assert (found.reports, found.pairs, found.matches, found.rated) == (30, 10, 15, 5)
    RatingFold(store).step()
    assert rebuild(store, replace=True).matches == 20


def test_an_empty_run_is_exact(store: Store) -> None:
    assert rebuild(store, replace=True).exact


def test_damage_is_found_and_repaired(store: Store, server: EmbeddedServer) -> None:
    players = _history(store)
    before = store.payoff_pairs(), store.ratings.state(), store.ratings.history()
    with connect(server.url) as client:
        client.hdel(store.session.key("payoff"), "1:3")
        client.hset(store.session.key("ratings"), players[2].id, Rating(mu=99.0).model_dump_json())
        client.hset(store.session.key("ratings"), "stranger", Rating().model_dump_json())
    found = rebuild(store)
    assert found.payoff_differences == ((players[1].id, players[3].id),)
    assert set(found.rating_differences) == {players[2].id, "stranger"}
    assert not found.replaced
    assert rebuild(store, replace=True).replaced
    assert (store.payoff_pairs(), store.ratings.state(), store.ratings.history()) == before
    assert rebuild(store).exact


def test_a_damaged_curve_is_found_and_repaired(store: Store, server: EmbeddedServer) -> None:
    _history(store)
    before = store.ratings.history()
    key = store.session.key("rating_history")
    with connect(server.url) as client:
        point = before[3].model_copy(update={"mu": before[3].mu + 1e-9})
        client.lset(key, 3, point.model_dump_json())
        client.rpop(key)
    assert set(rebuild(store).rating_differences) == {before[3].player, before[-1].player}
    assert rebuild(store, replace=True).replaced
    assert store.ratings.history() == before
    assert rebuild(store).exact


@pytest.mark.parametrize("piece", [1, 3, 7])
def test_no_command_carries_more_than_a_piece(store: Store, monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    """Redis takes about a million words: 524,288 results or pairs were too many for one command."""
    _history(store)
    RatingFold(store).step()
    before = store.payoff_pairs(), store.ratings.state(), store.ratings.history()
    for name in ("payoff", "ratings", "rating_history"):
        store.session._execute("DEL", store.session.key(name))
    words: list[int] = []
    execute = store.session._execute

    def counted(*line: Any) -> Any:
        words.append(len(line))
        return execute(*line)

    monkeypatch.setattr(store.session, "_execute", counted)
    assert rebuild(store, replace=True, piece=piece).replaced
    assert max(words) <= 2 * piece + 12  # a field and its value; the script, its keys and what it is told
    assert (store.payoff_pairs(), store.ratings.state(), store.ratings.history()) == before
    keys = [store.session.key(name) for name in ("payoff", "ratings", "rating_history")]
    assert [store.session._execute("TTL", key) for key in keys] == [-1, -1, -1], "it would be forgotten"
    assert list(store.session._client.scan_iter(store.session.key("aside:*"))) == []


def test_ratings_and_board_after_a_rebuild_from_nothing(store: Store, server: EmbeddedServer) -> None:
    """Everything derived is thrown away; the logs alone bring it back, forfeits included."""
    players = _history(store)
    RatingFold(store).step()
    before = store.payoff_pairs(), store.ratings.state(), store.ratings.history()
    board = standings(store.queue.log(), players, store.ratings.state().ratings)
    with connect(server.url) as client:
        client.delete(*(store.session.key(name) for name in ("payoff", "ratings", "rating_history")))
    found = rebuild(store, replace=True)
    assert found.replaced
    assert len(found.rating_differences) == 5
    assert (store.payoff_pairs(), store.ratings.state(), store.ratings.history()) == before
    again = standings(store.queue.log(), players, store.ratings.state().ratings)
    assert again.model_dump_json() == board.model_dump_json()
    assert sum(row.forfeit_rate or 0.0 for row in board.players) > 0.0


def test_a_log_that_grew_meanwhile_is_not_overwritten(store: Store) -> None:
    _history(store)
    pairs = store.payoff_pairs()
    assert not store.replace_payoff({}, store.episode_reports() - 1)
    assert store.payoff_pairs() == pairs


def test_the_log_is_read_whole_in_pieces_of_any_size(store: Store) -> None:
    _history(store)
    whole = store.queue.matches()
    assert len(whole) == 20
    for size in (1, 3, 20, 500):
        assert list(store.queue.log(size)) == whole
