"""The published board: a pure function from the log of rated matches to rows with their uncertainty.

Ratings are a Bradley-Terry fit over the whole log (`matchmaking.bradley_terry`), on the Elo scale around 1000, with
95 % intervals for the distance to the pool's mean. The same matches in another order, or cut into other results, give
the same board to the last bit. docs/ratings.md says what each number means.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from matchmaking.alpha_rank import alpha_rank
from matchmaking.bradley_terry import ELO, MEAN_RATING, Z95, Fit, fit
from matchmaking.connected import by_matches, by_points
from matchmaking.counts import Counts, aggregate
from matchmaking.intransitivity import intransitivity
from matchmaking.nash import nash_weights
from matchmaking.pfsp import Floats
from matchmaking.records import Kind, MatchResult, Player, Rating, Record, Role
from matchmaking.role_ratings import SEATS, RoleStanding, role_standings


class Status(StrEnum):
    """How much a row can be relied on."""

    PROVISIONAL = "provisional"
    ESTABLISHED = "established"


class Flag(StrEnum):
    """What a reader of a row should know."""

    ALL_WINS = "all_wins"  # no draw and no loss: only the prior keeps the rating finite
    ALL_LOSSES = "all_losses"
    DISCONNECTED = "disconnected"  # no chain of matches leads to the largest group: ratings are not comparable
    SEPARATED = "separated"  # its group won, or lost, every match against the rest: the prior sets the distance


class Standing(Record):
    """One row of the leaderboard; what is not known is None.

    Attributes:
        rank: 1 is best, by rating.
        rank_low: best rank that the intervals allow: 1 + players whose interval lies wholly above.
        rank_high: worst rank that they allow.
        rating: Elo scale, pool's mean 1000; with `rating_low` and `rating_high` its 95 % interval.
        score: points a game, in percent.
        superiority: probability of being stronger than the player of the next row.
        nash_weight: weight in the maximum-entropy Nash average of the players on the board.
        worst_matchup: name of the opponent against whom the score is lowest.
        forfeit_rate: percent of games in which the player failed: lost, or drawn where both failed.
        status: established once there are games enough and the interval is narrow enough.
    """

    rank: int | None
    rank_low: int | None
    rank_high: int | None
    id: str
    name: str
    kind: Kind
    role: Role | None
    rating: float | None
    rating_low: float | None
    rating_high: float | None
    trueskill_mu: float | None
    trueskill_sigma: float | None
    elo: float | None
    games: int
    wins: int
    draws: int
    losses: int
    score: float | None
    superiority: float | None
    nash_weight: float | None
    worst_matchup: str | None
    forfeit_rate: float | None
    version: str | None
    status: Status


class Board(Record):
    """The leaderboard.

    Attributes:
        players: the rows, best first; players without games come last and have no rank.
        flags: by player id, for those that have any.
        alpha_rank: by player id, for those with games: weight in the long run of evolution, the sum is 1.
        intransitivity: share of the results that no rating can explain: 0 for Elo's model, 1 for rock-paper-scissors;
            None where nobody is clearly better than anybody.
        intransitivity_low: lower end of its 95 % interval, `intransitivity_high` the upper one.
        seat_advantage: what playing from seat 0 is worth, in points, with its 95 % interval.
        draw_rate: probability of a draw between equals.
        matches: rated matches in the fit.
        by_role: players by role, where the arena's teams are not alike; empty where they are.
    """

    players: tuple[Standing, ...]
    flags: dict[str, tuple[Flag, ...]]
    alpha_rank: dict[str, float]
    intransitivity: float | None
    intransitivity_low: float | None
    intransitivity_high: float | None
    seat_advantage: float
    seat_advantage_low: float
    seat_advantage_high: float
    draw_rate: float
    matches: int
    by_role: tuple[RoleStanding, ...]


class StandingsSettings(Record):
    """When a row counts as established.

    Attributes:
        min_games: matches.
        max_half_width: of the 95 % interval, in points.
    """

    min_games: int = Field(default=60, ge=0)
    max_half_width: float = Field(default=150.0, gt=0)


def standings(
    results: Iterable[MatchResult],
    players: Sequence[Player],
    ratings: Mapping[str, Rating] | None = None,
    settings: StandingsSettings | None = None,
    roles: Sequence[str] = (),
) -> Board:
    """The board of `players` from the whole log.

    Args:
        results: the log of rated matches, in any order, each once.
        players: who is to be on the board. Others in the log take part in the fit and have no row and no rank.
        ratings: live TrueSkill and Elo by player id.
        settings: when a row is established.
        roles: what the two teams are, where they are not alike: everybody is rated by role as well.

    Returns:
        The board.
    """
    return board(aggregate(results), players, ratings or {}, settings or StandingsSettings(), roles)


def board(
    counts: Counts,
    players: Sequence[Player],
    ratings: Mapping[str, Rating],
    settings: StandingsSettings,
    roles: Sequence[str] = (),
) -> Board:
    """`standings` from counts that were aggregated before."""
    fitted = fit(counts)
    at = {player: index for index, player in enumerate(counts.players)}
    names = {player.id: player.name for player in players}
    played = [player for player in players if player.id in at]
    played.sort(key=lambda player: (-fitted.strength[at[player.id]], player.id))
    order = np.asarray([at[player.id] for player in played], dtype=np.int64)
    table = _Table(counts, fitted, order, settings)
    rows = []
    for row, player in enumerate(played):
        worst = table.worst_matchup(row)
        figures = table.figures(row) | {"worst_matchup": None if worst is None else names.get(worst, worst)}
        rows.append(_standing(player, figures, ratings))
    idle = sorted((player for player in players if player.id not in at), key=lambda player: player.id)
    rows += [_standing(player, _NO_GAMES, ratings) for player in idle]
    flags = {player.id: flags for row, player in enumerate(played) if (flags := table.flags(row))}
    cyclic = intransitivity(counts, fitted)
    return Board(
        players=tuple(rows),
        flags=flags,
        alpha_rank={player.id: table.alpha_rank(row) for row, player in enumerate(played)},
        intransitivity=None if cyclic is None else cyclic.value,
        intransitivity_low=None if cyclic is None else cyclic.low,
        intransitivity_high=None if cyclic is None else cyclic.high,
        seat_advantage=fitted.seat * ELO,
        seat_advantage_low=(fitted.seat - Z95 * fitted.seat_error) * ELO,
        seat_advantage_high=(fitted.seat + Z95 * fitted.seat_error) * ELO,
        draw_rate=float(np.exp(fitted.draw) / (2.0 + np.exp(fitted.draw))),
        matches=int(counts.outcomes.sum()),
        by_role=role_standings(counts, players, roles) if len(roles) == SEATS else (),
    )


_NO_GAMES: dict[str, object] = {
    **dict.fromkeys(["rank", "rank_low", "rank_high", "rating", "rating_low", "rating_high"]),
    **dict.fromkeys(["games", "wins", "draws", "losses"], 0),
    **dict.fromkeys(["score", "superiority", "nash_weight", "worst_matchup", "forfeit_rate"]),
    "status": Status.PROVISIONAL,
}


def _standing(player: Player, figures: Mapping[str, object], ratings: Mapping[str, Rating]) -> Standing:
    live = ratings.get(player.id)
    return Standing.model_validate(
        {
            **figures,
            "id": player.id,
            "name": player.name,
            "kind": player.kind,
            "role": player.role,
            "trueskill_mu": None if live is None else live.mu,
            "trueskill_sigma": None if live is None else live.sigma,
            "elo": None if live is None else live.elo,
            "version": player.version,
        }
    )


class _Table:
    """The columns of a board; row r is the player at position order[r] of the fit."""

    def __init__(self, counts: Counts, fitted: Fit, order: NDArray[np.int64], settings: StandingsSettings) -> None:
        self._counts, self._fit, self._order, self._settings = counts, fitted, order, settings
        self._rating = MEAN_RATING + ELO * fitted.strength
        self._half_width = Z95 * ELO * np.sqrt(np.maximum(np.diag(fitted.covariance), 0.0))
        self._totals = counts.totals()
        self._games = counts.games()
        self._scores = _shrunk_scores(counts.points(), self._games, fitted.expected_scores())
        listed = self._scores[np.ix_(order, order)]
        log_odds = np.log(listed) - np.log1p(-listed)
        self._nash = nash_weights((log_odds - log_odds.T) / 2.0)
        self._alpha = alpha_rank(listed)
        self._group = by_matches(self._games)
        self._comparable = by_points(counts.points())
        self._lows = np.sort((self._rating - self._half_width)[order])
        self._highs = np.sort((self._rating + self._half_width)[order])

    def figures(self, row: int) -> dict[str, object]:
        at = int(self._order[row])
        rating, half_width = float(self._rating[at]), float(self._half_width[at])
        wins, draws, losses = self._totals[at].tolist()
        games = wins + draws + losses
        wholly_above = len(self._order) - int(np.searchsorted(self._lows, rating + half_width, side="right"))
        wholly_below = int(np.searchsorted(self._highs, rating - half_width, side="left"))
        return {
            "rank": row + 1,
            "rank_low": 1 + wholly_above,
            "rank_high": len(self._order) - wholly_below,
            "rating": rating,
            "rating_low": rating - half_width,
            "rating_high": rating + half_width,
            "games": games,
            "wins": wins,
            "draws": draws,
            "losses": losses,
            "score": 100.0 * (wins + 0.5 * draws) / games,
            "superiority": self._superiority(row),
            "nash_weight": float(self._nash[row]),
            "forfeit_rate": 100.0 * int(self._counts.forfeits[at]) / games,
            "status": self._status(at, games),
        }

    def alpha_rank(self, row: int) -> float:
        return float(self._alpha[row])

    def worst_matchup(self, row: int) -> str | None:
        """Id of the opponent with the lowest shrunk score among those that were met."""
        at = int(self._order[row])
        met = np.where(self._games[at] > 0, self._scores[at], np.inf)
        return self._counts.players[int(met.argmin())] if np.isfinite(met).any() else None

    def flags(self, row: int) -> tuple[Flag, ...]:
        at = int(self._order[row])
        wins, draws, losses = self._totals[at].tolist()
        flags = []
        if draws + losses == 0:
            flags.append(Flag.ALL_WINS)
        if wins + draws == 0:
            flags.append(Flag.ALL_LOSSES)
        if not self._group[at]:
            flags.append(Flag.DISCONNECTED)
        elif not flags and not self._comparable[at]:
            flags.append(Flag.SEPARATED)
        return tuple(flags)

    def _status(self, at: int, games: int) -> Status:
        enough = games >= self._settings.min_games and self._half_width[at] <= self._settings.max_half_width
        return Status.ESTABLISHED if enough and self._group[at] else Status.PROVISIONAL

    def _superiority(self, row: int) -> float | None:
        if row + 1 == len(self._order):
            return None
        i, j = self._order[row], self._order[row + 1]
        covariance = self._fit.covariance
        error = math.sqrt(max(covariance[i, i] + covariance[j, j] - 2.0 * covariance[i, j], 1e-300))
        lead = float(self._fit.strength[i] - self._fit.strength[j]) / error
        return 0.5 * math.erfc(-lead / math.sqrt(2.0))


def _shrunk_scores(points: Floats, games: Floats, expected: Floats) -> Floats:
    """[n, n] score of i against j, as if two more games had ended as the fit expects.

    In (0, 1), with scores[i, j] + scores[j, i] = 1 up to rounding.
    """
    return np.clip((points + 2.0 * expected) / (games + 2.0), 1e-9, 1.0 - 1e-9)
