"""Tournaments on the disk: made, found, and looked over.

A tournament is a folder: `tournament.json` says what it is and who plays, and is written once; `journal.jsonl` holds
every finished encounter, and `replays/` how its matches went. Who meets whom follows from the first two
(`matchmaking.tournaments`), and the seed of an encounter from its id, so whoever opens the folder again plays what is
missing and nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import Field, ValidationError

from league.config import EvaluationConfig, KeptMoves, Table
from league.entrants import Entrant, told_apart
from league.errors import InputError, StateMismatchError, suggestion
from league.files import replace_text
from league.journal import Journal, Played, parse
from league.replays import ReplayStore
from league.runs import NAME
from matchmaking.records import SCHEMA, Kind, Player, Record
from matchmaking.tournaments.core import Format, Kinds, TournamentError
from matchmaking.tournaments.gauntlet import Gauntlet
from matchmaking.tournaments.knockout import Knockout
from matchmaking.tournaments.round_robin import RoundRobin
from matchmaking.tournaments.swiss import Swiss

SETTINGS, JOURNAL, REPLAYS, FOLDER = "tournament.json", "journal.jsonl", "replays", "tournaments"
KEPT = EvaluationConfig()
"""What is kept of matches where nothing else is asked for: as in a run."""


class Member(Record):
    """Who plays in a tournament.

    Attributes:
        name: unique in the tournament, for people.
        text: by which the player is found again (`league.entrants`).
        kind: what it is made of.
        version: hash of its content, so that nobody is exchanged in the middle; None of a scripted player.
    """

    name: str
    text: str
    kind: Kind
    version: str | None


class Settings(Record):
    """What a tournament is: `tournament.json`.

    Attributes:
        schema_version: of this file and of the journal.
        name: of the tournament.
        format: its kind.
        arena: the game.
        arena_options: its options.
        players: in the order of their seeds.
        pairs: seat-swapped pairs of matches in each encounter.
        rounds: of a swiss tournament, or how often everybody meets everybody in a round robin.
        challengers: of a gauntlet: so many of the first players.
        double: of a knockout: whether one is out at the second loss only.
        seed: what all seeds of encounters follow from.
        temperature: of the policies' softmax; None takes the run's.
        replays: of which matches every move is kept: those where a bot takes part, all, or none.
        replays_size: bytes that they may take; beyond it the oldest go. 0 keeps all.
        created: seconds since the epoch.
    """

    schema_version: int = SCHEMA
    name: str
    format: Kinds
    arena: str
    arena_options: Table = Field(default_factory=dict)
    players: tuple[Member, ...]
    pairs: int
    rounds: int | None = None
    challengers: int = 1
    double: bool = False
    seed: int = 0
    temperature: float | None = None
    replays: KeptMoves = KEPT.replays
    replays_size: int = Field(default=KEPT.replays_size, ge=0)
    created: float = 0.0

    def schedule(self) -> Format:
        """Who meets whom.

        Raises:
            InputError: there is no such tournament; the message says what would be right.
        """
        players = [player.name for player in self.players]
        try:
            match self.format:
                case Kinds.ROUND_ROBIN:
                    return RoundRobin(players, self.pairs, 1 if self.rounds is None else self.rounds)
                case Kinds.GAUNTLET:
                    return Gauntlet(players, self.pairs, self.challengers)
                case Kinds.SWISS:
                    return Swiss(players, self.pairs, self.rounds)
                case Kinds.KNOCKOUT:
                    return Knockout(players, self.pairs, double=self.double)
        except TournamentError as error:
            raise InputError(str(error)) from error

    def members(self) -> dict[str, Player]:
        """The players by name, which is their id."""
        return {each.name: Player(id=each.name, name=each.name, kind=each.kind) for each in self.players}

    def seed_of(self, encounter: str) -> int:
        """The seed of an encounter: no other one's, whatever else is played before it."""
        digest = hashlib.sha256(f"{self.seed} {encounter}".encode()).digest()
        return int.from_bytes(digest[:6], "big")


