"""Rules that need one draw: naive self-play, fictitious self-play, and PFSP alone."""

from __future__ import annotations

import numpy as np

from matchmaking.pfsp import Sampler, Weighting, pfsp_weights
from matchmaking.population import Population
from matchmaking.rules.core import BaseRule, Choice, past_players


class NaiveSelfPlay(BaseRule):
    """Always the latest weights of oneself: cycles in games such as rock-paper-scissors."""

    def choose_many(self, population: Population, learner: str, rng: np.random.Generator, count: int) -> list[Choice]:
        """The learner itself, `count` times."""
        return [Choice(learner, "self_play")] * count


class FictitiousSelfPlay(BaseRule):
    """Uniformly one of the past players (Heinrich et al., ICML 2015; the mean of the past of Brown 1951).

    Args:
        own: only the learner's own past selves; otherwise all frozen players of the league.
    """

    def __init__(self, own: bool = False) -> None:
        self._own = own

    def choose_many(self, population: Population, learner: str, rng: np.random.Generator, count: int) -> list[Choice]:
        """Past players, or the learner itself while there are none."""
        pool = past_players(population, learner, self._own)
        if len(pool) == 0:
            return [Choice(learner, "self_play")] * count
        # One number a draw, so that many choices equal as many single ones.
        return [Choice(population.id(int(pool[rng.integers(len(pool))])), "fictitious") for _ in range(count)]


class Pfsp(BaseRule):
    """PFSP over the past players and nothing else.

    Args:
        weighting: name of the weighting: squared, linear, linear_capped or variance.
        own: only the learner's own past selves; otherwise all frozen players of the league.

    Raises:
        ValueError: no such weighting.
    """

    def __init__(self, weighting: str = "squared", own: bool = False) -> None:
        try:
            self._weighting = Weighting(weighting)
        except ValueError:
            raise ValueError(f"no PFSP weighting {weighting!r}; there are: {', '.join(Weighting)}") from None
        self._own = own

    def choose_many(self, population: Population, learner: str, rng: np.random.Generator, count: int) -> list[Choice]:
        """Past players, or the learner itself while there are none."""
        pool = past_players(population, learner, self._own)
        sampler = Sampler(pfsp_weights(population.win_rates(learner, pool), self._weighting))
        choices = []
        for _ in range(count):
            drawn = sampler.draw(rng)
            if drawn is None:
                choices.append(Choice(learner, "self_play"))
            else:
                choices.append(Choice(population.id(int(pool[drawn])), "pfsp"))
        return choices
