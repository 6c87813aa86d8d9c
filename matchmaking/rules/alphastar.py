"""AlphaStar's matchmaking (Vinyals et al., Nature 575, 2019; supplementary pseudocode, `get_match` of each role).

u is uniform in [0, 1), m uniform over the live main agents (oneself included), rates are one's own win rates:

    main agent, u < 0.50          PFSP-squared over all frozen players
    main agent, 0.50 <= u < 0.65  verification: the frozen main exploiters, by PFSP-squared, if the lowest rate against
                                  them is below 0.3; otherwise m's frozen players without their monotonic suffix, by
                                  PFSP-squared, if the lowest rate is below 0.7; otherwise self-play
    main agent, otherwise         self-play: m if the rate against m is above 0.3; else PFSP-variance over m's frozen
    main exploiter                m if the rate against m is above 0.1; else PFSP-variance over m's frozen players
    league exploiter              PFSP-linear_capped over all frozen players

The paper's text differs for main exploiters: half of the time, and while the rate against m is under 0.2, they play
PFSP-variance over the players that main agents created.

Where the published code would draw from an empty list, the learner plays m; m is the learner itself where the league
has no main agent. A learner of the role `team` is matched as a main agent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matchmaking.pfsp import Floats, Sampler, Weighting, pfsp_weights
from matchmaking.population import Indices, Population
from matchmaking.records import Role
from matchmaking.rules.core import BaseRule, Choice


@dataclass(frozen=True, slots=True)
class AlphaStarSettings:
    """The numbers of the rule; the defaults are the pseudocode's.

    Attributes:
        pfsp_share: share of a main agent's matches that are PFSP-squared over everyone frozen.
        verification_share: share that first looks for exploiters and forgotten players.
        self_play_rate: a main agent plays the live m above this win rate, else m's past.
        exploited_rate: frozen main exploiters come back while the lowest win rate against them is below this.
        forgotten_rate: m's past players come back while the lowest win rate against them is below this.
        exploiter_rate: a main exploiter plays the live m above this win rate, else a curriculum of past players.
        curriculum_share: how often a main exploiter below that rate takes the curriculum.
        curriculum_of_all: the curriculum is every frozen main agent, not only m's past.
    """

    pfsp_share: float = 0.5
    verification_share: float = 0.15
    self_play_rate: float = 0.3
    exploited_rate: float = 0.3
    forgotten_rate: float = 0.7
    exploiter_rate: float = 0.1
    curriculum_share: float = 1.0
    curriculum_of_all: bool = False

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must be between 0 and 1, not {getattr(self, name)}")
        if self.pfsp_share + self.verification_share > 1.0:
            raise ValueError(
                f"pfsp_share and verification_share are more than 1: {self.pfsp_share} + {self.verification_share}"
            )


PSEUDOCODE = AlphaStarSettings()
"""The supplementary pseudocode."""

PAPER = AlphaStarSettings(exploiter_rate=0.2, curriculum_share=0.5, curriculum_of_all=True)
"""The text of the paper ("Population-based training" and "Main exploiters" in its Methods)."""


def remove_monotonic_suffix(win_rates: Floats, players: Indices) -> tuple[Floats, Indices]:
    """Cut the newest players that are, one after the other, no easier than the one before: none is forgotten.

    Args:
        win_rates: [n] against the players, in the order of freezing.
        players: [n] their indices.

    Returns:
        Both up to and including the last i with win_rates[i - 1] < win_rates[i]; empty if there is none.
    """
    rises = np.flatnonzero(win_rates[:-1] < win_rates[1:])
    end = int(rises[-1]) + 2 if len(rises) else 0
    return win_rates[:end], players[:end]


class _Matcher:
    """One learner's view during one call: weights and samplers are made when first needed and used for all draws."""

    def __init__(self, settings: AlphaStarSettings, population: Population, learner: str) -> None:
        self._settings = settings
        self._population = population
        self._learner = learner
        self._main_agents = population.main_agents or [learner]
        self._samplers: dict[tuple[str, ...], tuple[Sampler, Indices]] = {}
        self._verifications: dict[str, tuple[str, ...] | None] = {}

    def main_agent(self, rng: np.random.Generator) -> Choice:
        coin = rng.random()
        if coin < self._settings.pfsp_share:
            return self._pfsp_all(Weighting.SQUARED, rng)
        m = self._live_main_agent(rng)
        if coin < self._settings.pfsp_share + self._settings.verification_share:
            if m not in self._verifications:
                self._verifications[m] = self._verification(m)
            key = self._verifications[m]
            if key is not None:
                return self._draw(key, rng) or Choice(m, "self_play")
        if self._population.win_rate(self._learner, m) > self._settings.self_play_rate:
            return Choice(m, "self_play")
        return self._past_of(m, rng) or Choice(m, "self_play")

    def main_exploiter(self, rng: np.random.Generator) -> Choice:
        m = self._live_main_agent(rng)
        coin = rng.random()
        if self._population.win_rate(self._learner, m) > self._settings.exploiter_rate:
            return Choice(m, "main_agent")
        if coin >= self._settings.curriculum_share:
            return Choice(m, "main_agent")
        if self._settings.curriculum_of_all:
            past = self._population.frozen_with_role(Role.MAIN_AGENT)
            self._prepare(("curriculum",), past, Weighting.VARIANCE)
            return self._draw(("curriculum",), rng) or Choice(m, "main_agent")
        return self._past_of(m, rng) or Choice(m, "main_agent")

    def league_exploiter(self, rng: np.random.Generator) -> Choice:
        return self._pfsp_all(Weighting.LINEAR_CAPPED, rng)

    def _live_main_agent(self, rng: np.random.Generator) -> str:
        return self._main_agents[int(rng.integers(len(self._main_agents)))]

    def _pfsp_all(self, weighting: Weighting, rng: np.random.Generator) -> Choice:
        self._prepare(("pfsp",), self._population.frozen, weighting)
        return self._draw(("pfsp",), rng) or Choice(self._live_main_agent(rng), "nobody_frozen")

    def _past_of(self, m: str, rng: np.random.Generator) -> Choice | None:
        self._prepare(("curriculum", m), self._population.frozen_of(m), Weighting.VARIANCE)
        return self._draw(("curriculum", m), rng)

    def _verification(self, m: str) -> tuple[str, ...] | None:
        """Which prepared group the verification branch draws from for this m; None where all is well."""
        exploiters = self._population.frozen_with_role(Role.MAIN_EXPLOITER)
        rates = self._population.win_rates(self._learner, exploiters)
        if len(rates) and rates.min() < self._settings.exploited_rate:
            self._prepare(("exploited",), exploiters, Weighting.SQUARED)
            return ("exploited",)
        past = self._population.frozen_of(m)
        rates, past = remove_monotonic_suffix(self._population.win_rates(self._learner, past), past)
        if len(rates) and rates.min() < self._settings.forgotten_rate:
            self._prepare(("forgotten", m), past, Weighting.SQUARED)
            return ("forgotten", m)
        return None

    def _prepare(self, key: tuple[str, ...], pool: Indices, weighting: Weighting) -> None:
        if key not in self._samplers:
            rates = self._population.win_rates(self._learner, pool)
            self._samplers[key] = Sampler(pfsp_weights(rates, weighting)), pool

    def _draw(self, key: tuple[str, ...], rng: np.random.Generator) -> Choice | None:
        sampler, pool = self._samplers[key]
        drawn = sampler.draw(rng)
        return None if drawn is None else Choice(self._population.id(int(pool[drawn])), key[0])


class AlphaStar(BaseRule):
    """The rule of the learner's own role, read from its record."""

    def __init__(self, settings: AlphaStarSettings = PSEUDOCODE) -> None:
        self._settings = settings

    def choose_many(self, population: Population, learner: str, rng: np.random.Generator, count: int) -> list[Choice]:
        """`count` opponents, by the learner's role.

        Raises:
            ValueError: the learner is unknown, not hosted, or has no role.
        """
        matcher = _Matcher(self._settings, population, learner)
        match population.player(learner).role:
            case Role.MAIN_AGENT | Role.TEAM:
                one = matcher.main_agent
            case Role.MAIN_EXPLOITER:
                one = matcher.main_exploiter
            case Role.LEAGUE_EXPLOITER:
                one = matcher.league_exploiter
            case None:
                raise ValueError(f"{learner} has no role; AlphaStar's rule needs one of: {', '.join(Role)}")
        return [one(rng) for _ in range(count)]
