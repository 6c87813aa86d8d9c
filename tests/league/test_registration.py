"""The players that a run has from its start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from league.config import PlayersConfig
from league.errors import InputError
from league.registration import learner_names, register_players
from matchmaking.records import Kind, Role
from matchmaking.server import EmbeddedServer
from matchmaking.store import Store

PLAYERS = PlayersConfig(main_agent=2, main_exploiter=0, league_exploiter=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    server = EmbeddedServer(tmp_path / "redis")
    server.start()
    store = Store.create(server.url, "run", "connect_four")
    yield store
    store.close()
    server.stop()


def test_learners_are_named_by_role_main_agents_first() -> None:
    assert learner_names(PLAYERS) == [
        (Role.MAIN_AGENT, "main_agent-1"),
        (Role.MAIN_AGENT, "main_agent-2"),
        (Role.LEAGUE_EXPLOITER, "league_exploiter-1"),
    ]


def test_a_run_gets_its_players_once(store: Store) -> None:
    register_players(store, PLAYERS, ["random", "alpha_beta:2"], "connect_four")
    first = store.players()
    register_players(store, PLAYERS, ["random", "alpha_beta:2", "alpha_beta:4"], "connect_four")
    assert store.players()[: len(first)] == first
    assert [(player.name, player.kind) for player in store.players()[3:]] == [
        ("random", Kind.SCRIPTED),
        ("alpha_beta:2", Kind.SCRIPTED),
        ("alpha_beta:4", Kind.SCRIPTED),
    ]


def test_an_anchor_that_nobody_knows_is_refused_before_anything_is_written(store: Store) -> None:
    with pytest.raises(InputError, match=r"no scripted player .alphabeta:2.; .*alpha_beta:DEPTH"):
        register_players(store, PLAYERS, ["alphabeta:2"], "connect_four")
    assert store.players() == []
