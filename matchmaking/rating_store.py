"""Live ratings in Redis, committed together with the position in the log of matches that they stand for.

Ratings are stored as JSON with the shortest digits that read back as the same doubles: a replay is bit-equal.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matchmaking.aside import PIECE, set_aside
from matchmaking.intact import intact
from matchmaking.logs import Log
from matchmaking.records import Rating
from matchmaking.run_records import RatingPoint
from matchmaking.session import Session


class RatingState(NamedTuple):
    """Ratings, and how many results of the log they have taken in."""

    position: int
    ratings: dict[str, Rating]


class RatingStore:
    """Ratings of one run.

    Attributes:
        points: the points of all rating curves.
    """

    def __init__(self, session: Session, points: Log) -> None:
        self._session = session
        self.points = points

    def position(self) -> int:
        """How many results of the log of matches the ratings have taken in."""
        stored = self._session.read("HGET", "fold", "position")
        with intact(self._session.run, "fold"):
            return int(stored or 0)

    def state(self) -> RatingState:
        """Ratings and position of one moment."""
        while True:
            position = self.position()
            stored: Mapping[bytes, bytes] = self._session.read("HGETALL", "ratings")
            if self.position() == position:  # no commit in between
                with intact(self._session.run, "ratings"):
                    ratings = {player.decode(): Rating.model_validate_json(text) for player, text in stored.items()}
                return RatingState(position, ratings)

    def commit(
        self,
        expected: int,
        position: int,
        ratings: Mapping[str, Rating],
        points: Sequence[RatingPoint] = (),
    ) -> bool:
        """Store changed ratings, the new position and points of the curves in one step.

        Args:
            expected: the position that the ratings were computed from.
            position: the position after them.
            ratings: the changed ones.
            points: new points of the rating curves.

        Returns:
            False where the stored position is not the expected one: nothing was changed.
        """
        arguments = [text for player, rating in ratings.items() for text in (player, rating.model_dump_json())]
        arguments += [point.model_dump_json() for point in points]
        return bool(
            self._session.call(
                "commit_ratings",
                ["fold", "ratings", "rating_history"],
                secrets.token_hex(8),
                expected,
                position,
                len(ratings),
                *arguments,
            )
        )

    def replace(
        self, position: int, ratings: Mapping[str, Rating], points: Sequence[RatingPoint], piece: int = PIECE
    ) -> bool:
        """Put ratings and curves that were computed from the log up to `position` in place of those stored.

        Args:
            position: of the stored ones.
            ratings: all of them.
            points: all of them, in the order of the log.
            piece: how many go to the server at a time.

        Returns:
            False where the stored position is another: nothing was changed.
        """
        texts = [(player, rating.model_dump_json()) for player, rating in ratings.items()]
        new_ratings = set_aside(self._session, "hash", texts, piece)
        new_points = set_aside(self._session, "list", [(point.model_dump_json(),) for point in points], piece)
        keys = ["fold", "ratings", "rating_history", "archived", "segments:rating_history", new_ratings, new_points]
        token = secrets.token_hex(8)
        return bool(self._session.call("replace_ratings", keys, token, position, len(ratings), len(points)))

    def history(self, since: int = 0) -> list[RatingPoint]:
        """The points of all rating curves in the order of the log, from number `since` on."""
        texts = self.points.read(since)
        with intact(self._session.run, "rating_history"):
            return [RatingPoint.model_validate_json(text) for text in texts]
