"""What the exported JSON holds, as pydantic models: the source of the published schemas, and of every table's columns.

`league/schemas/` holds the schemas as files; `league export TABLE --schema` writes them.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from matchmaking.bot_records import BotState
from matchmaking.records import SCHEMA, Kind, Record, Role
from matchmaking.standings import Board, Standing
from matchmaking.tournaments.core import Kinds

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class PayoffRow(Record):
    """What a player did against an opponent in training; all counters decay with each game."""

    player: str
    opponent: str
    games: float
    wins: float
    draws: float
    losses: float
    win_rate: Share


class RatingRow(Record):
    """A player's live rating after a result of the log."""

    time: float = Field(description="seconds since the epoch at which the result came in")
    matches: Count = Field(description="results in the log by then; each is a pairing of several matches")
    player: str
    kind: Kind
    role: Role | None
    mu: float
    sigma: float
    elo: float


class ForfeitRow(Record):
    """A match that a player lost because it failed."""

    match: Count = Field(description="its number in the pairing, from 0: the place of its letter in the outcomes")
    player: str
    code: str = Field(description="what failed, such as TIMEOUT or CRASH")


class MatchRow(Record):
    """A pairing in the log of rated matches, from the view of player a."""

    id: str
    finished: float = Field(description="seconds since the epoch")
    a: str
    b: str
    seed: Count
    games: Count
    wins: Count
    draws: Count
    losses: Count
    outcomes: str = Field(description="w, d or l for each match: with a in seat 0, then in seat 1, and so on")
    forfeits_a: Count = Field(description="matches that a lost by forfeit")
    forfeits_b: Count
    forfeits: tuple[ForfeitRow, ...]
    worker: str


class CrosstableRow(Record):
    """Two players who have met, from the view of the first; every pair is there in both directions."""

    rank: int
    player: str
    opponent_rank: int
    opponent: str
    games: Count
    wins: Count
    draws: Count
    losses: Count
    points: float = Field(description="a point a win, half a point a draw")
    score: float = Field(description="points a game, in percent")


class TotalRow(Record):
    """A player of a crosstable, with all its matches in it."""

    rank: int
    id: str
    name: str
    games: Count
    wins: Count
    draws: Count
    losses: Count
    points: float
    score: float | None


class ReplayRow(Record):
    """A rated pairing whose matches are stored move by move; `league replay ID/INDEX` shows one of them."""

    id: str
    finished: float = Field(description="seconds since the epoch")
    a: str
    b: str
    games: Count
    wins: Count
    draws: Count
    losses: Count
    outcomes: str = Field(description="w, d or l for each match, from the view of a")
    forfeits: Count = Field(description="matches in which somebody failed")


class BotRow(Record):
    """A submitted bot. What it said of its failure is its own process's text: not to be trusted."""

    name: str
    id: str
    lineage: str = Field(description="the name that it was submitted under; its versions are NAME, NAME.v2, ...")
    version: str | None = Field(description="hash of its content")
    author: str
    language: str
    entry: str
    size: Count = Field(description="bytes")
    submitted: float = Field(description="seconds since the epoch")
    state: BotState
    reason: str = Field(description="why, where it is not active")
    games: Count = Field(description="rated matches")
    forfeits: Count = Field(description="rated matches in which it failed")
    forfeit_rate: float | None = Field(description="in percent")
    failed_in_a_row: Count = Field(description="matches in a row that it has failed until now")
    last_failure_code: str | None
    last_failure_phase: str | None
    last_failure_match: str | None
    last_failure_message: str | None


class EncounterRow(Record):
    """An encounter of a tournament that was played; `league replay --tournament NAME ID/INDEX` shows its matches."""

    id: str
    round: int = Field(ge=1)
    label: str = Field(description="what it is called, such as semi-final")
    a: str
    b: str
    games: Count
    wins: Count = Field(description="of a, as are the draws and losses")
    draws: Count
    losses: Count
    outcomes: str = Field(description="w, d or l for each match: with a in seat 0, then in seat 1, and so on")
    seed: Count = Field(description="from which its matches follow")
    forfeits_a: Count = Field(description="matches that a lost by forfeit")
    forfeits_b: Count
    seconds: float = Field(ge=0, description="how long it took")
    finished: float = Field(description="seconds since the epoch")


