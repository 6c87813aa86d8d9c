"""The rater's fold: the log of rated matches, in its order, into live ratings.

Ratings are a projection of the log: the same log gives the same bits, wherever the fold was interrupted. That holds
because ratings and position are committed together, and only onto the position that they were computed from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from matchmaking.intact import intact
from matchmaking.rating_store import RatingState
from matchmaking.ratings import DEFAULT, RatingSettings, update_ratings
from matchmaking.records import Kind, MatchResult, Rating
from matchmaking.run_records import RatingPoint
from matchmaking.store import Store


class RatingFold:
    """Takes the new results of the log into the ratings; any number of folds may run, each result counts once."""

    def __init__(self, store: Store, settings: RatingSettings = DEFAULT) -> None:
        self._store = store
        self._settings = settings
        self._state: RatingState | None = None
        self._kinds: dict[str, Kind] = {}

    def step(self, limit: int = 500) -> int:
        """Take in up to `limit` new results.

        Returns:
            How many were taken in; 0 when the ratings stand for the whole log, or when another rater was faster.
        """
        state = self._state or self._store.ratings.state()
        self._state = None
        results = self._store.queue.matches(state.position, limit)
        if results:
            self._learn_kinds()
            with intact(self._store.info.name, "matches"):
                changed, points = fold(state, results, self._kinds, self._settings)
            position = state.position + len(results)
            if not self._store.ratings.commit(state.position, position, changed, points):
                return 0
            state = RatingState(position, state.ratings | changed)
        self._state = state
        return len(results)

    def _learn_kinds(self) -> None:
        for player in self._store.players(since=len(self._kinds)):
            self._kinds[player.id] = player.kind


def fold(
    state: RatingState, results: Iterable[MatchResult], kinds: Mapping[str, Kind], settings: RatingSettings = DEFAULT
) -> tuple[dict[str, Rating], list[RatingPoint]]:
    """The ratings that `results` change, with a point of the curves for each change.

    Args:
        state: ratings and position before; not changed.
        results: the log from that position on.
        kinds: kind of every player that the results name.
        settings: constants of the rating systems.
    """
    changed: dict[str, Rating] = {}
    points: list[RatingPoint] = []
    for position, result in enumerate(results, start=state.position + 1):
        before = {
            player: changed.get(player) or state.ratings.get(player) or Rating() for player in (result.a, result.b)
        }
        after = update_ratings(before, result, kinds, settings)
        changed |= after
        points += [
            RatingPoint(
                position=position, at=result.finished, player=player, mu=rating.mu, sigma=rating.sigma, elo=rating.elo
            )
            for player, rating in after.items()
        ]
    return changed, points
