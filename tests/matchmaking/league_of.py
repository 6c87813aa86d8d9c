"""Small leagues for tests. Ids are misleading on purpose: nothing may be read out of them."""

from __future__ import annotations

from matchmaking.population import Population
from matchmaking.records import Counters, Kind, Player, Role

MAIN, OTHER_MAIN, EXPLOITER, LEAGUE = "league_exploiter-a", "main_exploiter-b", "main_agent-c", "frozen-d"
"""The live learners: a main agent, another one, a main exploiter and a league exploiter."""

ROLES = {
    MAIN: Role.MAIN_AGENT,
    OTHER_MAIN: Role.MAIN_AGENT,
    EXPLOITER: Role.MAIN_EXPLOITER,
    LEAGUE: Role.LEAGUE_EXPLOITER,
}


def learner(id: str, role: Role | None) -> Player:
    return Player(id=id, name=f"name of {id}", kind=Kind.LEARNER, role=role)


def frozen(id: str, parent: str, role: Role) -> Player:
    return Player(id=id, name=f"name of {id}", kind=Kind.FROZEN, role=role, parent=parent)


def small_league(hosted: tuple[str, ...] = (MAIN, OTHER_MAIN, EXPLOITER, LEAGUE)) -> Population:
    """Four learners, and the main agents' initial weights frozen, as at AlphaStar's step 0."""
    population = Population([learner(id, role) for id, role in ROLES.items()])
    population.add(frozen("main_exploiter-x", MAIN, Role.MAIN_AGENT))
    population.add(frozen("league_exploiter-y", OTHER_MAIN, Role.MAIN_AGENT))
    for id in hosted:
        population.host(id)
    return population


def set_rates(population: Population, learner: str, rates: dict[str, float]) -> None:
    """Make the learner's win rates these, with 100 games each, and 0.5 elsewhere."""
    rows = {id: Counters(games=100, wins=100 * rate, losses=100 - 100 * rate) for id, rate in rates.items()}
    population.load_row(learner, rows)
