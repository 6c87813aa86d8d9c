"""What a league looks like at one moment: the live table's, `league status`'s and the web page's common source."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from matchmaking.bot_records import BotState
from matchmaking.records import Heartbeat, Kind, LearnerStatus, Player, Rating, Role
from matchmaking.service import Matchmaker

BOARD_ROWS = 20
STOPPED = "stopped"
WINDOW = 10.0  # seconds over which rates are taken


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LearnerRow(_Part):
    """A player that is being trained.

    Attributes:
        frozen: how many frozen players it has made.
        pool_win_rate: mean win rate against the frozen players that it has met, 0 to 1; None before its first report.
        mu, sigma, elo: of its newest frozen player that has been rated; None before there is one.
        games_per_second: finished training episodes; None until two moments are known.
    """

    id: str
    name: str
    role: Role | None
    steps: int
    frozen: int
    pool_win_rate: float | None = None
    mu: float | None = None
    sigma: float | None = None
    elo: float | None = None
    samples_per_second: float = 0.0
    games_per_second: float | None = None


class RatedRow(_Part):
    """A line of the live board, by TrueSkill's mu - 3 sigma."""

    id: str
    name: str
    kind: Kind
    role: Role | None
    mu: float
    sigma: float
    elo: float
    games: int
    score: float | None


class Snapshot(_Part):
    """One moment of a run.

    Attributes:
        run, arena: names.
        state: `running`, or what the run is otherwise (`stopped`, ...).
        elapsed: seconds of training so far, over all resumptions.
        time_left: seconds until the run ends by itself; None without a limit or before it can be told.
        learners: the players in training.
        board: the best rated players, best first.
        population: frozen, scripted and bot players.
        bots: submitted bots that are matched.
        suspended: bots that are not matched any more because they kept failing.
        rated_games: matches in the log of rated matches.
        rated_games_per_second: None until two moments are known.
        processes: last heartbeats.
    """

    run: str
    arena: str
    state: str = "running"
    elapsed: float = 0.0
    time_left: float | None = None
    learners: tuple[LearnerRow, ...] = ()
    board: tuple[RatedRow, ...] = ()
    population: int = 0
    bots: int = 0
    suspended: int = 0
    rated_games: int = 0
    rated_games_per_second: float | None = None
    processes: tuple[Heartbeat, ...] = ()

    @property
    def samples_per_second(self) -> float:
        return sum(row.samples_per_second for row in self.learners)

    @property
    def frozen(self) -> int:
        return sum(row.frozen for row in self.learners)


class _Moment(NamedTuple):
    at: float
    episodes: dict[str, int]  # finished training episodes by learner
    rated_games: int


class SnapshotReader:
    """Reads snapshots of a run; rates are differences between two readings.

    Args:
        matchmaker: of the run.
        clock: seconds that pass.
    """

    def __init__(self, matchmaker: Matchmaker, clock: Callable[[], float] = time.monotonic) -> None:
        self._matchmaker = matchmaker
        self._clock = clock
        self._moments: deque[_Moment] = deque()

    def read(self, *, state: str = "running", elapsed: float = 0.0, time_left: float | None = None) -> Snapshot:
        """The run as it stands now; a run that is `stopped` has no speed.

        Args:
            state: in a word, for people.
            elapsed: seconds of training so far.
            time_left: seconds until the run ends by itself.
        """
        store = self._matchmaker.store
        players = self._matchmaker.players()
        statuses = store.processes.statuses()
        ratings = self._matchmaker.ratings()
        episodes = {player: status.episodes for player, status in statuses.items()}
        rated_games = sum(rating.games for rating in ratings.values()) // 2
        now = _Moment(self._clock(), episodes, rated_games)
        before = self._remember(now)

        learners = []
        for player in players:
            if player.kind is Kind.LEARNER:
                newest = _newest_rating(players, player, ratings)
                games = _rate(now, before, episodes.get(player.id), before and before.episodes.get(player.id, 0))
                row = _learner_row(player, statuses.get(player.id), newest, games)
                still = {"samples_per_second": 0.0, "games_per_second": None}
                learners.append(row.model_copy(update=still) if state == STOPPED else row)
        states = [bot.state for bot in store.bots.all().values()]
        by_id = {player.id: player for player in players}
        known = [(player, rating) for player, rating in ratings.items() if player in by_id]  # others came in between
        board = sorted(known, key=lambda item: (3 * item[1].sigma - item[1].mu, item[0]))
        return Snapshot(
            run=store.info.name,
            arena=store.info.arena,
            state=state,
            elapsed=elapsed,
            time_left=time_left,
            learners=tuple(learners),
            board=tuple(_rated_row(by_id[player], rating) for player, rating in board[:BOARD_ROWS]),
            population=len(players) - len(learners),
            bots=states.count(BotState.ACTIVE),
            suspended=states.count(BotState.SUSPENDED),
            rated_games=rated_games,
            rated_games_per_second=None
            if state == STOPPED
            else _rate(now, before, rated_games, before and before.rated_games),
            processes=tuple(store.processes.heartbeats()),
        )

    def _remember(self, now: _Moment) -> _Moment | None:
        """The moment that rates are taken from: some seconds ago, since learners and raters report in bursts."""
        while len(self._moments) > 1 and now.at - self._moments[1].at >= WINDOW:
            self._moments.popleft()
        before = self._moments[0] if self._moments else None
        self._moments.append(now)
        return before


def _rate(now: _Moment, before: _Moment | None, new: int | None, old: int | None) -> float | None:
    """What a second has brought; None before it can be told."""
    if before is None or new is None or old is None or now.at <= before.at:
        return None
    return (new - old) / (now.at - before.at)


def _newest_rating(players: Sequence[Player], learner: Player, ratings: Mapping[str, Rating]) -> Rating | None:
    """The rating of the newest frozen copy that has one."""
    for player in reversed(players):
        if player.kind is Kind.FROZEN and player.parent == learner.id and player.id in ratings:
            return ratings[player.id]
    return None


def _learner_row(
    player: Player, status: LearnerStatus | None, rating: Rating | None, games_per_second: float | None
) -> LearnerRow:
    return LearnerRow(
        id=player.id,
        name=player.name,
        role=player.role,
        steps=0 if status is None else status.steps,
        frozen=0 if status is None else status.generation,
        pool_win_rate=None if status is None else status.pool_win_rate,
        mu=None if rating is None else rating.mu,
        sigma=None if rating is None else rating.sigma,
        elo=None if rating is None else rating.elo,
        samples_per_second=0.0 if status is None else status.samples_per_second,
        games_per_second=games_per_second,
    )


def _rated_row(player: Player, rating: Rating) -> RatedRow:
    return RatedRow(
        id=player.id,
        name=player.name,
        kind=player.kind,
        role=player.role,
        mu=rating.mu,
        sigma=rating.sigma,
        elo=rating.elo,
        games=rating.games,
        score=(rating.wins + 0.5 * rating.draws) / rating.games if rating.games else None,
    )
