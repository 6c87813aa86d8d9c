"""Starter bots play at once, in every language and arena, and say where one's idea goes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import arenas
from agents.bots.check import check_bot
from agents.bots.core import Clocks
from agents.bots.manifest import BotRejectedError
from agents.bots.new import Language, NoTemplateError, fill, write_bot
from agents.bots.nursery import Nursery
from agents.bots.source import load_source

NATIVE = ("connect_four", "kuhn_poker", "leduc_poker", "rock_paper_scissors", "tic_tac_toe")
KAGGLES = ("connect_four", "rock_paper_scissors", "tic_tac_toe")
CLOCKS = Clocks(start=30.0, move=10.0, bank=10.0)
NEEDS = {Language.JAVASCRIPT: "node", Language.C: "cc"}


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as nursery:
        yield nursery


def _made(folder: Path, language: Language, name: str = "my_bot", arena: str = "connect_four") -> Path:
    tool = NEEDS.get(language)
    if tool is not None and shutil.which(tool) is None:
        pytest.skip(f"needs {tool}")
    write_bot(name, language, arenas.make(arena), folder)
    if language is Language.C:
        built = subprocess.run(["make", "-C", folder], capture_output=True, text=True, check=True)
        assert "warning" not in built.stdout + built.stderr
    return folder


@pytest.mark.parametrize("language", Language)
def test_a_starter_bot_plays_legal_moves(tmp_path: Path, language: Language, nursery: Nursery) -> None:
    folder = _made(tmp_path / "my_bot", language)
    source = load_source(folder)
    assert (source.name, source.arenas) == ("my_bot", ("connect_four",))
    report = check_bot(source, arenas.make("connect_four"), nursery, CLOCKS)
    assert report.ok, report.failures
    assert any(
        "YOUR IDEA GOES HERE" in path.read_text() for path in folder.iterdir() if path.suffix in (".py", ".js", ".c")
    )


@pytest.mark.parametrize("arena", NATIVE)
@pytest.mark.parametrize("language", [Language.PYTHON, Language.C])
def test_in_every_arena(tmp_path: Path, language: Language, arena: str, nursery: Nursery) -> None:
    source = load_source(_made(tmp_path / "my_bot", language, arena=arena))
    report = check_bot(source, arenas.make(arena), nursery, CLOCKS)
    assert report.ok, report.failures


@pytest.mark.parametrize("arena", KAGGLES)
def test_kaggles_games(tmp_path: Path, arena: str, nursery: Nursery) -> None:
    source = load_source(_made(tmp_path / "my_bot", Language.KAGGLE, arena=arena))
    assert source.language == "kaggle"
    assert check_bot(source, arenas.make(arena), nursery, CLOCKS).ok


def test_observations_of_another_size_than_the_starter_was_written_for(tmp_path: Path, nursery: Nursery) -> None:
    arena = arenas.make("connect_four", threats=True)
    for language in (Language.PYTHON, Language.C):
        source = load_source(_made(tmp_path / language, language))
        assert check_bot(source, arena, nursery, CLOCKS).ok


def test_kaggle_has_no_poker(tmp_path: Path) -> None:
    with pytest.raises(
        NoTemplateError, match="Kaggle has no game like kuhn_poker; --language kaggle is for connect_four"
    ):
        write_bot("x", Language.KAGGLE, arenas.make("kuhn_poker"), tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    arena = arenas.make("kuhn_poker")
    (tmp_path / "empty").mkdir()
    write_bot("x", Language.PYTHON, arena, tmp_path / "empty")
    with pytest.raises(NoTemplateError, match="exists and is not empty"):
        write_bot("x", Language.PYTHON, arena, tmp_path / "empty")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NoTemplateError, match="exists"):
        write_bot("x", Language.PYTHON, arena, tmp_path / "file")
    with pytest.raises(BotRejectedError, match="is no name for a bot"):
        write_bot("../x", Language.PYTHON, arena, tmp_path / "y")


def test_what_is_known_of_the_arena_is_in_the_file(tmp_path: Path) -> None:
    write_bot("deep", Language.PYTHON, arenas.make("tic_tac_toe"), tmp_path / "deep")
    text = (tmp_path / "deep" / "bot.py").read_text()
    assert text.startswith("# deep: a bot for tic_tac_toe.\n#\n# Mark cells in turn; three in a line wins.\n#\n")
    assert "# Observation [2, 3, 3]: the viewer's marks, the other side's marks.\n" in text
    assert "State:" not in text
    assert "# Observations are of shape [2, 3, 3], actions are 0 to 8.\n" in text
    assert "@" not in text


def test_a_value_of_several_lines_repeats_what_is_before_it() -> None:
    assert fill("a\n  // @X@\nb @Y@ c", {"X": "1\n\n2", "Y": "z"}) == "a\n  // 1\n  //\n  // 2\nb z c"


TUTORIAL = (Path(__file__).parents[3] / "docs" / "bots.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"```python\n(.*?)```", TUTORIAL, re.DOTALL)


@pytest.mark.parametrize("code", SHOWN)
def test_the_bots_of_the_tutorial_play(tmp_path: Path, code: str, nursery: Nursery) -> None:
    assert len(SHOWN) == 3
    (tmp_path / "shown.py").write_text(code)
    report = check_bot(load_source(tmp_path / "shown.py"), arenas.make("connect_four"), nursery, CLOCKS)
    assert report.ok, report.failures


TALK = [
    '{"type":"start","protocol":1,"spec":{"arena":"x\\"}{][","agents":["a","b\\\\"],"num_actions":3},"clocks":{}}',
    '{"type":"reset","id":1,"seed":4294967295,"agent":"player_0"}',
    '{ "id" : 2 , "type" : "act" , "action_mask" : [ 0 , 1 , 0 ] , "observation" : [ 0.5 , -1e3 , 2 ] }',
    '{"type":"news","id":3,"result":[[{"type":"act"}]]}',
    '{"type":"act","id":4,"observation":[],"action_mask":[0,0,1],"clock":{"move":1,"bank":1}}',
    '{"type":"reset","id":5,"seed":0,"agent":"player_1"}',
]
ANSWERS = [{"type": "ready"}, {"id": 1, "ok": True}, {"id": 2, "action": 1}]
LAST = {"id": 5, "ok": True}


@pytest.mark.parametrize("program", [["node", "bot.js"], ["./bot"]])
def test_the_programs_read_json_as_it_may_come(tmp_path: Path, program: list[str]) -> None:
    """Other orders, blanks, escapes, and messages that are news to them."""
    folder = _made(tmp_path / "x", Language.JAVASCRIPT if program[0] == "node" else Language.C)
    talk = [line for line in TALK if '"observation":[]' not in line]
    done = subprocess.run(program, cwd=folder, input="\n".join(talk) + "\n", capture_output=True, text=True, check=True)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [*ANSWERS, LAST]


@pytest.mark.parametrize(
    "line", ["", "x", "{", '{"type"', '{"type":"act"', '{"type":"act"}', '{"type":"act","observation":[1,']
)
def test_the_c_program_is_not_upset(tmp_path: Path, line: str) -> None:
    folder = _made(tmp_path / "x", Language.C)
    done = subprocess.run(["./bot"], cwd=folder, input=line + "\n", capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1)
    assert done.stdout == ""
