"""What a league looks like at one moment: the live table's, `league status`'s and the web page's common source."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from matchmaking.records import Heartbeat, Kind, Role


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
        rated_games: matches in the log of rated matches.
        rated_games_per_second: None until two moments are known.
        processes: last heartbeats.
        events: what happened last, the newest last.
    """

    run: str
    arena: str
    state: str = "running"
    elapsed: float = 0.0
    time_left: float | None = None
    learners: tuple[LearnerRow, ...] = ()
    board: tuple[RatedRow, ...] = ()
    population: int = 0
    rated_games: int = 0
    rated_games_per_second: float | None = None
    processes: tuple[Heartbeat, ...] = ()
    events: tuple[str, ...] = ()

    @property
    def samples_per_second(self) -> float:
        return sum(row.samples_per_second for row in self.learners)

    @property
    def frozen(self) -> int:
        return sum(row.frozen for row in self.learners)
