"""Players that cannot play rated matches."""

from __future__ import annotations

from league.flags import clear_flags, flag_unplayable, unplayable
from matchmaking.records import Kind, Player, new_id
from matchmaking.service import Matchmaker
from matchmaking.store import Store


def test_a_flagged_player_gets_another_chance(matchmaker: Matchmaker) -> None:
    store = Store.create(matchmaker.store.session.url, "flags", "connect_four")
    players = [store.register(Player(id=new_id("p"), name=name, kind=Kind.SCRIPTED)) for name in ("a", "b")]
    store.set_fact("trained_seconds", "5.0")
    flag_unplayable(store, players[0], "its checkpoint is damaged")
    assert unplayable(store) == {players[0].id: "its checkpoint is damaged"}
    clear_flags(store)
    assert unplayable(store) == {}
    assert store.facts["trained_seconds"] == "5.0"
    flag_unplayable(store, players[0], "it still is")
    assert unplayable(store) == {players[0].id: "it still is"}
    store.close()
