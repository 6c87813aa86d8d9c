"""Arenas by name: what there is, what is said when there is not, and plug-ins that cannot hurt."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

import arenas
from arenas.core import Arena
from arenas.registry import NATIVE, roles

PLUGIN = """
    from arenas.games.tic_tac_toe import TicTacToe

    class Corner(TicTacToe):
        def __init__(self, depth=1):
            if depth < 1:
                raise ValueError("depth starts at 1")
            self.depth = depth

    def not_an_arena():
        return 7

    def needs(**options):
        raise RuntimeError("no display")
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a package with entry points on the path, as pip would."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(package: str, **points: str) -> None:
        (tmp_path / f"{package}.py").write_text(textwrap.dedent(PLUGIN))
        info = tmp_path / f"{package}-1.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.5\n")
        lines = [f"{name} = {value}" for name, value in points.items()]
        (info / "entry_points.txt").write_text("\n".join(["[league.arenas]", *lines]) + "\n")

    return write


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def test_names_are_there_without_torch() -> None:
    code = "import arenas, sys; arenas.names(); arenas.describe('kuhn_poker'); print('torch' in sys.modules)"
    assert run(code) == "False"


@pytest.mark.parametrize("name", sorted(NATIVE))
def test_native(name: str) -> None:
    arena = arenas.make(name)
    assert arena.spec.name == name
    assert arena.spec.description == arenas.describe(name)
    assert arena.spec.roles == roles(name)
    assert name in arenas.names()


def test_names_are_sorted() -> None:
    assert arenas.names() == sorted(arenas.names())


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("conect_four", "did you mean connect_four?"),
        ("connect-four", "did you mean connect_four?"),
        ("Kuhn Poker", "did you mean kuhn_poker?"),
        ("petingzoo:classic/rps-v2", "did you mean pettingzoo:classic/rps-v2?"),
        ("pettingzoo:", "pettingzoo:classic/connect_four-v3"),
        ("gym:CartPole", "the prefixes are pettingzoo:, openspiel:"),
        ("zzzz", "there are connect_four, "),
        ("", "there are connect_four, "),
    ],
)
def test_unknown_name(wrong: str, hint: str) -> None:
    with pytest.raises(arenas.UnknownArenaError) as caught:
        arenas.make(wrong)
    assert hint in str(caught.value)
    assert repr(wrong) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_describe_unknown_name() -> None:
    with pytest.raises(arenas.UnknownArenaError, match="did you mean leduc_poker"):
        arenas.describe("leduc")


def test_describe_foreign_name() -> None:
    assert arenas.describe("openspiel:go") == "go of openspiel"


def test_unknown_option() -> None:
    with pytest.raises(arenas.ArenaOptionError, match="did you mean rounds"):
        arenas.make("rock_paper_scissors", round=3)
    with pytest.raises(arenas.ArenaOptionError, match="it takes no options"):
        arenas.make("tic_tac_toe", width=9)


@pytest.mark.parametrize("rounds", [0, -1, "3", 2.0])
def test_bad_value(rounds: object) -> None:
    with pytest.raises(arenas.ArenaOptionError, match=r"rounds has to be a whole number from 1, not "):
        arenas.make("rock_paper_scissors", rounds=rounds)


def test_an_option_called_name_is_no_option() -> None:
    """Found by the fuzzer: it was taken for the arena's own name."""
    with pytest.raises(arenas.ArenaOptionError, match="has no option 'name'"):
        arenas.make("spread", name="x")


@pytest.mark.parametrize("name", ["pettingzoo:classic/tictactoe-v3", "openspiel:kuhn_poker"])
def test_foreign_game(name: str) -> None:
    assert roles(name) == ()
    arena = arenas.make(name)
    assert arena.spec.name == name
    arena.close()


def test_plugin(install: Install) -> None:
    install("corner_arena", corner="corner_arena:Corner")
    assert "corner" in arenas.names()
    assert arenas.describe("corner") == "plug-in of corner_arena 1.5 (corner_arena:Corner)"
    arena = arenas.make("corner", depth=2)
    assert roles("corner", depth=2) == arena.spec.roles
    assert isinstance(arena, Arena)
    assert getattr(arena, "depth", None) == 2
    with pytest.raises(arenas.UnknownArenaError, match="did you mean corner"):
        arenas.make("cornr")


def test_plugin_options(install: Install) -> None:
    install("corner_options", corner="corner_options:Corner")
    with pytest.raises(arenas.ArenaOptionError, match="did you mean depth"):
        arenas.make("corner", depths=2)
    with pytest.raises(arenas.ArenaOptionError, match="depth starts at 1"):
        arenas.make("corner", depth=0)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("no_such_module:Corner", "No module named 'no_such_module'"),
        ("broken_arena:Missing", "has no attribute 'Missing'"),
        ("broken_arena:not_an_arena", "gave a int"),
        ("broken_arena:needs", "RuntimeError: no display"),
    ],
)
def test_broken_plugin(install: Install, value: str, message: str) -> None:
    """It is named, and others work as if it were not there."""
    install("broken_arena", broken=value)
    assert "broken" in arenas.names()
    assert arenas.make("tic_tac_toe").spec.name == "tic_tac_toe"
    with pytest.raises(arenas.ArenaLoadError) as caught:
        arenas.make("broken")
    assert message in str(caught.value)
    assert "'broken' of broken_arena 1.5" in str(caught.value)


def test_plugin_cannot_take_a_native_name(install: Install) -> None:
    install("thief", connect_four="thief:not_an_arena")
    assert arenas.make("connect_four").spec.num_actions == 7
    assert arenas.names().count("connect_four") == 1


def test_two_plugins_of_one_name(install: Install) -> None:
    install("first_arena", corner="first_arena:Corner")
    install("second_arena", corner="second_arena:Corner")
    assert arenas.names().count("corner") == 1
    with pytest.raises(arenas.ArenaLoadError) as caught:
        arenas.make("corner")
    assert "first_arena 1.5" in str(caught.value)
    assert "second_arena 1.5" in str(caught.value)
