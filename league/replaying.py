"""Matches of a run found again: from what was stored, or from their seed where only players of ours took part."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, ValidationError

from agents.checkpoint import CheckpointStore
from arenas.core import Arena
from arenas.match import BATCH
from arenas.replay import MatchRecord
from league.errors import InputError, StateMismatchError
from league.files import read_bounded
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
    """What `league replay --json` writes.

    Attributes:
        matches: as they are stored; the two halves of a score duel are two.
    """

    model_config = ConfigDict(extra="ignore")

    matches: tuple[MatchRecord, ...]


def newest(matchmaker: Matchmaker, count: int, player: str | None = None) -> list[MatchResult]:
    """The last rated pairings, the newest first; with `player` those of one player, by id."""
    results = (each for each in _backwards(matchmaker) if player is None or player in (each.a, each.b))
    return list(islice(results, count))


def _backwards(matchmaker: Matchmaker) -> Iterator[MatchResult]:
    """The log of rated matches, the newest first."""
    end = matchmaker.store.queue.num_matches()
    while end > 0:
        begin = max(end - CHUNK, 0)
        yield from reversed(matchmaker.store.queue.matches(begin, end - begin))
        end = begin


def find_result(matchmaker: Matchmaker, text: str) -> tuple[MatchResult, int | None]:
    """The rated pairing, and which of its matches, that `PAIRING` or `PAIRING/INDEX` means.

    The first letters of an id are enough where no other begins so.

    Raises:
        InputError: there is none, or there are several.
    """
    written = re.fullmatch(r"([^/]+)(?:/(\d+))?", text)
    if written is None:
        raise InputError(f"{text!r} is no match: expected PAIRING or PAIRING/INDEX, such as m_1f00ab/3")
    pairing, index = written[1], written[2]
    found: list[MatchResult] = []
    for result in _backwards(matchmaker):
        if result.id == pairing:
            found = [result]
            break
        if result.id.startswith(pairing):
            found.append(result)
    if not found:
        raise InputError(f"no rated match {text!r} in run {matchmaker.store.info.name!r}: `league replay` lists them")
    if len(found) > 1:
        raise InputError(f"{len(found)} pairings begin with {pairing!r}, such as {found[0].id} and {found[1].id}")
    number = None if index is None else int(index)
    if number is not None and number >= len(found[0].outcomes):
        raise InputError(f"pairing {found[0].id} has the matches 0 to {len(found[0].outcomes) - 1}, not {number}")
    return found[0], number


def load_records(run: RunFolder, matchmaker: Matchmaker, arena: Arena, result: MatchResult) -> list[MatchRecord]:
    """How the matches of a pairing went; the two halves of a score duel follow each other.

    Raises:
        InputError: they are not stored, and cannot be played again.
        StateMismatchError: they were played again, to another end.
        ReplayError: what is stored is damaged.
    """
    stored = ReplayStore(run.replays).load(result.id, result.worker)
    if stored is not None:
        return stored
    members = {player.id: player for player in matchmaker.players()}
    players = members[result.a], members[result.b]
    for player in players:
        if player.kind not in AGAIN:
            raise InputError(
                f"the moves of {result.id} are not stored, and it cannot be played again from its seed: "
                f"{player.name} is a {player.kind} (the setting evaluation.replays says what is stored)"
            )
    return _play_again(run, arena, result, players)


def _play_again(run: RunFolder, arena: Arena, result: MatchResult, players: tuple[Player, Player]) -> list[MatchRecord]:
    config = run.config()
    members = {player.id: player for player in players}
    roster = Roster(arena, CheckpointStore(run.checkpoints), config.evaluation.temperature, members.__getitem__)
    try:
        agents = roster.agent(result.a), roster.agent(result.b)
    except UnplayableError as error:
        raise InputError(str(error)) from error
    pairing = Pairing(id=result.id, a=result.a, b=result.b, pairs=len(result.outcomes) // 2, seed=result.seed)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as an evaluator: sums in another order could round otherwise
    try:
        rated = play_rated(arena, pairing, players, agents, lambda: None, lanes=BATCH, record=True)
    finally:
        torch.set_num_threads(threads)
    if rated.outcomes != result.outcomes:
        raise StateMismatchError(
            f"{result.id} was played again from its seed and ended {rated.outcomes}, but the log says "
            f"{result.outcomes}: the game, a player or this machine's arithmetic is not what it was"
        )
    return records(rated, pairing, players, arena, config.arena_options)


def read_records(path: Path) -> list[MatchRecord]:
    """Matches that `league replay --json` wrote.

    Raises:
        InputError: they are none.
    """
    try:
        return list(MatchFile.model_validate_json(read_bounded(path, LARGEST)).matches)
    except ValidationError as error:
        raise InputError(f"{path} holds no match that `league replay --json` wrote") from error
