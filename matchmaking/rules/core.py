"""What an opponent rule is: it says whom a learner plays next.

A rule is an object that knows nothing of how games are played: it reads a `Population` and random numbers, and answers
with opponents. Rules that learn from results keep their own state, which goes into the learner's resume file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from matchmaking.population import Indices, Population
from matchmaking.records import EpisodeCount


class Choice(NamedTuple):
    """An opponent, and why.

    Attributes:
        opponent: id; the learner's own id is self-play with the latest weights.
        branch: the part of the rule that chose it, such as `pfsp`, `verification`, `self_play`.
    """

    opponent: str
    branch: str


class OpponentRule(Protocol):
    """Chooses opponents. Third parties register theirs under the entry point group `league.opponent_rules`."""

    def choose(self, population: Population, learner: str, rng: np.random.Generator) -> Choice:
        """The next opponent of a hosted learner."""

    def choose_many(self, population: Population, learner: str, rng: np.random.Generator, count: int) -> list[Choice]:
        """`count` opponents: what as many calls of `choose` would give, at little more than the cost of one."""

    def observe(self, population: Population, counts: Sequence[EpisodeCount]) -> None:
        """Learn from finished episodes of hosted learners, once each."""

    def state(self) -> dict[str, Any]:
        """Everything that the rule has learned, as plain JSON values."""

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""


class BaseRule(ABC):
    """An opponent rule without memory: subclasses say how `count` opponents are chosen."""

    def choose(self, population: Population, learner: str, rng: np.random.Generator) -> Choice:
        """The next opponent of a hosted learner."""
        return self.choose_many(population, learner, rng, 1)[0]

    @abstractmethod
    def choose_many(self, population: Population, learner: str, rng: np.random.Generator, count: int) -> list[Choice]:
        """`count` opponents of a hosted learner."""

    def observe(self, population: Population, counts: Sequence[EpisodeCount]) -> None:  # noqa: B027 - nothing to learn
        """Results change nothing in a rule without memory."""

    def state(self) -> dict[str, Any]:
        """No memory: an empty dict."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Accept the empty state.

        Raises:
            ValueError: the state is that of another rule.
        """
        if state:
            raise ValueError(f"{type(self).__name__} keeps no state, and was given one with {', '.join(state)}")


def past_players(population: Population, learner: str, own: bool) -> Indices:
    """The pool of past players: those frozen from the learner itself (`own`), or the league's."""
    return population.frozen_of(learner) if own else population.frozen
