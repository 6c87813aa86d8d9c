"""Matches found again: from what was stored, or from their seed where only players of ours took part."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

import arenas
from agents.checkpoint import CheckpointStore
from agents.core import Agent
from arenas.core import Arena
from arenas.match import BATCH
from arenas.replay import MatchRecord
from league.config import Table
from league.errors import InputError, StateMismatchError
from league.files import read_bounded, replace_bytes
from league.rated import play_rated, records
from league.replays import ReplayStore
from league.roster import Roster, UnplayableError
from league.runs import RunFolder
from matchmaking.records import Kind, MatchResult, Pairing, Player
from matchmaking.service import Matchmaker

CHUNK = 2000  # results of the log that are read at once
AGAIN = (Kind.FROZEN, Kind.SCRIPTED)
"""Players that play the same match again from its seed."""

LARGEST = 256 * 1024**2  # bytes of a file of matches


class MatchFile(BaseModel):
    """What `league replay --json` and `league match --save` write.

    Attributes:
        matches: as they are stored; the two halves of a score duel are two.
    """

    model_config = ConfigDict(extra="ignore")

    matches: tuple[MatchRecord, ...] = Field(min_length=1)


class Matches(ABC):
    """Pairings that were played in one place, a run or a tournament.

    Attributes:
        tournament: its name; None of a run's rated matches.
        place: what it is, with its name, for messages.
        run: whose players and settings these are; None outside of a run.
        store: the replays.
        heading: what a pairing is called here.
        what: the same in full.
        example: the id of one, for messages.
        command: which lists them.
        setting: what says which matches are stored.
    """

    tournament: str | None = None
    place: str
    run: RunFolder | None
    store: ReplayStore
    heading: str
    what: str
    example: str
    command: str
    setting: str

    @abstractmethod
    def players(self) -> dict[str, Player]:
        """Who played, by id."""

    @abstractmethod
    def id_of(self, text: str) -> str:
        """The id of the player that a person means."""

    @abstractmethod
    def backwards(self) -> Iterator[MatchResult]:
        """What was played, the newest first."""

    @abstractmethod
    def arena(self) -> Arena:
        """The game, made anew."""

    @abstractmethod
    def again(self, arena: Arena, result: MatchResult, players: tuple[Player, Player]) -> list[MatchRecord]:
        """The matches of a pairing of our own players, played again from its seed.

        Raises:
            InputError: a player cannot play any more.
            StateMismatchError: they were played again, to another end.
        """

    def newest(self, count: int, player: str | None = None) -> list[MatchResult]:
        """The last pairings, the newest first; with `player` those of one player, by id."""
        results = (each for each in self.backwards() if player is None or player in (each.a, each.b))
        return list(islice(results, count))

    def find(self, text: str) -> tuple[MatchResult, int | None]:
        """The pairing, and which of its matches, that `PAIRING` or `PAIRING/INDEX` means.

        The first letters of an id are enough where no other begins so.

        Raises:
            InputError: there is none, or there are several.
        """
        written = re.fullmatch(r"([^/]+)(?:/(\d+))?", text)
        if written is None:
            kind = self.heading.upper()
            raise InputError(f"{text!r} is no match: expected {kind} or {kind}/INDEX, such as {self.example}/3")
        pairing, index = written[1], written[2]
        found: list[MatchResult] = []
        for result in self.backwards():
            if result.id == pairing:
                found = [result]
                break
            if result.id.startswith(pairing):
                found.append(result)
        if not found:
            raise InputError(f"no {self.what} {text!r} in {self.place}: `{self.command}` lists them")
        first = found[0]
        if len(found) > 1:
            raise InputError(
                f"{len(found)} {self.heading}s begin with {pairing!r}, such as {first.id} and {found[1].id}"
            )
        number = None if index is None else int(index)
        if number is not None and number >= len(first.outcomes):
            raise InputError(f"{self.heading} {first.id} has the matches 0 to {len(first.outcomes) - 1}, not {number}")
        return first, number

    def records(self, arena: Arena, result: MatchResult) -> list[MatchRecord]:
        """How the matches of a pairing went; the two halves of a score duel follow each other.

        Raises:
            InputError: they are not stored, and cannot be played again.
            StateMismatchError: they were played again, to another end.
            ReplayError: what is stored is damaged.
        """
        stored = self.store.load(result.id, result.worker)
        if stored is not None:
            return stored
        members = self.players()
        players = members[result.a], members[result.b]
        player = not_again(players)
        if player is not None:
            raise InputError(
                f"the moves of {result.id} are not stored, and it cannot be played again from its seed: "
                f"{player.name} is a {player.kind} ({self.setting} says what is stored)"
            )
        return self.again(arena, result, players)


class MatchesOfRun(Matches):
    """The rated matches of a run."""

    heading, what, example, command = "pairing", "rated match", "m_1f00ab", "league replay"
    setting = "the setting evaluation.replays"

    def __init__(self, run: RunFolder, matchmaker: Matchmaker) -> None:
        self.run, self.place = run, f"run {run.name!r}"
        self.store = ReplayStore(run.replays)
        self._run, self._matchmaker = run, matchmaker

    def players(self) -> dict[str, Player]:
        return {player.id: player for player in self._matchmaker.players()}

    def id_of(self, text: str) -> str:
        return self._matchmaker.find(text).id

    def backwards(self) -> Iterator[MatchResult]:
        queue = self._matchmaker.store.queue
        end = queue.num_matches()
        while end > 0:
            begin = max(end - CHUNK, 0)
            yield from reversed(queue.matches(begin, end - begin))
            end = begin

    def arena(self) -> Arena:
        config = self._run.config()
        return arenas.make(config.arena, **config.arena_options)

    def again(self, arena: Arena, result: MatchResult, players: tuple[Player, Player]) -> list[MatchRecord]:
        config = self._run.config()
        members = {player.id: player for player in players}
        checkpoints = CheckpointStore(self._run.checkpoints)
        roster = Roster(arena, checkpoints, config.evaluation.temperature, members.__getitem__)
        try:
            agents = roster.agent(result.a), roster.agent(result.b)
        except UnplayableError as error:
            raise InputError(str(error)) from error
        return played_again(arena, result, players, agents, config.arena_options)


def not_again(players: Iterable[Player]) -> Player | None:
    """The first of these who does not play the same match again from its seed; None where all do."""
    return next((player for player in players if player.kind not in AGAIN), None)


@contextmanager
def one_thread() -> Iterator[None]:
    """What is played here can be played again: sums of several threads, in another order, could round otherwise."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def played_again(
    arena: Arena, result: MatchResult, players: tuple[Player, Player], agents: tuple[Agent, Agent], options: Table
) -> list[MatchRecord]:
    """The matches of a result, from its seed.

    Raises:
        StateMismatchError: they end otherwise.
    """
    pairing = Pairing(id=result.id, a=result.a, b=result.b, pairs=len(result.outcomes) // 2, seed=result.seed)
    with one_thread():
        rated = play_rated(arena, pairing, players, agents, lambda: None, lanes=BATCH, record=True)
    if rated.outcomes != result.outcomes:
        raise StateMismatchError(
            f"{result.id} was played again from its seed and ended {rated.outcomes}, but the log says "
            f"{result.outcomes}: the game, a player or this machine's arithmetic is not what it was"
        )
    return records(result.id, rated.plays, rated.failures, players, arena, options)


def write_records(path: Path, matches: Sequence[MatchRecord]) -> None:
    """Write matches into a file that `read_records` reads.

    Raises:
        InputError: they are more than it reads.
        OSError: it cannot be written.
    """
    content = (MatchFile(matches=tuple(matches)).model_dump_json() + "\n").encode()
    if len(content) > LARGEST:
        raise InputError(
            f"{path} is not written: {len(matches):,} matches take {len(content):,} bytes, and at most {LARGEST:,} are "
            "read again; play fewer (-n)"
        )
    replace_bytes(path, content)


def read_records(path: Path) -> list[MatchRecord]:
    """Matches that `league replay --json` or `league match --save` wrote.

    Raises:
        InputError: they are none.
    """
    try:
        return list(MatchFile.model_validate_json(read_bounded(path, LARGEST)).matches)
    except ValidationError as error:
        raise InputError(f"{path} holds no match that `league replay --json` wrote") from error
