"""Matches of a tournament: stored once, and played again to the same end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import arenas
from arenas.replay import MatchRecord, replay
from league.errors import StateMismatchError
from league.journal import Journal
from league.rated import Rated, play_rated
from league.replays import ReplayStore
from league.runs import RunFolder, create
from league.settings import resolve, set_layer
from league.tournament import JOURNAL, SETTINGS, load
from league.tournament_host import resume, start
from league.tournament_replays import MatchesOfTournament
from matchmaking.tournaments.core import Kinds
from tests.league.cups import call, error_of, journal_of, play, replays_of
from tests.league.cups import replay as shown

pytestmark = pytest.mark.usefixtures("at_home")
FIRST = "def act(observation, action_mask, clock):\n    return int(action_mask.nonzero()[0][0])\n"
BROKEN = "def act(observation, action_mask, clock):\n    raise ValueError('no idea')\n"


def matches(name: str = "cup") -> MatchesOfTournament:
    return MatchesOfTournament(load(Path("tournaments") / name), None)


def all_records(name: str = "cup") -> dict[str, list[MatchRecord]]:
    """The matches of a tournament by encounter."""
    found = matches(name)
    return {result.id: found.records(found.arena(), result) for result in found.newest(100)}


def ends(records: list[MatchRecord], a: str) -> str:
    """The outcomes that the arena's own rules come to, from a's view."""
    arena, letters = arenas.make("tic_tac_toe"), ""
    for record in records:
        *_, last = replay(arena, record)
        assert last.last
        mine = record.returns[record.players.index(a)]
        letters += "w" if mine > 0 else "l" if mine < 0 else "d"
    return letters


def test_every_match_is_played_again_to_the_same_end_stored_or_not() -> None:
    play("--format", "knockout", "--double", "--replays", "all", pairs=2)
    played, stored = journal_of("cup"), all_records()
    assert set(replays_of("cup")) == {f"{id}.jsonl.gz" for id in played}
    for id, record in played.items():
        assert [match.id for match in stored[id]] == [f"{id}/{number}" for number in range(len(record.outcomes))]
        assert ends(stored[id], record.a) == record.outcomes
    for path in Path("tournaments/cup/replays").iterdir():
        path.unlink()
    assert all_records() == stored, "from the seeds, move by move"


def test_another_end_is_an_error_and_not_a_guess() -> None:
    play("--format", "swiss")
    found = matches()
    result = found.find("r1.1")[0]
    other = result.model_copy(update={"outcomes": result.outcomes.translate(str.maketrans("wdl", "lld"))})
    with pytest.raises(StateMismatchError, match=f"ended {result.outcomes}, but the log says {other.outcomes}"):
        found.records(found.arena(), other)


def with_bots(home: Path, *words: str) -> None:
    (home / "first.py").write_text(FIRST)
    (home / "broken.py").write_text(BROKEN)
    players = ("first.py", "broken.py", "random", "perfect")
    options = ("--format", "round-robin", "--arena", "tic_tac_toe", "--pairs", "1", "--name", "cup")
    result = call(*players, *options, *words)
    assert result.exit_code == 0, result.output


def test_matches_of_bots_are_stored(at_home: Path) -> None:
    with_bots(at_home)
    played, stored = journal_of("cup"), all_records()
    guests = {id for id, record in played.items() if {record.a, record.b} & {"first", "broken"}}
    assert set(replays_of("cup")) == {f"{id}.jsonl.gz" for id in guests}
    assert len(guests) == len(played) - 1
    sound = next(id for id, record in played.items() if {record.a, record.b} == {"first", "random"})
    assert ends(stored[sound], played[sound].a) == played[sound].outcomes
    failed = next(id for id, record in played.items() if {record.a, record.b} == {"broken", "random"})
    assert [note.code for match in stored[failed] for note in match.forfeits] == ["CRASH", "CRASH"]
    assert "broken forfeits (CRASH: ValueError: no idea)" in shown("cup", failed).stdout
    # The author asks a bot again what was asked in the match.
    assert shown("cup", sound, "--against", "first.py").exit_code == 0
    mended = shown("cup", f"{failed}/0", "--against", "first.py")
    assert mended.exit_code == 1 and "now: it does not fail" in mended.stdout


def test_without_them_a_bots_matches_are_gone(at_home: Path) -> None:
    with_bots(at_home, "--replays", "none")
    assert replays_of("cup") == {}
    listed = shown("cup").stdout
    assert listed.count("not stored") == 5 and listed.count("from the seed") == 1
    bots = next(id for id, record in journal_of("cup").items() if record.a == "first")
    message = error_of(shown("cup", bots))
    assert f"the moves of {bots} are not stored, and it cannot be played again from its seed: first is a bot" in message
    assert "(--replays, when the tournament was made, says what is stored)" in message


def test_the_command(at_home: Path) -> None:
    play("--format", "swiss", "--replays", "all")
    order = list(journal_of("cup"))[::-1]
    newest = journal_of("cup")[order[0]]
    found = json.loads(shown("cup", "--json").stdout)
    assert (found["run"], found["tournament"]) == (None, "cup")
    rows = found["pairings"]
    assert [row["id"] for row in rows] == order
    assert all(row["stored"] for row in rows)
    own = json.loads(shown("cup", "--json", "--player", newest.a).stdout)["pairings"]
    assert own[0]["id"] == newest.id and len(own) < len(rows)
    assert shown("cup", "--last").stdout.startswith(f"{newest.id}/1  tic_tac_toe")
    assert shown("cup", f"{newest.id}/0").stdout.rstrip().endswith(("wins", "a draw"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("cup", "match.json"), "match.json is a file, and of no tournament: give either the file or --tournament"),
        (("cip",), "there is no tournament 'cip'; did you mean 'cup'?"),
        (("cup", "--player", "perfekt#1"), "no player 'perfekt#1' in tournament 'cup'; did you mean 'perfect#1'?"),
        (("cup", "x"), "no encounter 'x' in tournament 'cup': `league replay --tournament cup` lists them"),
        (("cup", "r1.1/x"), "expected ENCOUNTER or ENCOUNTER/INDEX, such as r1.2/3"),
        (("cup", "r1.1/2"), "encounter r1.1 has the matches 0 to 1, not 2"),
    ],
)
def test_mistakes_are_told_in_one_line(words: tuple[str, ...], message: str) -> None:
    play("--format", "swiss")
    assert message in error_of(shown(*words))


def test_in_a_run_its_settings_and_players_hold(made_up: RunFolder) -> None:
    where = ["--runs-dir", str(made_up.path.parent)]
    players = ["random", "alpha_beta:1", "alpha_beta:2"]
    result = call(*players, "--format", "swiss", "--rounds", "1", "--pairs", "1", "--name", "seen", *where)
    assert result.exit_code == 0, result.output
    settings, evaluation = load(made_up.path / "tournaments" / "seen").settings, made_up.config().evaluation
    assert (settings.replays, settings.replays_size) == (evaluation.replays, evaluation.replays_size)
    listed = json.loads(shown("seen", "--json", *where).stdout)
    assert (listed["run"], listed["tournament"]) == (made_up.name, "seen")
    again = shown("seen", "r1.1/0", "--json", *where)
    assert again.exit_code == 0, again.output
    (record,) = json.loads(again.stdout)["matches"]
    assert (record["id"], record["arena"]) == ("r1.1/0", "connect_four")


def test_played_and_played_again_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many the process has: sums in another order round otherwise."""
    seen = []

    def seeing(*arguments: Any, **options: Any) -> Rated:
        seen.append(torch.get_num_threads())
        return play_rated(*arguments, **options)

    monkeypatch.setattr("league.tournament_play.play_rated", seeing)
    monkeypatch.setattr("league.replaying.play_rated", seeing)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert call("random", "perfect", "--format", "swiss", "--arena", "tic_tac_toe", "--name", "cup").exit_code == 0
        all_records()
        assert (seen, torch.get_num_threads()) == ([1, 1], 3)
    finally:
        torch.set_num_threads(before)


