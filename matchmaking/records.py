"""The records that cross a process, a file or Redis: players, results, leases, ratings.

Whoever reads this file knows what the matchmaker knows. Ids are opaque: a role, a parent or an arena is a field and is
never read out of an id or a name.
"""

from __future__ import annotations

import secrets
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

SCHEMA = 2
"""Version of every record below and of the keys in Redis; another version is refused, never guessed at."""

Count = Annotated[int, Field(ge=0, lt=2**63)]
"""A number of things: as many as Redis can count."""


class Kind(StrEnum):
    """What a player is made of."""

    LEARNER = "learner"  # weights that change; lives in a learner process
    FROZEN = "frozen"  # an immutable checkpoint
    BOT = "bot"  # somebody's program
    SCRIPTED = "scripted"  # a player of ours without weights


class Role(StrEnum):
    """What a player is for (AlphaStar, Nature 575, 2019)."""

    MAIN_AGENT = "main_agent"
    MAIN_EXPLOITER = "main_exploiter"
    LEAGUE_EXPLOITER = "league_exploiter"
    TEAM = "team"


class Record(BaseModel):
    """Base of all records: immutable, and an unknown field is an error, as is a number that JSON has no form for."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def new_id(prefix: str) -> str:
    """An opaque id such as `p_9f2c41d07ab3`: the prefix only helps a person to tell what an id is of."""
    return f"{prefix}_{secrets.token_hex(6)}"


class Player(Record):
    """A member of the league.

    Attributes:
        id: opaque.
        name: unique in the run, for people: `main_agent-1` for a learner, `main_agent-1.v3` for its third frozen copy,
            `alpha_beta:2` for a scripted player.
        kind: what it is made of.
        role: what it is for; None for bots and scripted players.
        parent: id of the learner that a frozen player was copied from, or of a bot's earlier version.
        checkpoint: sha256 of a frozen player's checkpoint.
        version: n of a learner's n-th frozen player, counted from 0; content hash of a bot.
        steps: learner samples that the player had been trained on when it was frozen.
        created: seconds since the epoch, by the server's clock.
    """

    id: str
    name: str
    kind: Kind
    role: Role | None = None
    parent: str | None = None
    checkpoint: str | None = None
    version: str | None = None
    steps: int = 0
    created: float = 0.0


class EpisodeCount(Record):
    """Finished training episodes of one player against one opponent from one seat (team index)."""

    player: str
    opponent: str
    seat: int
    wins: int = Field(ge=0)
    draws: int = Field(ge=0)
    losses: int = Field(ge=0)

    @property
    def games(self) -> int:
        return self.wins + self.draws + self.losses


class Counters(Record):
    """Decayed counters of one ordered pair of players: what the payoff is made of."""

    games: float = 0.0
    wins: float = 0.0
    draws: float = 0.0
    losses: float = 0.0

    @property
    def win_rate(self) -> float:
        """(wins + draws / 2) / games, and 0.5 with no games (AlphaStar's pseudocode, `Payoff.win_rate`)."""
        return (self.wins + 0.5 * self.draws) / self.games if self.games > 0 else 0.5


Outcomes = Annotated[str, Field(pattern=r"^([wdl][wdl])*$")]


class Pairing(Record):
    """A batch of rated matches to be played: `pairs` seat-swapped pairs of `a` against `b` from one seed."""

    id: str
    a: str
    b: str
    pairs: int = Field(gt=0)
    seed: int = Field(ge=0)


class Lease(Record):
    """The right of one worker to play a pairing until a deadline.

    Attributes:
        pairing: what to play.
        token: fencing token, larger at each hand-out: a report under an older one is refused.
        worker: who holds it.
        deadline: server time in seconds at which it may be handed out again, unless a heartbeat moves it.
        expiries: how many leases on the pairing have expired before, without their workers coming back in time.
    """

    pairing: Pairing
    token: int
    worker: str
    deadline: float
    expiries: int = 0


class Forfeit(Record):
    """A match that a player lost because it failed, not because it was beaten.

    Attributes:
        match: number of the match in its pairing: the place of its letter in the outcomes.
        player: id of who failed. In a simultaneous arena both may fail in one step, which is a draw of two forfeits.
        code: the failure's code, such as TIMEOUT.
    """

    match: int = Field(ge=0)
    player: str
    code: str


class MatchResult(Record):
    """The outcome of a pairing: one line of the log of rated matches, the truth that all ratings are computed from.

    Attributes:
        id: the pairing's id; the log holds each id once.
        a: id of the first player.
        b: id of the second player.
        seed: the seed from which every match can be played again.
        outcomes: two letters a pair, from a's view: with a in seat 0, then with a in seat 1; w, d or l.
        forfeits: the matches among them that ended by a failure.
        worker: who played it.
        finished: server time in seconds.
    """

    id: str
    a: str
    b: str
    seed: int
    outcomes: Outcomes
    forfeits: tuple[Forfeit, ...] = ()
    worker: str = ""
    finished: float = 0.0

    @model_validator(mode="after")
    def _two_players(self) -> Self:
        if self.a == self.b:
            raise ValueError(f"a rated match needs two players, not {self.a} twice")
        return self

    def count(self, letter: str, seat: int | None = None) -> int:
        """How often a got `letter` (w, d, l), in all matches or in those that a played from `seat`."""
        return (self.outcomes if seat is None else self.outcomes[seat::2]).count(letter)


class Rating(Record):
    """The live rating of a player. The stored floats are the state: nothing is kept beside them.

    The bounds are far beyond what play can lead to, and near enough that no square of such a number overflows.
    """

    mu: float = Field(default=25.0, ge=-1e18, le=1e18)
    sigma: float = Field(default=25.0 / 3.0, gt=0, le=1e18)
    elo: float = Field(default=1000.0, ge=-1e18, le=1e18)
    games: Count = 0
    wins: Count = 0
    draws: Count = 0
    losses: Count = 0


class Heartbeat(Record):
    """What a process last said of itself.

    Attributes:
        process: such as `learner-0`, `evaluator-0`, `rater`.
        pid: its process id.
        at: server time in seconds.
        status: one line for people.
        numbers: what it measures of itself, such as samples_per_second.
    """

    process: str
    pid: int
    at: float = 0.0
    status: str = ""
    numbers: dict[str, float] = {}


class LearnerStatus(Record):
    """What a learner last said of one of the players that it trains.

    Attributes:
        player: id.
        steps: learner samples since the start of the run; never falls when a player is reset.
        generation: how many frozen players it has made.
        pool_win_rate: mean win rate against the frozen players that it has met.
        numbers: the last update's figures (policy_loss, entropy, approx_kl, clip_fraction, explained_variance, ...).
    """

    player: str
    steps: Count
    generation: Count
    pool_win_rate: float
    samples_per_second: float
    episodes: Count
    numbers: dict[str, float] = {}
