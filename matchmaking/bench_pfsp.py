"""How long the choice of opponents takes in a large league."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from matchmaking.pfsp import Floats, Weighting, draw, pfsp_weights
from matchmaking.population import Population
from matchmaking.records import Kind, Player, Role
from matchmaking.rules.registry import make


def large_population(frozen: int, seed: int = 0) -> Population:
    """A league of one learner a role and `frozen` frozen players, with every payoff row filled."""
    rng = np.random.default_rng(seed)
    population = Population()
    roles = (Role.MAIN_AGENT, Role.MAIN_EXPLOITER, Role.LEAGUE_EXPLOITER)
    for number, role in enumerate(roles):
        population.add(Player(id=f"l{number}", name=f"learner-{number}", kind=Kind.LEARNER, role=role))
        population.host(f"l{number}")
    for number in range(frozen):
        parent = number % len(roles)
        name = f"learner-{parent}.v{number // len(roles)}"
        player = Player(id=f"f{number}", name=name, kind=Kind.FROZEN, role=roles[parent], parent=f"l{parent}")
        population.add(player)
        for learner in range(len(roles)):
            wins = int(rng.integers(0, 51))
            population.record(f"l{learner}", player.id, wins, 0, 50 - wins)
    return population


def bench_pfsp(candidates: int = 10_000, lanes: int = 32, repeats: int = 200) -> dict[str, float]:
    """Median microseconds of one weighting with its draw, of one choice by each rule, and of filling all lanes.

    Returns:
        `pfsp_<weighting>_us`, `<rule>_<role>_us`, `alphastar_<role>_<lanes>_lanes_us`, and `candidates`.
    """
    rng = np.random.default_rng(1)
    rates = rng.random(candidates)
    figures: dict[str, float] = {"candidates": float(candidates)}
    for weighting in Weighting:
        weigh_and_draw = partial(_weigh_and_draw, rates, weighting, rng)
        figures[f"pfsp_{weighting}_us"] = _median_us(weigh_and_draw, repeats)
    population = large_population(candidates)
    rules = {name: make(name) for name in ("alphastar", "alphastar_paper", "fictitious", "pfsp")}
    rules["openai_five"] = make("openai_five", past=1.0, own=False)  # its dear branch over the whole league, always
    for player in population.learners:
        for name, rule in rules.items():
            choose = partial(rule.choose, population, player.id, rng)
            figures[f"{name}_{player.role}_us"] = _median_us(choose, repeats)
        fill = partial(rules["alphastar"].choose_many, population, player.id, rng, lanes)
        figures[f"alphastar_{player.role}_{lanes}_lanes_us"] = _median_us(fill, repeats)
    return figures


def _weigh_and_draw(rates: Floats, weighting: Weighting, rng: np.random.Generator) -> int | None:
    return draw(pfsp_weights(rates, weighting), rng)


def _median_us(call: Callable[[], object], repeats: int) -> float:
    call()
    times = np.empty(repeats)
    for index in range(repeats):
        start = time.perf_counter()
        call()
        times[index] = time.perf_counter() - start
    return float(np.median(times) * 1e6)
