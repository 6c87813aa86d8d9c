"""Published ratings by role, for arenas whose two teams are not alike: how strong a player is in each of its roles.

Every player has a strength in each role, and a match is one of role 0 against one of role 1:

    delta = alpha_i - beta_j + gamma,

the model of `matchmaking.bradley_terry` over twice as many players, each of whom sits in one seat only. Such matches do
not tell the roles' means apart from gamma, what the first role is worth: so a strength is told as the distance to the
mean of those who played the same role, and ratings of different roles are not to be compared. Like the board it is a
pure function of the matches, in whatever order they came.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from matchmaking.bradley_terry import ELO, MEAN_RATING, Z95, fit
from matchmaking.counts import Counts
from matchmaking.records import Player, Record

SEATS = 2


class RoleStanding(Record):
    """A player in one role.

    Attributes:
        id, name: of the player.
        role: the arena's name for the team.
        rank: 1 is best in this role, by rating.
        rating: Elo scale, the mean of those on the board in this role 1000; with `rating_low` and `rating_high` its
            95 % interval.
        games, wins, draws, losses: matches that it played in this role.
        score: points a game in them, in percent.
    """

    id: str
    name: str
    role: str
    rank: int
    rating: float
    rating_low: float
    rating_high: float
    games: int
    wins: int
    draws: int
    losses: int
    score: float


def role_standings(counts: Counts, players: Sequence[Player], roles: Sequence[str]) -> tuple[RoleStanding, ...]:
    """The players on the board in each role, the first role first, best first.

    Args:
        counts: the log.
        players: who is to be on the board. Others in the log take part in the fit.
        roles: names of the two teams.
    """
    split = by_role(counts)
    fitted = fit(split)
    totals = split.totals()
    seat = np.arange(len(split.players)) % SEATS
    names = {player.id: player.name for player in players}
    shown = np.asarray([counts.players[at // SEATS] in names for at in range(len(split.players))], dtype=bool)
    shown &= totals.sum(axis=1) > 0
    found: list[RoleStanding] = []
    for index, role in enumerate(roles):
        places = np.flatnonzero(shown & (seat == index))
        strength = fitted.strength[places]
        covariance = fitted.covariance[np.ix_(places, places)]
        centre = np.eye(len(places)) - 1.0 / max(len(places), 1)  # the distance to the mean of the role
        rating = MEAN_RATING + ELO * (centre @ strength)
        half = Z95 * ELO * np.sqrt(np.maximum(np.diag(centre @ covariance @ centre.T), 0.0))
        ids = [counts.players[at // SEATS] for at in places]
        for rank, row in enumerate(sorted(range(len(places)), key=lambda row: (-rating[row], ids[row])), start=1):
            wins, draws, losses = totals[places[row]].tolist()
            games = wins + draws + losses
            found.append(
                RoleStanding(
                    id=ids[row],
                    name=names[ids[row]],
                    role=role,
                    rank=rank,
                    rating=float(rating[row]),
                    rating_low=float(rating[row] - half[row]),
                    rating_high=float(rating[row] + half[row]),
                    games=games,
                    wins=wins,
                    draws=draws,
                    losses=losses,
                    score=100.0 * (wins + 0.5 * draws) / games,
                )
            )
    return tuple(found)


def by_role(counts: Counts) -> Counts:
    """The same matches between players in roles: player p in seat s is number 2 p + s."""
    return Counts(
        players=tuple(f"{player} {seat}" for player in counts.players for seat in range(SEATS)),
        first=SEATS * counts.first,
        second=SEATS * counts.second + 1,
        outcomes=counts.outcomes,
        forfeits=np.zeros(SEATS * len(counts.players), dtype=np.int64),
    )
