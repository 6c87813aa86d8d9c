"""Tournaments: made, played encounter by encounter, and gone on with where they broke off.

A tournament is a folder: `tournament.json` says what it is and who plays, and is written once; `journal.jsonl` holds
every finished encounter. Who meets whom follows from the two (`matchmaking.tournaments`), and the seed of an encounter
from its id, so whoever opens the folder again plays what is missing and nothing else.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import Field, ValidationError

from agents.bots.core import InfraError
from arenas.core import Arena
from arenas.match import play_pairs
from league.bot_host import match_number
from league.config import BotsConfig, Table
from league.entrants import Entrant, batch_of
from league.errors import InputError, LeagueError, StateMismatchError, suggestion
from league.files import replace_text
from league.journal import Journal, Played, parse
from league.runs import NAME
from matchmaking.records import SCHEMA, Forfeit, Kind, Record
from matchmaking.tournaments.core import Encounter, Format, Kinds, TournamentError
from matchmaking.tournaments.gauntlet import Gauntlet
from matchmaking.tournaments.knockout import Knockout
from matchmaking.tournaments.round_robin import RoundRobin
from matchmaking.tournaments.swiss import Swiss

SETTINGS, JOURNAL, FOLDER = "tournament.json", "journal.jsonl", "tournaments"
TRIES = 3
"""How often an encounter may break off by a fault of the host before the tournament stops."""


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

    def seed_of(self, encounter: str) -> int:
        """The seed of an encounter: no other one's, whatever else is played before it."""
        digest = hashlib.sha256(f"{self.seed} {encounter}".encode()).digest()
        return int.from_bytes(digest[:6], "big")


class BrokenOffError(LeagueError):
    """An encounter could not be played, by a fault of the host and not of a player."""


@dataclass(frozen=True, slots=True)
class Progress:
    """An encounter that has just been played, for whoever shows it.

    Attributes:
        encounter: which.
        played: what came of it.
        number: how many have been played, this one included.
        expected: how many there will be, as far as one can tell.
    """

    encounter: Encounter
    played: Played
    number: int
    expected: int


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
    names = [entrant.name for entrant in entrants]
    seen: Counter[str] = Counter()
    found = []
    for entrant, text in zip(entrants, texts, strict=True):
        seen[entrant.name] += 1
        again = names.count(entrant.name) > 1
        name = f"{entrant.name}#{seen[entrant.name]}" if again else entrant.name
        found.append(Member(name=name, text=text, kind=entrant.kind, version=entrant.version))
    return tuple(found)


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


def check_unchanged(settings: Settings, entrants: Sequence[Entrant]) -> None:
    """See that everybody is who it was when the tournament began.

    Raises:
        StateMismatchError: a bot's files or a checkpoint were changed.
    """
    for member, entrant in zip(settings.players, entrants, strict=True):
        if member.version != entrant.version:
            raise StateMismatchError(
                f"{member.name} ({member.text}) is not what it was when the tournament began: its version is "
                f"{str(entrant.version)[:12]}, not {str(member.version)[:12]}; put it back, or start a new tournament"
            )


def play(
    tournament: Tournament,
    journal: Journal,
    arena: Arena,
    entrants: Sequence[Entrant],
    bots: BotsConfig,
    tell: Callable[[Progress], None],
) -> None:
    """Play what is missing, to the end.

    A fault of the host is no result: the encounter is tried again after the others that can be played.

    Args:
        tournament: which.
        journal: its journal.
        arena: the game.
        entrants: who plays, in the order of the tournament's players.
        bots: how bots are run.
        tell: is told of every encounter when it is in the journal.

    Raises:
        BrokenOffError: an encounter broke off `TRIES` times.
    """
    by_name = {member.name: entrant for member, entrant in zip(tournament.settings.players, entrants, strict=True)}
    faults: Counter[str] = Counter()
    while waiting := tournament.schedule.plan(journal.results).open(journal.results):
        waiting.sort(key=lambda each: faults[each.id])  # stable: else in the order of the plan
        for each in waiting:
            pair = by_name[each.a], by_name[each.b]
            try:
                record = _meet(each, pair, arena, tournament.settings.seed_of(each.id), batch_of(pair, bots))
            except InfraError as error:
                faults[each.id] += 1
                if faults[each.id] >= TRIES:
                    raise BrokenOffError(
                        f"{each.label}, {each.a} against {each.b}, broke off {TRIES} times: {error}"
                    ) from error
                continue
            finally:
                _rest(pair)
            journal.append(record)
            expected = max(tournament.schedule.expected, len(journal.played))
            tell(Progress(each, record, len(journal.played), expected))


def _meet(encounter: Encounter, pair: tuple[Entrant, Entrant], arena: Arena, seed: int, lanes: int) -> Played:
    """Play one encounter."""
    started = time.monotonic()
    for entrant in pair:
        if entrant.bot is not None:
            entrant.bot.pairing = encounter.id
            entrant.take_failures()
    played = play_pairs(arena, pair[0].actor, pair[1].actor, encounter.pairs, seed, batch=lanes)
    codes = [{match_number(record): record.code for record in entrant.take_failures()} for entrant in pair]
    forfeits = tuple(
        Forfeit(match=match, player=(encounter.a, encounter.b)[side], code=codes[side][match])
        for match, side in played.forfeits
    )
    return Played(
        id=encounter.id,
        a=encounter.a,
        b=encounter.b,
        seed=seed,
        outcomes=played.outcomes,
        forfeits=forfeits,
        seconds=round(time.monotonic() - started, 3),
        finished=round(time.time(), 3),
    )


def _rest(pair: Iterable[Entrant]) -> None:
    """End the processes of bots: a field of a hundred would fill the machine with those that wait."""
    for entrant in pair:
        if entrant.bot is not None:
            entrant.bot.close()
