"""OpenAI Five's rule (arXiv:1912.06680, section 4.4 and appendix N): 80 % latest self, 20 % past selves by quality.

A past player i is drawn with p = softmax(q). It enters with the pool's highest q. When the learner beats it,
q_i -= 0.01 / (N p_i); a draw or a loss changes nothing. N is the size of the pool.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from matchmaking.pfsp import Floats, Sampler
from matchmaking.population import Indices, Population
from matchmaking.records import EpisodeCount
from matchmaking.rules.core import BaseRule, Choice, past_players

_SMALLEST_SHARE = 1e-3
"""p_i counts as at least this share of 1/N: a step is then at most 1000 times that of a uniform pool, and finite when
the probability has underflowed. In the paper a player that is hardly ever drawn is hardly ever beaten; in a lane it can
still be beaten many times."""


class OpenAIFive(BaseRule):
    """80/20 with quality scores, kept for each learner apart.

    Args:
        past: share of the choices that go to past players.
        step: the 0.01 of the rule.
        own: past players are the learner's own frozen selves, as in the paper; otherwise the whole league's.
        games_per_draw: how many games a draw stands for: one in the paper. Where a lane keeps its opponent for a while,
            its number of games per stay keeps a single draw from emptying the quality of a player.
    """

    def __init__(self, past: float = 0.2, step: float = 0.01, own: bool = True, games_per_draw: float = 1.0) -> None:
        if not 0.0 <= past <= 1.0:
            raise ValueError(f"past is a share between 0 and 1, not {past}")
        if step < 0.0 or games_per_draw <= 0.0:
            raise ValueError(f"step must not be negative and games_per_draw positive, not {step} and {games_per_draw}")
        self._past = past
        self._step = step / games_per_draw
        self._own = own
        self._quality: dict[str, Floats] = {}  # by learner, aligned with its pool
        self._names: dict[str, dict[str, int]] = {}  # by learner, a past player's position in its pool
        self._stored: dict[str, dict[str, float]] = {}  # loaded, for players that have not been met yet

    def choose_many(self, population: Population, learner: str, rng: np.random.Generator, count: int) -> list[Choice]:
        """The learner itself, or past players by quality."""
        pool = self._meet(population, learner)
        sampler: Sampler | None = None
        choices = []
        for _ in range(count):
            if len(pool) == 0 or rng.random() >= self._past:
                choices.append(Choice(learner, "self_play"))
                continue
            if sampler is None:
                sampler = Sampler(_softmax(self._quality[learner]))
            drawn = sampler.draw(rng)
            assert drawn is not None, "a pool that is not empty"
            choices.append(Choice(population.id(int(pool[drawn])), "past"))
        return choices

    def probabilities(self, population: Population, learner: str) -> dict[str, float]:
        """p = softmax(q) by past player."""
        pool = self._meet(population, learner)
        return {
            population.id(int(index)): float(p) for index, p in zip(pool, _softmax(self._quality[learner]), strict=True)
        }

    def observe(self, population: Population, counts: Sequence[EpisodeCount]) -> None:
        """Lower the quality of each past player that was beaten, game by game."""
        for count in counts:
            if count.wins == 0:
                continue
            self._meet(population, count.player)
            position = self._names[count.player].get(count.opponent)
            if position is not None:
                self._lower(self._quality[count.player], position, count.wins)

    def _lower(self, quality: Floats, position: int, wins: int) -> None:
        """The published step, `wins` times; only q_i changes, so the softmax's sum over the others is made once."""
        size = len(quality)
        top = float(quality.max())
        weights = np.exp(quality - top)
        mine, weights[position] = float(weights[position]), 0.0
        others = float(weights.sum())
        for _ in range(wins):
            # A player alone in the pool has the whole probability, however low its quality.
            share = size * mine / (others + mine) if others > 0.0 else float(size)
            quality[position] -= self._step / max(share, _SMALLEST_SHARE)
            mine = math.exp(float(quality[position]) - top)

    def state(self) -> dict[str, Any]:
        """Quality scores by learner and past player."""
        result: dict[str, dict[str, float]] = {name: dict(rest) for name, rest in self._stored.items()}
        for learner, quality in self._quality.items():
            met = {past: float(quality[position]) for past, position in self._names[learner].items()}
            result.setdefault(learner, {}).update(met)
        return {"quality": result}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave; scores are matched to players by id.

        Raises:
            ValueError: the state is that of another rule.
        """
        if set(state) != {"quality"}:
            raise ValueError(f"expected a state with the key quality, not {', '.join(sorted(state)) or 'nothing'}")
        self._stored = {name: {k: float(v) for k, v in scores.items()} for name, scores in state["quality"].items()}
        self._quality, self._names = {}, {}

    def _meet(self, population: Population, learner: str) -> Indices:
        """The pool, after its new entrants have got the highest quality in it (0 for the first)."""
        pool = past_players(population, learner, self._own)
        quality = self._quality.setdefault(learner, np.empty(0))
        names = self._names.setdefault(learner, {})
        known = len(quality)
        if known == len(pool):
            return pool
        stored = self._stored.get(learner, {})
        scores = quality.tolist()
        highest = max(scores, default=None)
        for position in range(known, len(pool)):
            name = population.id(int(pool[position]))
            names[name] = position
            score = stored.pop(name, 0.0 if highest is None else highest)
            highest = score if highest is None else max(highest, score)
            scores.append(score)
        self._quality[learner] = np.asarray(scores)
        return pool


def _softmax(quality: Floats) -> Floats:
    weights = np.exp(quality - quality.max()) if len(quality) else quality
    return np.divide(weights, float(weights.sum()))
