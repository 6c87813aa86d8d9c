"""A tournament played: encounter by encounter, each in the journal once, and its replay beside it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from arenas.core import Arena
from arenas.replay import MatchRecord
from league.config import BotsConfig
from league.entrants import Entrant, batch_of
from league.errors import LeagueError
from league.journal import WORKER, Journal, Played
from league.rated import PlayerFaultError, play_rated, records
from league.replays import are_kept
from league.tournament import Settings, Tournament
from matchmaking.records import Pairing
from matchmaking.tournaments.core import Encounter

TRIES = 3
"""How often an encounter may break off by a fault of the host before the tournament stops."""


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
    settle(tournament, journal)
    replays = tournament.replays
    while waiting := tournament.schedule.plan(journal.results).open(journal.results):
        waiting.sort(key=lambda each: faults[each.id])  # stable: else in the order of the plan
        for each in waiting:
            pair = by_name[each.a], by_name[each.b]
            try:
                record, moves = _meet(each, pair, arena, tournament.settings, batch_of(pair, bots))
            except PlayerFaultError as error:
                faults[each.id] += 1
                if faults[each.id] >= TRIES:
                    raise BrokenOffError(
                        f"{each.label}, {each.a} against {each.b}, broke off {TRIES} times: {error}"
                    ) from error
                continue
            finally:
                _rest(pair)
            if moves:
                replays.draft(each.id, WORKER, moves)
            journal.append(record)
            if moves:
                replays.keep(each.id, WORKER)
            expected = max(tournament.schedule.expected, len(journal.played))
            tell(Progress(each, record, len(journal.played), expected))
    replays.prune()


def settle(tournament: Tournament, journal: Journal) -> None:
    """Decide on the replay that a killed process had written: it stands where its encounter is in the journal.

    Only who has the journal open may ask.
    """
    replays = tournament.replays
    for encounter in sorted(replays.drafts(WORKER)):
        if encounter in journal.played:
            replays.keep(encounter, WORKER)
        else:
            replays.discard(encounter, WORKER)


def _meet(
    encounter: Encounter, pair: tuple[Entrant, Entrant], arena: Arena, settings: Settings, lanes: int
) -> tuple[Played, list[MatchRecord]]:
    """Play one encounter; its matches are written down where they are kept."""
    started = time.monotonic()
    for entrant in pair:
        if entrant.bot is not None:
            entrant.bot.pairing = encounter.id
            entrant.take_failures()
    members = settings.members()
    players = members[encounter.a], members[encounter.b]
    pairing = Pairing(
        id=encounter.id,
        a=encounter.a,
        b=encounter.b,
        pairs=encounter.pairs,
        seed=settings.seed_of(encounter.id),
    )
    kept = are_kept(settings.replays, [player.kind for player in players])
    agents = pair[0].actor, pair[1].actor
    rated = play_rated(arena, pairing, players, agents, lambda: None, lanes=lanes, record=kept)
    played = Played(
        id=encounter.id,
        a=encounter.a,
        b=encounter.b,
        seed=pairing.seed,
        outcomes=rated.outcomes,
        forfeits=rated.forfeits,
        seconds=round(time.monotonic() - started, 3),
        finished=round(time.time(), 3),
    )
    moves = records(encounter.id, rated.plays, rated.failures, players, arena, settings.arena_options)
    return played, moves


def _rest(pair: Iterable[Entrant]) -> None:
    """End the processes of bots: a field of a hundred would fill the machine with those that wait."""
    for entrant in pair:
        if entrant.bot is not None:
            entrant.bot.close()