class StandingRow(Record):
    """A player of a tournament. Of the tie-breaks it has those of the tournament's format; the others are missing."""

    rank: int = Field(ge=1, description="players whom nothing separates share one")
    name: str
    kind: Kind
    version: str | None = Field(description="hash of its content; null of a scripted player")
    points: float = Field(description="what the order follows from; of a knockout the round that one came to")
    buchholz: float | None = Field(default=None, description="the points of all opponents")
    sonneborn_berger: float | None = Field(default=None, description="points made, each worth what the opponent has")
    direct: float | None = Field(default=None, description="points against those of equal points")
    games: Count
    wins: Count
    draws: Count
    losses: Count
    match_points: float = Field(ge=0, description="a point a match that is won, half a point a draw")
    score: float | None = Field(description="points a match, in percent")
    forfeits: Count = Field(description="matches that it lost by forfeit")
    note: str = Field(description="how it ended for the player, such as lost the final")


class ByeRow(Record):
    """A round in which a player had no opponent, or needed none."""

    round: int = Field(ge=1)
    player: str


class Document(Record):
    """What every export says of itself."""

    model_config = ConfigDict(populate_by_name=True)

    run: str = Field(description="name of the run, or of the tournament")
    arena: str
    schema_version: int = Field(
        alias="schema", description="version of this document", json_schema_extra={"const": SCHEMA}
    )


class LeaderboardDocument(Board, Document):
    """The published board, best first; learners, whose weights change, are not on it."""

    players: tuple[Standing, ...]


class CrosstableDocument(Document):
    """Everybody against everybody: the rated matches of a run, or those of a tournament."""

    players: tuple[TotalRow, ...] = Field(description="in the order of their standing")
    crosstable: tuple[CrosstableRow, ...]


class PayoffDocument(Document):
    """Decayed win rates from training, in both directions."""

    payoff: tuple[PayoffRow, ...]


class RatingsDocument(Document):
    """TrueSkill and Elo after each result of the log."""

    ratings: tuple[RatingRow, ...]


class MatchesDocument(Document):
    """The log of rated matches."""

    matches: tuple[MatchRow, ...]


class ReplaysDocument(Document):
    """The stored replays."""

    replays: tuple[ReplayRow, ...]


class BotsDocument(Document):
    """The submitted bots, in the order of their submission."""

    bots: tuple[BotRow, ...]


class StandingsDocument(Document):
    """A tournament as it stands: everything that its other tables say, too."""

    format: Kinds
    pairs: int = Field(ge=1, description="seat-swapped pairs of matches in each encounter")
    seed: Count = Field(description="from which the seeds of all encounters follow")
    finished: bool = Field(description="whether everything has been played")
    notes: tuple[str, ...] = Field(description="what the matches did not decide, such as a tie")
    byes: tuple[ByeRow, ...]
    encounters: tuple[EncounterRow, ...] = Field(description="those that were played, in the order of the plan")
    players: tuple[StandingRow, ...] = Field(description="best first")


class EncountersDocument(Document):
    """The encounters of a tournament that were played, in the order of the plan."""

    encounters: tuple[EncounterRow, ...]


DOCUMENTS: dict[str, type[Document]] = {
    "leaderboard": LeaderboardDocument,
    "crosstable": CrosstableDocument,
    "ratings": RatingsDocument,
    "payoff": PayoffDocument,
    "matches": MatchesDocument,
    "replays": ReplaysDocument,
    "bots": BotsDocument,
}
"""What the JSON of each table of a run holds, by the table's name."""

OF_TOURNAMENTS: dict[str, type[Document]] = {
    "standings": StandingsDocument,
    "encounters": EncountersDocument,
    "crosstable": CrosstableDocument,
}
"""What the JSON of each table of a tournament holds."""


def schema(table: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a table's JSON; what the records' docstrings say of a field is in it."""
    found = (DOCUMENTS | OF_TOURNAMENTS)[table].model_json_schema(mode="serialization", by_alias=True)
    for part in (found, *found.get("$defs", {}).values()):
        _describe(part)
    return {"$schema": DIALECT, "$id": f"urn:league-selfplay:{table}:{SCHEMA}", **found}


def schema_text(table: str) -> str:
    """The schema as a file."""
    return json.dumps(schema(table), indent=2, ensure_ascii=False) + "\n"


def _describe(part: dict[str, Any]) -> None:
    """Move the lines of a docstring's `Attributes` to the fields that they are of; titles that repeat a key go.

    Records refuse unknown fields, readers of a published file must not: a later version may tell more.
    """
    if part.get("additionalProperties") is False:
        del part["additionalProperties"]
    about, _, lines = part.get("description", "").partition("\n\nAttributes:\n")
    for name, field in part.get("properties", {}).items():
        field.pop("title", None)
        told = re.search(rf"^    {name}: (.*(?:\n     .*)*)", lines, re.MULTILINE)
        if told and "description" not in field:
            field["description"] = " ".join(told.group(1).split())
    if about:
        part["description"] = about
