"""When a learner's weights are frozen into a new player, and when it then starts again from its initial weights.

Source: Vinyals et al., Nature 575, 2019, supplementary pseudocode (`ready_to_checkpoint`, `checkpoint`): never before
`min_steps` since the last freeze; then when the lowest win rate in the role's rate set is above 0.7, or after
`max_steps`. Freeze first, then reset: the published code has the two the wrong way round, so that its exploiters would
freeze their initial weights.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from matchmaking.population import Indices, Population
from matchmaking.records import Role


class RateSet(StrEnum):
    """Whom a learner has to beat."""

    FROZEN = "frozen"  # every frozen player of the league
    MAIN_AGENTS = "main_agents"  # the live main agents, other than itself


class FreezeReason(StrEnum):
    """Why a learner is frozen."""

    WIN_RATE = "win_rate"
    TIMEOUT = "timeout"


class RoleSettings(BaseModel):
    """Freeze and reset rule of one role.

    Attributes:
        min_steps: learner samples since the last freeze before which nothing is frozen.
        max_steps: learner samples since the last freeze at which it is frozen in any case.
        win_rate: what the lowest win rate in the rate set must be above; 1 leaves the timeout alone.
        rate_set: whom the win rate is taken against.
        min_games: decayed games against each of them before a win rate counts (0 in AlphaStar, whose two billion steps
            see to it). With the payoff's decay of 0.99 it cannot come above 100.
        reset_probability: chance of a reset to the initial weights after freezing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    min_steps: int = Field(ge=0)
    max_steps: int = Field(gt=0)
    win_rate: float = Field(default=0.7, ge=0, le=1)
    rate_set: RateSet = RateSet.FROZEN
    min_games: float = Field(default=0.0, ge=0)
    reset_probability: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_steps > self.max_steps:
            raise ValueError(f"min_steps {self.min_steps} is above max_steps {self.max_steps}")
        return self


_PSEUDOCODE = {
    "main_agent": RoleSettings(min_steps=2_000_000_000, max_steps=4_000_000_000),
    "main_exploiter": RoleSettings(
        min_steps=2_000_000_000, max_steps=4_000_000_000, rate_set=RateSet.MAIN_AGENTS, reset_probability=1.0
    ),
    "league_exploiter": RoleSettings(min_steps=2_000_000_000, max_steps=4_000_000_000, reset_probability=0.25),
    "team": RoleSettings(min_steps=2_000_000_000, max_steps=4_000_000_000),
}
_PAPER = {
    "main_agent": RoleSettings(min_steps=2_000_000_000, max_steps=2_000_000_000),
    "main_exploiter": RoleSettings(
        min_steps=0, max_steps=4_000_000_000, rate_set=RateSet.MAIN_AGENTS, min_games=50.0, reset_probability=1.0
    ),
    "league_exploiter": RoleSettings(min_steps=0, max_steps=2_000_000_000, min_games=50.0, reset_probability=0.25),
    "team": RoleSettings(min_steps=2_000_000_000, max_steps=2_000_000_000),
}


class RolesPreset(StrEnum):
    """Published rules that the settings of the roles are completed from."""

    PSEUDOCODE = "pseudocode"
    PAPER = "paper"


class RolesConfig(BaseModel):
    """The rules of all roles.

    A role's table may be partial, and a role may be missing: the rest comes from the preset, role by role, so that
    other thresholds for main exploiters do not take their rate set or their reset away.

    Attributes:
        preset: `pseudocode`, the supplementary pseudocode; or `paper`, the text: main agents freeze every 2e9 steps,
            main exploiters time out at 4e9 and league exploiters at 2e9. The text names no least number of steps for
            exploiters, so that a few lucky games could freeze one: there we ask for 50 decayed games against each.
        main_agent: rule of main agents.
        main_exploiter: rule of main exploiters.
        league_exploiter: rule of league exploiters.
        team: rule of teams, as that of main agents.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    preset: RolesPreset = RolesPreset.PSEUDOCODE
    main_agent: RoleSettings = _PSEUDOCODE["main_agent"]
    main_exploiter: RoleSettings = _PSEUDOCODE["main_exploiter"]
    league_exploiter: RoleSettings = _PSEUDOCODE["league_exploiter"]
    team: RoleSettings = _PSEUDOCODE["team"]

    @model_validator(mode="before")
    @classmethod
    def _completed(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        completed = dict(data)
        base = _PAPER if data.get("preset") == RolesPreset.PAPER else _PSEUDOCODE
        for role, published in base.items():
            given = data.get(role, {})
            if isinstance(given, dict):
                completed[role] = published.model_dump() | given
        return completed

    def of(self, role: Role) -> RoleSettings:
        """The rule of a role."""
        settings: RoleSettings = getattr(self, role.value)
        return settings


PSEUDOCODE = RolesConfig(preset=RolesPreset.PSEUDOCODE)
PAPER = RolesConfig(preset=RolesPreset.PAPER)


class FreezeDecision(NamedTuple):
    """A learner is to be frozen.

    Attributes:
        reason: its win rates, or the timeout.
        lowest: the lowest win rate in the rate set; None where the set is empty.
        steps: learner samples since the last freeze.
    """

    reason: FreezeReason
    lowest: float | None
    steps: int


def should_freeze(
    population: Population, learner: str, role: Role, steps_since_freeze: int, config: RolesConfig
) -> FreezeDecision | None:
    """Whether a hosted learner is to be frozen now; nothing is changed.

    Args:
        population: the league, with the learner's payoff row.
        learner: id of a hosted learner.
        role: its role.
        steps_since_freeze: learner samples since its last freeze, or since the start.
        config: the rules of all roles.

    Returns:
        The decision, or None. An empty rate set is beaten by nobody: then only the timeout freezes.
    """
    rule = config.of(role)
    if steps_since_freeze < rule.min_steps:
        return None
    rated = _rate_set(population, learner, rule.rate_set)
    lowest = float(population.win_rates(learner, rated).min()) if len(rated) else None
    if lowest is not None and lowest > rule.win_rate and population.games(learner, rated).min() >= rule.min_games:
        return FreezeDecision(FreezeReason.WIN_RATE, lowest, steps_since_freeze)
    if steps_since_freeze >= rule.max_steps:
        return FreezeDecision(FreezeReason.TIMEOUT, lowest, steps_since_freeze)
    return None


def should_reset(role: Role, rng: np.random.Generator, config: RolesConfig) -> bool:
    """Whether a learner that was just frozen goes back to its initial weights; takes one random number."""
    return bool(rng.random() < config.of(role).reset_probability)


def _rate_set(population: Population, learner: str, rate_set: RateSet) -> Indices:
    if rate_set is RateSet.FROZEN:
        return population.frozen
    others = [population.index(main_agent) for main_agent in population.main_agents if main_agent != learner]
    return np.asarray(others, dtype=np.int64)
