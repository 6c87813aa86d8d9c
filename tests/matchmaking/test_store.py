"""Runs, players and facts: created once, registered once, read incrementally; a foreign schema is left as it was."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from matchmaking.errors import NameTakenError, SchemaMismatchError, UnknownPlayerError, UnknownRunError
from matchmaking.records import SCHEMA, Kind, Player, Role
from matchmaking.server import EmbeddedServer, connect
from matchmaking.store import Store
from tests.matchmaking.conftest import make_players


def _dump(server: EmbeddedServer, run: str) -> dict[bytes, bytes]:
    with connect(server.url) as client:
        return {key: client.dump(key) for key in client.keys(f"league:{{{run}}}:*")}


def test_a_run_is_created_once_and_opened_again(store: Store, server: EmbeddedServer) -> None:
    info = store.info
    assert (info.schema_version, info.arena, info.decay) == (SCHEMA, "connect_four", 0.99)
    assert abs(info.created - store.session.now()) < 60
    assert Store.open(server.url, info.name).info == info
    assert Store.create(server.url, info.name, "connect_four", decay=0.5).info == info


def test_all_keys_carry_the_run(store: Store, server: EmbeddedServer) -> None:
    make_players(store, 1)
    with connect(server.url) as client:
        ours = [key for key in client.keys("*") if store.info.name.encode() in key]
    assert len(ours) == 4
    assert all(key.startswith(f"league:{{{store.info.name}}}:".encode()) for key in ours)


def test_two_runs_of_one_server_do_not_see_each_other(store: Store, server: EmbeddedServer) -> None:
    other = Store.create(server.url, store.info.name + "-2", "kuhn_poker")
    make_players(store, 2)
    assert other.players() == []
    other.close()


@pytest.mark.parametrize("decay", [0.0, -0.5, 1.5])
def test_a_decay_that_is_none_is_refused(server: EmbeddedServer, run_name: str, decay: float) -> None:
    with pytest.raises(ValueError, match="decay must be above 0 and at most 1"):
        Store.create(server.url, run_name, "connect_four", decay=decay)
    assert _dump(server, run_name) == {}


@pytest.mark.parametrize("opening", [Store.open, partial(Store.create, arena="connect_four")])
def test_another_schema_is_refused_and_nothing_is_damaged(
    store: Store, server: EmbeddedServer, opening: Callable[[str, str], Store]
) -> None:
    make_players(store, 2)
    with connect(server.url) as client:
        client.hset(store.session.key("run"), "schema", SCHEMA + 1)
    before = _dump(server, store.info.name)
    with pytest.raises(
        SchemaMismatchError, match=f"has schema {SCHEMA + 1} and this program writes schema {SCHEMA}"
    ) as caught:
        opening(server.url, store.info.name)
    assert caught.value.exit_code == 4
    assert _dump(server, store.info.name) == before


def test_another_arena_is_refused(store: Store, server: EmbeddedServer) -> None:
    before = _dump(server, store.info.name)
    with pytest.raises(SchemaMismatchError, match="plays connect_four, not kuhn_poker"):
        Store.create(server.url, store.info.name, "kuhn_poker")
    assert _dump(server, store.info.name) == before


def test_a_run_that_does_not_exist(server: EmbeddedServer) -> None:
    with pytest.raises(UnknownRunError, match="no run 'nothing'") as caught:
        Store.open(server.url, "nothing")
    assert caught.value.exit_code == 4
    assert _dump(server, "nothing") == {}


def test_players_come_in_the_order_of_registration_and_incrementally(store: Store, server: EmbeddedServer) -> None:
    reader = Store.open(server.url, store.info.name)
    players = make_players(store, 3)
    assert reader.players() == players
    more = store.register(Player(id="zero", name="z", kind=Kind.LEARNER, role=Role.MAIN_AGENT, steps=7))
    assert reader.players(since=3) == [more]
    assert reader.players(since=4) == []
    assert [reader.index(player.id) for player in [*players, more]] == [0, 1, 2, 3]
    reader.close()


def test_registering_again_changes_nothing(store: Store) -> None:
    player = Player(id="p", name="main_agent-1", kind=Kind.LEARNER, role=Role.MAIN_AGENT)
    stored = store.register(player)
    assert stored.created > 1.7e9
    assert store.register(player) == stored
    assert store.register(stored) == stored
    assert store.players() == [stored]


def test_a_name_belongs_to_one_player(store: Store) -> None:
    store.register(Player(id="first", name="taken", kind=Kind.BOT))
    with pytest.raises(NameTakenError, match="'taken' belongs to player first"):
        store.register(Player(id="second", name="taken", kind=Kind.BOT))
    assert [player.id for player in store.players()] == ["first"]


def test_an_id_belongs_to_one_record(store: Store) -> None:
    store.register(Player(id="p", name="name", kind=Kind.BOT))
    with pytest.raises(NameTakenError, match="p is registered already, with other fields, as 'name'"):
        store.register(Player(id="p", name="name", kind=Kind.FROZEN))
    with pytest.raises(NameTakenError, match="registered already"):
        store.register(Player(id="p", name="other", kind=Kind.BOT))
    assert store.players()[0].kind is Kind.BOT


def test_an_unknown_player_is_named_with_the_nearest(store: Store) -> None:
    store.register(Player(id="p_abcdef", name="name", kind=Kind.BOT))
    with pytest.raises(UnknownPlayerError, match=r"no player 'p_abcdff' .* did you mean 'p_abcdef'"):
        store.index("p_abcdff")
    with pytest.raises(UnknownPlayerError, match="no player"):
        store.payoff_row("completely else")


def test_facts_are_set_replaced_or_kept(store: Store) -> None:
    assert store.facts == {}
    assert store.set_fact("deadline", "10.5", keep=True) == "10.5"
    assert store.set_fact("deadline", "11.5", keep=True) == "10.5"
    assert store.set_fact("deadline", "12.5") == "12.5"
    store.set_fact("state", "Über")
    assert store.facts == {"deadline": "12.5", "state": "Über"}
