"""What a bot is, found from its files without running any of them."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from agents.bots.core import FailureCode
from agents.bots.manifest import BotRejectedError
from agents.bots.outline import outline
from agents.bots.source import BotSource, load_source
from agents.bots.staging import Bounds, Staging, content_hash

BOT = "class Bot:\n    def __init__(self, spec): ...\n    def act(self, observation, action_mask, clock): return 0\n"


def _write(path: Path, text: str, mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def _bare(tmp_path: Path, text: str) -> BotSource:
    return load_source(_write(tmp_path / "mine.py", text))


def test_a_bare_file_is_copied_alone(tmp_path: Path) -> None:
    _write(tmp_path / "secret.txt", "not the bot's")
    source = _bare(tmp_path, BOT)
    assert (source.name, source.language, source.entry, source.command) == ("mine", "python", "bot:Bot", ())
    assert source.arenas == ()
    assert source.size == len(BOT)
    assert [each.name for each in source.folder.iterdir()] == ["bot.py"]
    assert source.folder.is_absolute()
    assert source.folder.stat().st_mode & 0o777 == 0o755
    assert (source.folder / "bot.py").stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize(
    ("text", "language", "entry"),
    [
        ("def act(observation, action_mask, clock): return 0", "python", "bot:act"),
        (
            "def helper(): ...\ndef agent(observation, configuration): return 0\ndef later(x): ...",
            "kaggle",
            "bot:agent",
        ),
        ("def agent(obs): return 0", "kaggle", "bot:agent"),
        ("def helper(a, b): ...\ndef my_agent(obs, config): return 0", "kaggle", "bot:my_agent"),
        ("from engine import Search as Bot", "python", "bot:Bot"),
        ("def make(): ...\nagent = make()", "kaggle", "bot:agent"),
        (
            "try:\n    import numba\nexcept ImportError:\n    numba = None\nif True:\n    class Bot: ...",
            "python",
            "bot:Bot",
        ),
    ],
)
def test_the_bot_of_a_bare_file_is_found(tmp_path: Path, text: str, language: str, entry: str) -> None:
    source = _bare(tmp_path, text)
    assert (source.language, source.entry) == (language, entry)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class Bt: ...", r"^bot.py defines no bot \(it does define Bt\): write `class Bot`"),
        ("x = 1", "^bot.py defines no bot: write `class Bot`"),
        ("class Bot: ...\ndef agent(obs, config): ...", "^bot.py defines Bot and agent, and only one of them can be"),
        ("def one(obs, config): ...\ndef two(obs, config): ...", "^bot.py defines one and two, and only one"),
        ("def act(observation): return 0", None),
        ("def act(a, b, c, d): return 0", r"^bot.py:1: act takes 4 arguments; right would be act\(observation, action"),
        ("def act(): return 0", "^bot.py:1: act takes 0 arguments"),
        ("\n\nreturn = 1", "^bot.py:3: invalid syntax"),
        ("x = '\0'", "^bot.py"),
    ],
)
def test_files_without_a_bot(tmp_path: Path, text: str, message: str | None) -> None:
    if message is None:  # one argument is Kaggle's
        assert _bare(tmp_path, text).language == "kaggle"
        return
    with pytest.raises(BotRejectedError, match=message) as caught:
        _bare(tmp_path, text)
    assert caught.value.record.code is FailureCode.IMPORT_ERROR


def test_a_syntax_error_shows_its_line(tmp_path: Path) -> None:
    with pytest.raises(BotRejectedError) as caught:
        _bare(tmp_path, "def act(o, m, c):\n    return 1 +\n")
    assert caught.value.record.traceback == '  File "bot.py", line 2\n    return 1 +\n'


def test_nothing_of_a_bot_is_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    source = _bare(tmp_path, f"open({str(ran)!r}, 'w').close()\n{BOT}")
    assert source.entry == "bot:Bot"
    assert not ran.exists()
    assert "bot" not in sys.modules


@pytest.mark.parametrize("text", ["x = " + "(" * 100_000, "x = " + "-" * 200_000 + "1", "x = [" * 3000])
def test_files_that_are_written_against_the_parser(tmp_path: Path, text: str) -> None:
    with pytest.raises(BotRejectedError, match=r"^bot.py"):
        _bare(tmp_path, text)


@pytest.mark.slow
def test_a_file_that_takes_all_memory_takes_that_of_another_process() -> None:
    found = outline(b"x = [" + b"1," * 30_000_000 + b"]")
    assert "cannot be parsed" in found.error


def test_a_folder_with_a_manifest(tmp_path: Path) -> None:
    folder = tmp_path / "deep"
    _write(folder / "bot.toml", 'name = "Deep"\nentry = "engine.search:Player"\narenas = ["connect_four"]\n')
    _write(folder / "engine" / "search.py", "class Player: ...")
    _write(folder / "weights.bin", "1234")
    _write(folder / "__pycache__" / "x.pyc", "junk")
    source = load_source(folder)
    assert (source.name, source.entry, source.arenas) == ("Deep", "engine.search:Player", ("connect_four",))
    assert not (source.folder / "__pycache__").exists()
    assert (source.folder / "weights.bin").read_text() == "1234"


def test_a_folder_with_a_command(tmp_path: Path) -> None:
    folder = tmp_path / "native"
    _write(folder / "bot.toml", 'command = ["./run", "--fast"]')
    _write(folder / "run", "#!/bin/sh\n", 0o755)
    source = load_source(folder)
    assert (source.name, source.language, source.entry) == ("native", "command", "")
    assert source.command == (str(source.folder / "run"), "--fast")
    assert os.access(source.folder / "run", os.X_OK)


@pytest.mark.parametrize(("files", "module"), [(["main.py", "util.py"], "main"), (["only.py"], "only")])
def test_a_folder_without_a_manifest(tmp_path: Path, files: list[str], module: str) -> None:
    for file in files:
        _write(tmp_path / "bot" / file, BOT if file == f"{module}.py" else "")
    assert load_source(tmp_path / "bot").entry == f"{module}:Bot"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "the folder has no bot.toml and no .py file: write bot.toml"),
        ({"a.py": BOT, "b.py": BOT}, "the folder has no bot.toml and 2 .py files"),
        ({"my-bot.py": BOT}, "'my-bot.py' cannot be imported under this name: call it bot.py"),
        (
            {"bot.toml": 'entry = "bto:Bot"', "bot.py": BOT},
            "no bto.py in the bot's folder; did you mean bot.py",
        ),
        ({"bot.toml": 'entry = "bot:Bto"', "bot.py": BOT}, 'entry "bot:Bto": bot.py defines no Bto; did you mean Bot?'),
        ({"bot.toml": 'entry = "bot:Bot"'}, "there is no bot.py in the bot's folder; it has no .py file"),
    ],
)
def test_folders_that_are_no_bot(tmp_path: Path, files: dict[str, str], message: str) -> None:
    (tmp_path / "x").mkdir()
    for name, text in files.items():
        _write(tmp_path / "x" / name, text)
    with pytest.raises(BotRejectedError, match=message):
        load_source(tmp_path / "x")


def test_a_name_that_a_star_may_bring_is_believed(tmp_path: Path) -> None:
    _write(tmp_path / "x" / "bot.toml", 'entry = "bot:Bot"')
    _write(tmp_path / "x" / "bot.py", "from engine import *")
    assert load_source(tmp_path / "x").language == "python"


def test_the_version_is_the_contents_hash(tmp_path: Path) -> None:
    def version(name: str, text: str = BOT, mode: int = 0o644) -> str:
        _write(tmp_path / name / "bot.py", text)
        _write(tmp_path / name / "data" / "x", "1", mode)
        return load_source(tmp_path / name).version

    first = version("a")
    assert first == version("b")
    (tmp_path / "a" / "empty").mkdir()
    os.utime(tmp_path / "a" / "bot.py", (1, 1))
    assert first == version("a")
    assert len({first, version("c", BOT + "\n"), version("d", mode=0o755)}) == 3
    (tmp_path / "b" / "data" / "x").rename(tmp_path / "b" / "data" / "y")
    assert load_source(tmp_path / "b").version != first


def test_the_version_can_be_computed_by_hand(tmp_path: Path) -> None:
    """The form is fixed: players are known by it."""
    _write(tmp_path / "bot.py", "x")
    _write(tmp_path / "run", "y", 0o755)
    # printf 'league bot 1\n%s - bot.py\n%s x run\n' $(printf x | sha256sum) $(printf y | sha256sum) | sha256sum
    assert content_hash(tmp_path) == ("ce269d085c45c1104dbb41408ca782f37e115b841fd5631d3c494c960b8cb0c7", 2)


def test_links_and_special_files_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "bot"
    _write(folder / "bot.py", BOT)
    (folder / "passwd").symlink_to("/etc/passwd")
    with pytest.raises(BotRejectedError, match="'passwd' is a symbolic link") as caught:
        load_source(folder)
    assert caught.value.record.code is FailureCode.SANDBOX_DENIED
    (folder / "passwd").unlink()
    (folder / "sub").symlink_to("/etc", target_is_directory=True)
    with pytest.raises(BotRejectedError, match="'sub' is a symbolic link"):
        load_source(folder)
    (folder / "sub").unlink()
    os.mkfifo(folder / "pipe")
    with pytest.raises(BotRejectedError, match="'pipe' is a named pipe"):
        load_source(folder)
    (folder / "pipe").unlink()
    (tmp_path / "link.py").symlink_to(folder / "bot.py")
    with pytest.raises(BotRejectedError, match=r"link.py' is a symbolic link: give the file"):
        load_source(tmp_path / "link.py")
    os.mkfifo(tmp_path / "pipe.py")
    with pytest.raises(BotRejectedError, match=r"'pipe.py' is a named pipe"):
        load_source(tmp_path / "pipe.py")


def test_a_bot_of_a_gigabyte_is_refused_unread(tmp_path: Path) -> None:
    big = tmp_path / "big.py"
    with big.open("wb") as file:
        file.truncate(1024**3)  # a sparse file: nothing of it is on the disk
    with pytest.raises(BotRejectedError, match=r"has 1,073,741,824 bytes or more; at most 20,971,520 are taken"):
        load_source(big)


def test_bounds_hold_for_all_files_together(tmp_path: Path) -> None:
    for number in range(4):
        _write(tmp_path / "x" / f"f{number}.py", "x" * 30)
    with pytest.raises(BotRejectedError, match="has 120 bytes or more; at most 100"):
        load_source(tmp_path / "x", Bounds(size=100))
    with pytest.raises(BotRejectedError, match="more than 3 files and folders"):
        load_source(tmp_path / "x", Bounds(files=3))
    _write(tmp_path / "y" / "a/b/c/d.py", "")
    with pytest.raises(BotRejectedError, match="lies 4 folders deep"):
        load_source(tmp_path / "y", Bounds(depth=3))


class _Endless(io.RawIOBase):
    """A file that grows while it is read."""

    given = 0

    def read(self, size: int = -1) -> bytes:
        self.given += size
        return bytes(size)


def test_a_file_that_grows_while_it_is_copied(tmp_path: Path) -> None:
    endless = _Endless()
    with pytest.raises(BotRejectedError, match="is larger than the 100 bytes that it is said to have"):
        Staging(tmp_path, Bounds()).add("x", cast(BinaryIO, endless), 100, False)
    assert endless.given < 200_000
    with pytest.raises(BotRejectedError, match="'y' has 3 bytes, not the 100"):
        Staging(tmp_path, Bounds()).add("y", io.BytesIO(b"few"), 100, False)


def test_what_is_no_bot_says_what_one_is(tmp_path: Path) -> None:
    _write(tmp_path / "my_bot.py", BOT)
    with pytest.raises(BotRejectedError, match=r"there is no .*my_bto.py'; did you mean .*my_bot.py'\?"):
        load_source(tmp_path / "my_bto.py")
    _write(tmp_path / "notes.txt", "")
    with pytest.raises(BotRejectedError, match=r"notes.txt' is no bot: a bot is a .py file, a folder with bot.toml"):
        load_source(tmp_path / "notes.txt")


def test_names_of_files_become_names_of_bots(tmp_path: Path) -> None:
    assert load_source(_write(tmp_path / "my bot (2).py", BOT)).name == "my_bot_2"
    assert load_source(_write(tmp_path / "....py", BOT)).name == "bot"
