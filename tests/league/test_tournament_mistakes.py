"""`league tournament`: what is refused, in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

import arenas
from league import tournament as tournaments
from league.entrants import Entrant, Entrants
from league.errors import InputError, StateMismatchError
from league.journal import Journal
from league.tournament import JOURNAL, SETTINGS, Member, Settings
from matchmaking.records import Kind
from matchmaking.tournaments.core import Kinds
from tests.league.cups import call, entrants, error_of, play

pytestmark = pytest.mark.usefixtures("at_home")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a", "b"], "--format is missing: round-robin, gauntlet, swiss, knockout"),
        (["random", "--format", "swiss"], "a tournament needs at least 2 players, not 1"),
        (
            ["random", "perfect", "--format", "knockout", "--rounds", "3"],
            "--rounds is of swiss and round-robin, not of knockout",
        ),
        (["random", "perfect", "--format", "swiss", "--double"], "--double is of knockout, not of swiss"),
        (
            ["random", "perfect", "--format", "swiss", "--challengers", "1"],
            "--challengers is of gauntlet, not of swiss",
        ),
        (
            ["random", "perfect", "--format", "swiss", "--rounds", "2"],
            "a swiss tournament of 2 players has 1 to 1 rounds, not 2",
        ),
        (["random", "perfect", "--format", "gauntlet", "--challengers", "2"], "has 1 to 1 challengers, not 2"),
        (["random", "prefect", "--format", "swiss"], "no scripted player 'prefect': did you mean 'perfect'?"),
        (["random", "perfect", "--format", "swiss", "--name", "a/b"], "'a/b' is no name for a tournament"),
        (["random", "perfect", "--format", "swiss", "--run", "x"], "--run brings its own arena"),
    ],
)
def test_mistakes_are_told_in_one_line(words: list[str], message: str) -> None:
    assert message in error_of(call(*words, "--arena", "tic_tac_toe"))
    assert not Path("tournaments").exists(), "and nothing is made"


def test_names_of_tournaments() -> None:
    assert play("--format", "knockout").exit_code == 0
    assert "go on with it by `league tournament --resume cup`" in error_of(play("--format", "knockout"))
    assert error_of(call("--resume", "cip")) == "there is no tournament 'cip'; did you mean 'cup'?"
    assert "players and options stand" in error_of(call("--resume", "cup", "--pairs", "3"))
    assert "players and options stand" in error_of(call("--resume", "cup", "--seed", "0"))
    assert "players and options stand" in error_of(call("random", "--resume", "cup"))
    assert "or name the game with --arena" in error_of(call("random", "perfect", "--format", "swiss"))


def test_nought_is_a_value_like_any_other() -> None:
    assert play("--format", "swiss", "--replays-size", "0", "--temperature", "0").exit_code == 0
    settings = tournaments.load(Path("tournaments/cup")).settings
    assert (settings.replays_size, settings.temperature) == (0, 0.0)


def test_a_journal_of_another_tournament_is_refused() -> None:
    play("--format", "round-robin")
    play("--format", "round-robin", "--seed", "1", name="other")
    Path("tournaments/cup", JOURNAL).write_bytes(Path("tournaments/other", JOURNAL).read_bytes())
    assert "does not belong to this tournament" in error_of(call("--resume", "cup"), 4)
    with pytest.raises(StateMismatchError, match="does not belong"):
        tournaments.load(Path("tournaments/cup")).journal()
    Journal(Path("tournaments/cup", JOURNAL)).close()  # and is free again


def test_another_version_is_refused() -> None:
    play("--format", "round-robin")
    path = Path("tournaments/cup", SETTINGS)
    text = path.read_text()
    path.write_text(text.replace('"schema_version": 2', '"schema_version": 1'))
    assert "has schema 1 and this program reads schema" in error_of(call("--resume", "cup"), 4)
    path.write_text(text.replace('"round-robin"', '"rond-robin"'))
    assert f"{path}: format: Input should be" in error_of(call("--resume", "cup"), 4)


def test_entrants_of_equal_names_are_told_apart() -> None:
    arena = arenas.make("tic_tac_toe")
    _, members = entrants(arena, "random", "perfect", "random")
    assert [member.name for member in members] == ["random#1", "perfect", "random#2"]


def test_nothing_is_made_of_players_that_make_no_tournament(tmp_path: Path) -> None:
    arena = arenas.make("tic_tac_toe")
    _, members = entrants(arena, "random")
    settings = Settings(name="cup", format=Kinds.SWISS, arena="tic_tac_toe", players=members, pairs=1)
    with pytest.raises(InputError, match="at least 2 players"):
        tournaments.create(tmp_path / "made", settings)
    assert not (tmp_path / "made").exists()


def test_unchanged_is_checked_by_version() -> None:
    member = Member(name="x", text="x.py", kind=Kind.BOT, version="a" * 64)
    settings = Settings(name="cup", format=Kinds.SWISS, arena="x", players=(member,), pairs=1)
    same = Entrant("x.py", "x", Kind.BOT, "a" * 64, object())  # type: ignore[arg-type]
    tournaments.check_unchanged(settings.players, [same])
    with pytest.raises(StateMismatchError, match="its version is bbbbbbbbbbbb, not aaaaaaaaaaaa"):
        tournaments.check_unchanged(settings.players, [Entrant("x.py", "x", Kind.BOT, "b" * 64, same.actor)])


def test_entrants_close_their_bots() -> None:
    with Entrants(arenas.make("tic_tac_toe")) as some:
        assert some.find("random").bot is None
