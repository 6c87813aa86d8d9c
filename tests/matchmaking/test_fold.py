"""The rater's fold: exact wherever it is interrupted, once a result however many raters there are."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from matchmaking.fold import RatingFold
from matchmaking.ratings import update_ratings
from matchmaking.records import Forfeit, Kind, Pairing, Player, Rating
from matchmaking.server import EmbeddedServer
from matchmaking.store import Store
from tests.matchmaking.conftest import make_players


def play(store: Store, a: Player, b: Player, outcomes: str, name: str, forfeits: Sequence[Forfeit] = ()) -> None:
    """Put a result into the log, the way an evaluator does."""
    store.queue.enqueue([Pairing(id=name, a=a.id, b=b.id, pairs=len(outcomes) // 2, seed=1)])
    lease = store.queue.lease("w", 60)
    assert lease is not None
    store.queue.report(lease, outcomes, forfeits)


def _log(store: Store, players: list[Player], results: int = 7) -> None:
    start = store.queue.num_matches()
    for number in range(start, start + results):
        a, b = players[number % 3], players[(number + 1) % 3]
        play(store, a, b, ["wl", "wd", "ddww"][number % 3], f"m_{number}")


def test_ratings_are_those_of_the_log(store: Store) -> None:
    players = make_players(store, 3)
    _log(store, players)
    assert RatingFold(store).step() == 7
    expected: dict[str, Rating] = {}
    for result in store.queue.matches():
        expected |= update_ratings(expected, result, {player.id: Kind.FROZEN for player in players})
    state = store.ratings.state()
    assert state.ratings == expected
    assert state.position == 7


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_interruptions_change_no_bit(store: Store, server: EmbeddedServer, limit: int) -> None:
    players = make_players(store, 3)
    _log(store, players)
    while RatingFold(store).step(limit):  # a fresh rater after every commit
        pass
    pieces = store.ratings.state(), store.ratings.history()

    other = Store.create(server.url, store.info.name + "-whole", "connect_four")
    for player in players:
        other.register(player)
    _log(other, players)
    RatingFold(other).step()
    assert other.ratings.state() == pieces[0]
    assert [point.model_copy(update={"at": 0.0}) for point in other.ratings.history()] == [
        point.model_copy(update={"at": 0.0}) for point in pieces[1]
    ]
    other.close()


def test_two_raters_rate_each_result_once(store: Store) -> None:
    players = make_players(store, 3)
    first, second = RatingFold(store), RatingFold(store)
    assert first.step() == second.step() == 0
    _log(store, players)
    assert first.step(4) == 4
    assert second.step() == 0, "its state is stale: it has to read again"
    assert second.step() == 3
    assert first.step() == 0
    assert store.ratings.position() == 7
    assert sum(rating.games for rating in store.ratings.state().ratings.values()) == 2 * sum(
        len(result.outcomes) for result in store.queue.matches()
    )


def test_players_registered_later_are_rated(store: Store) -> None:
    players = make_players(store, 3)
    fold = RatingFold(store)
    _log(store, players, 1)
    assert fold.step() == 1
    newcomer = store.register(Player(id="new", name="new", kind=Kind.BOT))
    play(store, newcomer, players[0], "ww", "m_new")
    assert fold.step() == 1
    assert store.ratings.state().ratings["new"].wins == 2


def test_curves_have_a_point_for_each_change(store: Store) -> None:
    a, b, c = make_players(store, 3)
    play(store, a, b, "ww", "m_1")
    play(store, c, a, "ll", "m_2")
    RatingFold(store).step()
    history = store.ratings.history()
    assert [(point.position, point.player) for point in history] == [(1, a.id), (1, b.id), (2, c.id), (2, a.id)]
    final = store.ratings.state().ratings[a.id]
    assert (history[3].mu, history[3].sigma, history[3].elo) == (final.mu, final.sigma, final.elo)
    assert history[0].at <= history[2].at
    assert store.ratings.history(since=3) == history[3:]


def test_a_commit_onto_another_position_is_refused(store: Store) -> None:
    assert store.ratings.commit(0, 2, {"a": Rating(mu=30.0)})
    assert not store.ratings.commit(0, 3, {"a": Rating(mu=99.0)})
    assert store.ratings.state() == (2, {"a": Rating(mu=30.0)})
    awkward = Rating(mu=0.1 + 0.2, sigma=1 / 3, elo=1e3 / 7)
    assert not store.ratings.replace(4, {"b": awkward}, [])
    assert store.ratings.replace(2, {"b": awkward}, [])
    assert store.ratings.state() == (2, {"b": awkward})