def test_the_temperature_is_that_of_its_start(tmp_path: Path) -> None:
    """A run whose setting is changed later changes no tournament."""

    def nothing(_: object) -> None:
        pass

    config = resolve("tic_tac_toe", flags=[set_layer("evaluation.temperature=0.25")], environment={})
    run = create(tmp_path / "runs", config, "cool")
    within, without = (
        start(["random", "perfect"], Kinds.SWISS, made=nothing, tell=nothing, pairs=1, run=each, arena=arena)
        for each, arena in ((run, None), (None, "tic_tac_toe"))
    )
    assert load(within.path).settings.temperature == 0.25
    assert load(without.path).settings.temperature == 1.0
    old = without.settings.model_copy(update={"temperature": None})
    (without.path / SETTINGS).write_text(old.model_dump_json())
    resume(load(without.path), tell=nothing)
    assert list(all_records(without.name)) == ["r1.1"]


def test_they_keep_within_their_budget() -> None:
    play("--format", "round-robin", "--replays", "all", name="large")
    sizes = {name: len(content) for name, content in replays_of("large").items()}
    order = [f"{id}.jsonl.gz" for id in journal_of("large")]
    budget = sum(sizes[name] for name in order[-4:])
    play("--format", "round-robin", "--replays", "all", "--replays-size", str(budget))
    assert sorted(replays_of("cup")) == sorted(order[-4:]), "the oldest went"
    assert len(all_records()) == 10, "and are played again from their seeds"


class KilledError(BaseException):
    """As if the process had been killed here."""


def killed_at(number: int, method: Callable[..., None]) -> Callable[..., None]:
    """The method, which ends everything at its n-th call."""
    calls = 0

    def dying(*arguments: object) -> None:
        nonlocal calls
        calls += 1
        if calls == number:
            raise KilledError
        method(*arguments)

    return dying


@pytest.mark.parametrize("number", [1, 2, 6])
@pytest.mark.parametrize("where", ["between draft and journal", "between journal and keep"])
def test_killed_it_stores_each_once(where: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("--format", "swiss", "--rounds", "3", "--replays", "all")
    play(*words, name="calm")
    assert len(journal_of("calm")) == 6
    journaled = where == "between journal and keep"
    with monkeypatch.context() as patch:
        if journaled:
            patch.setattr(ReplayStore, "keep", killed_at(number, ReplayStore.keep))
        else:
            patch.setattr(Journal, "append", killed_at(number, Journal.append))
        with pytest.raises(KilledError):
            play(*words)
    assert len(journal_of("cup")) == number - (not journaled)
    assert sorted(name[0] == "." for name in replays_of("cup")) == [False] * (number - 1) + [True]
    assert call("--resume", "cup").exit_code == 0
    assert replays_of("cup") == replays_of("calm")


def test_a_replay_whose_encounter_nobody_knows_goes() -> None:
    play("--format", "swiss")
    path = Path("tournaments/cup") / JOURNAL
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    load(Path("tournaments/cup")).replays.draft("r9.9", "tournament", [])
    assert call("--resume", "cup").exit_code == 0
    assert replays_of("cup") == {}
