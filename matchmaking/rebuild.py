"""Recompute what is derived from the logs, and compare it with what is stored: bit by bit.

The logs of episodes and of rated matches are the truth; payoff and ratings are projections of them. A difference means
that a projection was damaged, or computed by another version of the arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from matchmaking.aside import PIECE
from matchmaking.errors import DamagedRecordError, MatchmakingError
from matchmaking.fold import fold
from matchmaking.intact import intact
from matchmaking.payoff import add
from matchmaking.rating_store import RatingState
from matchmaking.ratings import DEFAULT, RatingSettings
from matchmaking.records import Counters, Rating, Record
from matchmaking.run_records import RatingPoint
from matchmaking.store import Row, Store

K = TypeVar("K")
V = TypeVar("V")

_CHUNK = 1000
_TRIES = 100

Pairs = dict[tuple[int, int], Counters]


class Rebuilt(Record):
    """What a rebuild found.

    Attributes:
        reports: episode reports that were folded.
        pairs: pairs of players in the payoff.
        payoff_differences: pairs, by id, whose stored counters were not those of the log.
        matches: results that the ratings stand for.
        rated: players with a rating.
        rating_differences: players, by id, whose stored rating or rating curve was not that of the log.
        replaced: whether the stored payoff and ratings are those of the logs now, by this rebuild.
    """

    reports: int
    pairs: int
    payoff_differences: tuple[tuple[str, str], ...]
    matches: int
    rated: int
    rating_differences: tuple[str, ...]
    replaced: bool

    @property
    def exact(self) -> bool:
        """Whether everything stored was what the logs say."""
        return not self.payoff_differences and not self.rating_differences


def rebuild(store: Store, replace: bool = False, settings: RatingSettings = DEFAULT, piece: int = PIECE) -> Rebuilt:
    """Recompute payoff and ratings from the logs, also while the run goes on.

    Args:
        store: the run.
        replace: put the recomputed ones in place of those stored, where they differ.
        settings: constants of the rating systems, those of the run's rater.
        piece: how many values go to the server at a time where they are replaced.

    Raises:
        MatchmakingError: the logs grew faster than they could be folded.
    """
    reports, pairs, wrong_pairs = _rebuild_payoff(store, replace, piece)
    state, wrong_players = _rebuild_ratings(store, replace, settings, piece)
    players = store.players()
    with intact(store.info.name, "payoff"):
        differences = tuple((players[a].id, players[b].id) for a, b in wrong_pairs)
    return Rebuilt(
        reports=reports,
        pairs=len(pairs),
        payoff_differences=differences,
        matches=state.position,
        rated=len(state.ratings),
        rating_differences=tuple(wrong_players),
        replaced=replace and bool(wrong_pairs or wrong_players),
    )


def fold_rows(pairs: Pairs, rows: Iterable[Row], decay: float) -> None:
    """Fold one episode report into the payoff `pairs`, which holds each pair as its lower index sees it."""
    for player, opponent, _, wins, draws, losses in rows:
        if player == opponent or wins + draws + losses == 0:
            continue
        key = (player, opponent) if player < opponent else (opponent, player)
        if player > opponent:
            wins, losses = losses, wins  # noqa: PLW2901 -- the row as the other player sees it
        pairs[key] = add(pairs.get(key, Counters()), wins, draws, losses, decay)


def _rebuild_payoff(store: Store, replace: bool, piece: int) -> tuple[int, Pairs, list[tuple[int, int]]]:
    pairs: Pairs = {}
    done = 0
    for _ in range(_TRIES):
        length = store.episode_reports()
        while done < length:
            reports = store.episode_rows(done, min(_CHUNK, length - done))
            with intact(store.info.name, "episodes"):
                for rows in reports:
                    fold_rows(pairs, rows, store.info.decay)
            done += len(reports)
        stored = store.payoff_pairs()
        if store.episode_reports() != length:
            continue  # a report came in between
        wrong = _differences(stored, pairs)
        if not (replace and wrong) or store.replace_payoff(pairs, length, piece):
            return length, pairs, wrong
    raise MatchmakingError("the log of episodes grows too fast for a rebuild: stop the learners first")


def _rebuild_ratings(
    store: Store, replace: bool, settings: RatingSettings, piece: int
) -> tuple[RatingState, list[str]]:
    ratings: dict[str, Rating] = {}
    points: list[RatingPoint] = []
    done = 0
    for _ in range(_TRIES):
        stored = store.ratings.state()
        kinds = {player.id: player.kind for player in store.players()}
        while done < stored.position:
            results = store.queue.matches(done, min(_CHUNK, stored.position - done))
            if not results:
                raise DamagedRecordError(
                    f"the ratings of run {store.info.name!r} stand for {stored.position} results; its log has {done}"
                )
            with intact(store.info.name, "matches"):
                changed, new = fold(RatingState(done, ratings), results, kinds, settings)
            ratings |= changed
            points += new
            done += len(results)
        curves = _curves(point for point in store.ratings.history() if point.position <= stored.position)
        wrong = sorted({*_differences(stored.ratings, ratings), *_differences(curves, _curves(points))})
        if not (replace and wrong) or store.ratings.replace(done, ratings, points, piece):
            return stored, wrong
    raise MatchmakingError("the log of matches grows too fast for a rebuild: stop the evaluators first")


def _curves(points: Iterable[RatingPoint]) -> dict[str, list[RatingPoint]]:
    curves: dict[str, list[RatingPoint]] = {}
    for point in points:
        curves.setdefault(point.player, []).append(point)
    return curves


def _differences(stored: Mapping[K, V], true: Mapping[K, V]) -> list[K]:
    """The keys under which the two do not hold the very same value."""
    return [key for key in stored.keys() | true.keys() if stored.get(key) != true.get(key)]
