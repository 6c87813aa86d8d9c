"""The players that a run has from its start."""

from __future__ import annotations

import pytest

from league.config import EvaluationConfig, LeagueConfig, PlayersConfig
from league.errors import InputError
from league.registration import register_players
from matchmaking.records import Kind, Role
from matchmaking.store import Store


def asking(*anchors: str) -> LeagueConfig:
    players = PlayersConfig(main_agent=2, main_exploiter=0, league_exploiter=1)
    return LeagueConfig(players=players, evaluation=EvaluationConfig(anchors=anchors))


def test_learners_are_named_by_role_main_agents_first() -> None:
    assert list(asking().learners_by_name().items()) == [
        ("main_agent-1", Role.MAIN_AGENT),
        ("main_agent-2", Role.MAIN_AGENT),
        ("league_exploiter-1", Role.LEAGUE_EXPLOITER),
    ]


def test_a_run_gets_its_players_once(store: Store) -> None:
    register_players(store, asking("random", "alpha_beta:2"))
    first = store.players()
    register_players(store, asking("random", "alpha_beta:2", "alpha_beta:4"))
    assert store.players()[: len(first)] == first
    assert [(player.name, player.kind) for player in store.players()[3:]] == [
        ("random", Kind.SCRIPTED),
        ("alpha_beta:2", Kind.SCRIPTED),
        ("alpha_beta:4", Kind.SCRIPTED),
    ]


def test_an_anchor_that_nobody_knows_is_refused_before_anything_is_written(store: Store) -> None:
    with pytest.raises(InputError, match=r"no scripted player .alphabeta:2.; .*alpha_beta:DEPTH"):
        register_players(store, asking("alphabeta:2"))
    assert store.players() == []
