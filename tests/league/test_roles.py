"""Freeze and reset rules of the roles."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from league.roles import (
    PAPER,
    PSEUDOCODE,
    FreezeDecision,
    FreezeReason,
    RolesConfig,
    RoleSettings,
    should_freeze,
    should_reset,
)
from matchmaking.population import Population
from matchmaking.records import Role
from tests.matchmaking.league_of import EXPLOITER, LEAGUE, MAIN, OTHER_MAIN, learner, set_rates, small_league

MIN, MAX = 2_000_000_000, 4_000_000_000


def beats(population: Population, id: str, rate: float, *others: str) -> None:
    set_rates(population, id, dict.fromkeys(others, rate))


@pytest.mark.parametrize(("id", "role"), [(MAIN, Role.MAIN_AGENT), (LEAGUE, Role.LEAGUE_EXPLOITER)])
def test_main_agents_and_league_exploiters_must_beat_everyone_frozen(id: str, role: Role) -> None:
    population = small_league()
    beats(population, id, 0.71, "main_exploiter-x", "league_exploiter-y")
    assert should_freeze(population, id, role, MIN - 1, PSEUDOCODE) is None
    decision = should_freeze(population, id, role, MIN, PSEUDOCODE)
    assert decision == FreezeDecision(FreezeReason.WIN_RATE, 0.71, MIN)
    beats(population, id, 0.71, "main_exploiter-x")  # 0.5 against the other
    assert should_freeze(population, id, role, MAX - 1, PSEUDOCODE) is None
    assert should_freeze(population, id, role, MAX, PSEUDOCODE) == FreezeDecision(FreezeReason.TIMEOUT, 0.5, MAX)


def test_exactly_070_is_not_above_070() -> None:
    population = small_league()
    set_rates(population, LEAGUE, {"main_exploiter-x": 0.7, "league_exploiter-y": 0.9})
    assert population.win_rate(LEAGUE, "main_exploiter-x") == 0.7
    assert should_freeze(population, LEAGUE, Role.LEAGUE_EXPLOITER, MIN, PSEUDOCODE) is None


def test_main_exploiters_must_beat_the_live_main_agents_only() -> None:
    population = small_league()
    beats(population, EXPLOITER, 0.8, MAIN)
    assert should_freeze(population, EXPLOITER, Role.MAIN_EXPLOITER, MIN, PSEUDOCODE) is None
    beats(population, EXPLOITER, 0.8, MAIN, OTHER_MAIN)
    decision = should_freeze(population, EXPLOITER, Role.MAIN_EXPLOITER, MIN, PSEUDOCODE)
    assert decision is not None
    assert decision.reason is FreezeReason.WIN_RATE


def test_an_empty_rate_set_freezes_by_timeout_only() -> None:
    population = Population([learner("main_agent", Role.MAIN_EXPLOITER)])
    population.host("main_agent")
    for role in Role:
        assert should_freeze(population, "main_agent", role, MIN, PSEUDOCODE) is None
        timeout = FreezeDecision(FreezeReason.TIMEOUT, None, MAX)
        assert should_freeze(population, "main_agent", role, MAX, PSEUDOCODE) == timeout


def test_a_lucky_first_game_does_not_freeze_an_exploiter_of_the_paper() -> None:
    population = small_league()
    for main_agent in (MAIN, OTHER_MAIN):
        population.record(EXPLOITER, main_agent, 1, 0, 0)
    assert should_freeze(population, EXPLOITER, Role.MAIN_EXPLOITER, 1000, PAPER) is None
    for main_agent in (MAIN, OTHER_MAIN):
        population.record(EXPLOITER, main_agent, 80, 0, 0)
    assert should_freeze(population, EXPLOITER, Role.MAIN_EXPLOITER, 1000, PAPER) is not None


@pytest.mark.parametrize(
    ("role", "id", "timeout"),
    [
        (Role.MAIN_AGENT, MAIN, 2_000_000_000),
        (Role.MAIN_EXPLOITER, EXPLOITER, 4_000_000_000),
        (Role.LEAGUE_EXPLOITER, LEAGUE, 2_000_000_000),
    ],
)
def test_timeouts_of_the_paper(role: Role, id: str, timeout: int) -> None:
    population = small_league()
    assert should_freeze(population, id, role, timeout - 1, PAPER) is None
    assert should_freeze(population, id, role, timeout, PAPER) is not None


def test_the_decision_changes_nothing() -> None:
    population = small_league()
    beats(population, MAIN, 0.9, "main_exploiter-x", "league_exploiter-y")
    before = {id: population.win_rates(id).tolist() for id in population.hosted}
    should_freeze(population, MAIN, Role.MAIN_AGENT, MAX, PSEUDOCODE)
    assert {id: population.win_rates(id).tolist() for id in population.hosted} == before
    assert len(population) == 6


@pytest.mark.parametrize("config", [PSEUDOCODE, PAPER], ids=["pseudocode", "paper"])
@pytest.mark.parametrize(
    ("role", "share"), [(Role.MAIN_AGENT, 0.0), (Role.MAIN_EXPLOITER, 1.0), (Role.LEAGUE_EXPLOITER, 0.25)]
)
def test_resets(role: Role, share: float, config: RolesConfig) -> None:
    rng = np.random.default_rng(0)
    found = sum(should_reset(role, rng, config) for _ in range(10_000)) / 10_000
    assert found == pytest.approx(share, abs=0.0 if share in (0.0, 1.0) else 0.02)


def test_a_partial_table_keeps_the_rest_of_its_role() -> None:
    steps = {"min_steps": 100, "max_steps": 200}
    config = RolesConfig.model_validate({"main_exploiter": steps, "league_exploiter": {"min_steps": 7}})
    published = PSEUDOCODE.main_exploiter
    assert config.main_exploiter == published.model_copy(update=steps)
    assert config.main_exploiter.reset_probability == 1.0
    assert config.league_exploiter == PSEUDOCODE.league_exploiter.model_copy(update={"min_steps": 7})
    assert config.main_agent == PSEUDOCODE.main_agent
    assert RolesConfig() == PSEUDOCODE
    paper = RolesConfig.model_validate({"preset": "paper", "main_exploiter": {"max_steps": 9}})
    assert paper.main_exploiter == PAPER.main_exploiter.model_copy(update={"max_steps": 9})
    assert paper.main_agent == PAPER.main_agent != PSEUDOCODE.main_agent
    assert RolesConfig.model_validate(paper.model_dump(mode="json")) == paper


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValidationError, match="min_steps 5 is above max_steps 4"):
        RoleSettings(min_steps=5, max_steps=4)
    with pytest.raises(ValidationError, match="win_rates"):
        RolesConfig.model_validate({"main_agent": {"min_steps": 1, "max_steps": 2, "win_rates": 0.5}})
    with pytest.raises(ValidationError, match="preset"):
        RolesConfig.model_validate({"preset": "papers"})
