"""An opponent rule: a share of the lanes faces one of the league's newest frozen players, the others oneself."""

import numpy as np

from matchmaking.population import Population
from matchmaking.rules import BaseRule, Choice


class Recent(BaseRule):
    def __init__(self, newest: int = 5, share: float = 0.5) -> None:
        if newest < 1 or not 0.0 <= share <= 1.0:
            raise ValueError(f"newest must be at least 1 and share between 0 and 1, not {newest} and {share}")
        self._newest = newest
        self._share = share

    def choose_many(self, population: Population, learner: str, rng: np.random.Generator, count: int) -> list[Choice]:
        pool = population.frozen[-self._newest :]  # indices, in the order of freezing
        choices = []
        for _ in range(count):
            if len(pool) and rng.random() < self._share:
                drawn = int(pool[rng.integers(len(pool))])
                choices.append(Choice(population.id(drawn), "recent"))
            else:
                choices.append(Choice(learner, "self_play"))
        return choices
