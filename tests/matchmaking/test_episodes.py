"""The payoff in Redis: AlphaStar's decayed counters, both directions, exact to the last bit, self-play left out."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matchmaking.errors import UnknownPlayerError
from matchmaking.payoff import add
from matchmaking.rebuild import rebuild
from matchmaking.records import Counters, EpisodeCount, Player
from matchmaking.server import EmbeddedServer
from matchmaking.store import Store
from tests.matchmaking.conftest import make_players


def _count(player: Player, opponent: Player, wins: int = 0, draws: int = 0, losses: int = 0) -> EpisodeCount:
    return EpisodeCount(player=player.id, opponent=opponent.id, seat=0, wins=wins, draws=draws, losses=losses)


def _mirror(counters: Counters) -> Counters:
    return counters.model_copy(update={"wins": counters.losses, "losses": counters.wins})


def test_one_episode_is_the_published_rule(store: Store) -> None:
    a, b = make_players(store, 2)
    store.report_episodes([_count(a, b, wins=1)])
    store.report_episodes([_count(a, b, losses=1)])
    store.report_episodes([_count(a, b, draws=1)])
    assert store.payoff_row(a.id) == {
        b.id: Counters(games=(1.0 * 0.99 + 1) * 0.99 + 1, wins=1.0 * 0.99 * 0.99, draws=1.0, losses=1.0 * 0.99)
    }


def test_both_directions_are_updated_whoever_reports(store: Store) -> None:
    a, b = make_players(store, 2)
    store.report_episodes([_count(a, b, wins=3, draws=1, losses=2)])
    store.report_episodes([_count(b, a, wins=5)])
    mine, theirs = store.payoff_row(a.id)[b.id], store.payoff_row(b.id)[a.id]
    assert mine == _mirror(theirs)
    assert mine == add(add(Counters(), 3, 1, 2), 0, 0, 5)
    assert theirs.win_rate > 0.5


def test_self_play_is_logged_and_never_in_the_payoff(store: Store) -> None:
    """Regression (DI-engine): self-play recorded as draws."""
    a, b = make_players(store, 2)
    store.report_episodes([_count(a, a, wins=5, draws=2, losses=5), _count(a, b, wins=1)])
    assert store.payoff_row(a.id) == {b.id: Counters(games=1.0, wins=1.0)}
    assert store.payoff_pairs().keys() == {(0, 1)}
    assert store.episode_rows(0, 10) == [[(0, 0, 0, 5, 2, 5), (0, 1, 0, 1, 0, 0)]]


def test_rows_of_one_pair_in_one_report_are_folded_in_their_order(store: Store) -> None:
    a, b = make_players(store, 2)
    store.report_episodes([_count(a, b, wins=10), _count(b, a, wins=10), _count(a, b, draws=3)])
    expected = add(add(add(Counters(), 10, 0, 0), 0, 0, 10), 0, 3, 0)
    assert store.payoff_row(a.id)[b.id] == expected


def test_a_row_without_games_changes_nothing(store: Store) -> None:
    a, b, c = make_players(store, 3)
    store.report_episodes([_count(a, b, wins=2)])
    store.report_episodes([_count(a, b)])
    assert store.payoff_row(a.id)[b.id] == add(Counters(), 2, 0, 0)
    assert store.report_episodes([])
    store.report_episodes([_count(a, c)])
    assert store.payoff_pairs().keys() == {(0, 1)}, "nor does it make two players have met"
    assert rebuild(store).exact


def test_a_report_with_an_unknown_player_counts_nothing(store: Store) -> None:
    a, b = make_players(store, 2)
    stranger = Player(id="nobody", name="nobody", kind=a.kind)
    with pytest.raises(UnknownPlayerError, match="no player 'nobody'"):
        store.report_episodes([_count(a, b, wins=1), _count(a, stranger, wins=1)])
    with pytest.raises(UnknownPlayerError, match="index that no player"):
        store.report_rows([(0, 1, 0, 1, 0, 0), (0, 2, 0, 1, 0, 0)])
    assert store.payoff_row(a.id) == {}
    assert store.episode_reports() == 0


def test_a_report_larger_than_luas_stack(store: Store) -> None:
    players = make_players(store, 120)
    rows = [(i, j, 0, 1 + i % 3, j % 2, 2) for i in range(120) for j in range(i)]
    assert len(rows) > 7000
    store.report_rows(rows)
    assert len(store.payoff_pairs()) == len(rows)
    assert store.payoff_row(players[119].id)[players[0].id] == add(Counters(), 1 + 119 % 3, 0, 2)
    assert store.payoff_row(players[0].id)[players[119].id] == _mirror(add(Counters(), 1 + 119 % 3, 0, 2))


def test_players_that_never_met_are_not_in_the_row(store: Store) -> None:
    a, b, c = make_players(store, 3)
    store.report_episodes([_count(a, c, draws=1)])
    assert store.payoff_row(a.id).keys() == {c.id}
    assert store.payoff_row(b.id) == {}


batches = st.lists(st.tuples(st.booleans(), *[st.integers(0, 400)] * 3), min_size=1, max_size=12)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=batches, decay=st.one_of(st.just(1.0), st.floats(0.5, 1.0)))
def test_lua_and_python_agree_to_the_last_bit(
    server: EmbeddedServer, history: list[tuple[bool, int, int, int]], decay: float
) -> None:
    from secrets import token_hex

    store = Store.create(server.url, f"bits-{token_hex(6)}", "connect_four", decay=decay)
    a, b = make_players(store, 2)
    expected = Counters()
    for swapped, wins, draws, losses in history:
        if swapped:
            store.report_episodes([_count(b, a, losses, draws, wins)])
        else:
            store.report_episodes([_count(a, b, wins, draws, losses)])
        expected = add(expected, wins, draws, losses, decay)
    assert store.info.decay == decay
    assert store.payoff_row(a.id).get(b.id, Counters()) == expected
    store.close()
