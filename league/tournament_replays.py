"""Matches of a tournament found again, inside of a run or outside of any."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import arenas
from arenas.core import Arena
from arenas.replay import MatchRecord
from league.access import opened
from league.entrants import Entrants
from league.errors import InputError, suggestion
from league.replaying import Matches, played_again
from league.runs import RunFolder
from league.tournament import Tournament, check_unchanged
from matchmaking.records import MatchResult, Player


class MatchesOfTournament(Matches):
    """The encounters of a tournament. Its players' names are their ids.

    Args:
        tournament: which.
        run: in whose folder it lies; None outside of any.
    """

    heading, what, example = "encounter", "encounter", "r1.2"
    setting = "--replays, when the tournament was made,"

    def __init__(self, tournament: Tournament, run: RunFolder | None) -> None:
        self.run, self.tournament, self.place = run, tournament.name, f"tournament {tournament.name!r}"
        self.command = f"league replay --tournament {tournament.name}"
        self.store = tournament.replays
        self._tournament = tournament
        self._results = list(tournament.read().values())

    def players(self) -> dict[str, Player]:
        return self._tournament.settings.members()

    def id_of(self, text: str) -> str:
        players = self.players()
        if text not in players:
            raise InputError(f"no player {text!r} in {self.place}; {suggestion(text, players)}")
        return text

    def backwards(self) -> Iterator[MatchResult]:
        return reversed(self._results)

    def arena(self) -> Arena:
        settings = self._tournament.settings
        return arenas.make(settings.arena, **settings.arena_options)

    def again(self, arena: Arena, result: MatchResult, players: tuple[Player, Player]) -> list[MatchRecord]:
        settings = self._tournament.settings
        members = {member.name: member for member in settings.players}
        with (
            opened(self.run) if self.run else nullcontext() as matchmaker,
            Entrants(arena, run=self.run, matchmaker=matchmaker, temperature=settings.temperature) as entrants,
        ):
            chosen = [members[player.name] for player in players]
            found = [entrants.find(member.text) for member in chosen]
            check_unchanged(chosen, found)
            agents = found[0].actor, found[1].actor
            return played_again(arena, result, players, agents, settings.arena_options)