@dataclass(frozen=True, slots=True)
class Tournament:
    """A tournament on the disk.

    Attributes:
        path: its folder.
        settings: what it is.
        schedule: who meets whom.
    """

    path: Path
    settings: Settings
    schedule: Format

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def replays(self) -> ReplayStore:
        """How the matches of its encounters went, as far as that is kept."""
        return ReplayStore(self.path / REPLAYS, self.settings.replays_size or None)

    def journal(self) -> Journal:
        """The journal, for this process alone.

        Raises:
            JournalBusyError: another process plays this tournament.
            StateMismatchError: the journal is damaged, or is not of this tournament.
        """
        journal = Journal(self.path / JOURNAL)
        try:
            self.check(journal.played)
        except BaseException:
            journal.close()
            raise
        return journal

    def read(self) -> dict[str, Played]:
        """What has been played, while another process may be playing on."""
        path = self.path / JOURNAL
        played = parse(path.read_bytes(), path) if path.exists() else {}
        self.check(played)
        return played

    def check(self, played: dict[str, Played]) -> None:
        """Raise StateMismatchError where a record is of no encounter of this tournament."""
        fixed = {
            each.id: each for each in self.schedule.plan({id: one.outcomes for id, one in played.items()}).encounters
        }
        for record in played.values():
            each = fixed.get(record.id)
            right = each is not None and (each.a, each.b, 2 * each.pairs) == (record.a, record.b, len(record.outcomes))
            if not right or record.seed != self.settings.seed_of(record.id):
                raise StateMismatchError(
                    f"{self.path / JOURNAL}: encounter {record.id} ({record.a} against {record.b}) does not belong to "
                    f"this tournament; {SETTINGS} or the journal was changed"
                )


def members(entrants: Sequence[Entrant], texts: Sequence[str]) -> tuple[Member, ...]:
    """The players of a tournament under names that are unique: a name that several have gets a number.

    Args:
        entrants: who plays.
        texts: by which each is found again.
    """
    names = told_apart([entrant.name for entrant in entrants])
    return tuple(
        Member(name=name, text=text, kind=entrant.kind, version=entrant.version)
        for name, text, entrant in zip(names, texts, entrants, strict=True)
    )


def create(root: Path, settings: Settings) -> Tournament:
    """Make the folder of a tournament.

    Args:
        root: the folder of tournaments.
        settings: what it is.

    Raises:
        InputError: the name is not valid or taken, or there is no such tournament of these players.
    """
    if not NAME.fullmatch(settings.name):
        raise InputError(
            f"{settings.name!r} is no name for a tournament: at most 64 letters, digits, '.', '_' and '-', a letter or "
            "digit first"
        )
    schedule = settings.schedule()
    path = root / settings.name
    if (path / SETTINGS).exists():
        raise InputError(
            f"there is a tournament {settings.name!r} in {root}: go on with it by "
            f"`league tournament --resume {settings.name}`, or choose another --name"
        )
    path.mkdir(parents=True, exist_ok=True)
    replace_text(path / SETTINGS, settings.model_dump_json(indent=2) + "\n")
    return Tournament(path, settings, schedule)


def load(path: Path) -> Tournament:
    """The tournament in a folder.

    Raises:
        StateMismatchError: it was written by another version, or is damaged.
    """
    file = path / SETTINGS
    try:
        settings = Settings.model_validate_json(file.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise StateMismatchError(f"{file}: {where}: {first['msg']}") from error
    if settings.schema_version != SCHEMA:
        raise StateMismatchError(
            f"{file} has schema {settings.schema_version} and this program reads schema {SCHEMA}: "
            "use the program that wrote it"
        )
    return Tournament(path, settings, settings.schedule())


def find(roots: Iterable[Path], name: str) -> Tournament:
    """The tournament of this name in the first of the folders that has it.

    Raises:
        InputError: there is none; the message gives the nearest name.
    """
    names = {file.parent.name: file.parent for root in reversed(list(roots)) for file in root.glob(f"*/{SETTINGS}")}
    if name not in names:
        raise InputError(f"there is no tournament {name!r}; {suggestion(name, names)}")
    return load(names[name])


def fresh_name(kind: Kinds) -> str:
    """A name for a tournament that was given none."""
    return f"{kind}-{datetime.now():%Y%m%d-%H%M%S}"


def check_unchanged(chosen: Sequence[Member], entrants: Sequence[Entrant]) -> None:
    """See that everybody is who it was when the tournament began.

    Raises:
        StateMismatchError: a bot's files or a checkpoint were changed.
    """
    for member, entrant in zip(chosen, entrants, strict=True):
        if member.version != entrant.version:
            raise StateMismatchError(
                f"{member.name} ({member.text}) is not what it was when the tournament began: its version is "
                f"{str(entrant.version)[:12]}, not {str(member.version)[:12]}; put it back, or start a new tournament"
            )
