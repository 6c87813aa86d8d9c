"""`league tournament`: a fault of the host's is no match."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import arenas
from arenas.core import Arena
from arenas.replay import MatchRecord
from league import tournament as tournaments
from league import tournament_play as playing
from league.config import BotsConfig
from league.entrants import Entrant
from league.journal import Played
from league.rated import PlayerFaultError
from league.tournament import Settings, Tournament
from league.tournament_play import BrokenOffError, Progress
from matchmaking.records import Kind, Player
from matchmaking.tournaments.core import Encounter, Kinds
from tests.league.cups import entrants

pytestmark = pytest.mark.usefixtures("at_home")
A_BOT = Player(id="b", name="b", kind=Kind.BOT)


def a_round_robin(root: Path, arena: Arena, *names: str) -> tuple[Tournament, list[Entrant]]:
    found, members = entrants(arena, *names)
    settings = Settings(name="cup", format=Kinds.ROUND_ROBIN, arena=arena.spec.name, players=members, pairs=1)
    return tournaments.create(root, settings), found


def test_a_fault_of_the_host_is_no_match(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arena = arenas.make("tic_tac_toe")
    tournament, found = a_round_robin(tmp_path, arena, "random", "perfect", "random", "perfect")
    meet, tried = playing._meet, Counter[str]()

    def faulty(encounter: Encounter, *rest: object) -> tuple[Played, list[MatchRecord]]:
        tried[encounter.id] += 1
        if encounter.id == "r1.2" and tried[encounter.id] < playing.TRIES:
            raise PlayerFaultError(A_BOT, "no process could be started")
        return meet(encounter, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(playing, "_meet", faulty)
    told: list[Progress] = []
    with tournament.journal() as journal:
        playing.play(tournament, journal, arena, found, BotsConfig(), told.append)
    assert tried == Counter({each.id: 1 for each in tournament.schedule.plan({}).encounters} | {"r1.2": 3})
    assert told[-1].encounter.id == "r1.2", "the others come first"
    assert (told[-1].number, told[-1].expected) == (6, 6)


def test_what_failed_waits_for_all_that_can_be_played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arena = arenas.make("tic_tac_toe")
    found, members = entrants(arena, *["random"] * 8)
    settings = Settings(name="cup", format=Kinds.KNOCKOUT, arena="tic_tac_toe", players=members, pairs=1)
    tournament, meet, tried = tournaments.create(tmp_path, settings), playing._meet, list[str]()

    def faulty(encounter: Encounter, *rest: object) -> tuple[Played, list[MatchRecord]]:
        tried.append(encounter.id)
        if encounter.id == "r1.1" and tried.count("r1.1") < playing.TRIES:
            raise PlayerFaultError(A_BOT, "no process could be started")
        return meet(encounter, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(playing, "_meet", faulty)
    with tournament.journal() as journal:
        playing.play(tournament, journal, arena, found, BotsConfig(), lambda _: None)
    again = [place for place, name in enumerate(tried) if name == "r1.1"]
    assert tried[again[1] - 1].startswith("r2.2"), "the other half of the bracket is ahead"


def test_a_host_that_always_fails_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arena = arenas.make("tic_tac_toe")
    tournament, found = a_round_robin(tmp_path, arena, "random", "perfect", "random")
    meet = playing._meet

    def faulty(encounter: Encounter, *rest: object) -> tuple[Played, list[MatchRecord]]:
        if encounter.id == "r2.1":
            raise PlayerFaultError(A_BOT, "no process could be started")
        return meet(encounter, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(playing, "_meet", faulty)
    with (
        tournament.journal() as journal,
        pytest.raises(BrokenOffError, match=r"round 2, .* broke off 3 times: no process could be started"),
    ):
        playing.play(tournament, journal, arena, found, BotsConfig(), lambda _: None)
    assert set(tournament.read()) == {"r1.1", "r3.1"}, "the others have been played"
