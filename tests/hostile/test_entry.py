"""Bots that are rejected before anything of them runs: archives, names, manifests, sizes, sources."""

from __future__ import annotations

import gzip
import io
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.bots.core import FailureCode, FailureRecord, Phase
from agents.bots.manifest import BotRejectedError
from agents.bots.source import load_source
from agents.bots.staging import Bounds
from agents.bots.store import BotStore
from tests.agents.bots.bots import RANDOM
from tests.hostile.ground import Host, prints

BOUNDS = Bounds(size=1024**2, files=50)
GOOD = "act = lambda observation, action_mask, clock: 0\n"
TOML = 'entry = "bot:act"\n'
DENIED, REJECTED = FailureCode.SANDBOX_DENIED, FailureCode.IMPORT_ERROR
Member = tuple[tarfile.TarInfo, bytes]


@pytest.fixture
def rejection(host: Host, tmp_path: Path) -> Callable[[Path], FailureRecord]:
    """Enters a bot into a store; nothing of it may stay, and nothing may lie outside."""

    def enter(path: Path) -> FailureRecord:
        store = BotStore(tmp_path / "store/bots")
        outside = prints(tmp_path)
        with pytest.raises(BotRejectedError) as caught:
            store.add(path, BOUNDS)
        (tmp_path / "store/bots").rmdir()  # it is empty
        (tmp_path / "store").rmdir()
        assert {file: each for file, each in prints(tmp_path).items() if file != tmp_path} == {
            file: each for file, each in outside.items() if file != tmp_path
        }
        with pytest.raises(BotRejectedError):
            load_source(path, BOUNDS)
        record = caught.value.record
        assert record.phase is Phase.IMPORT
        for text in (record.message, record.traceback):
            assert all(letter.isprintable() or letter == "\n" for letter in text), repr(text)
            assert len(text) < 2000
        return record

    return enter


def folder(place: Path, **files: str | bytes) -> Path:
    """A bot as a folder; `__` in a name is a dot."""
    made = place / "entered"
    made.mkdir()
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (made / name.replace("__", ".")).write_bytes(data)
    return made


def file_in(name: str, content: bytes = b"x", mode: int = 0o644) -> Member:
    """A regular file of a tar archive."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), mode
    return member, content


def special(name: str, kind: bytes, target: str = "") -> Member:
    """Something else of a tar archive."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


def tar_of(place: Path, *members: Member) -> Path:
    """A tar.gz with a good bot and these members."""
    path = place / "entered.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for member, content in (*members, file_in("bot.py", GOOD.encode()), file_in("bot.toml", TOML.encode())):
            archive.addfile(member, io.BytesIO(content))
    return path


def zip_of(place: Path, *members: tuple[zipfile.ZipInfo | str, bytes]) -> Path:
    """A zip with a good bot and these members."""
    path = place / "entered.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in (*members, ("bot.py", GOOD.encode()), ("bot.toml", TOML.encode())):
            archive.writestr(member, content)
    return path


TARS: dict[str, tuple[list[Member], FailureCode, str]] = {
    "climbing": ([file_in("../evil.py")], DENIED, "the path '../evil.py' could climb out of the bot's folder"),
    "climbing_later": ([file_in("a/../../evil.py")], DENIED, "the path 'a/../../evil.py' could climb"),
    "absolute": ([file_in("/tmp/evil.py")], DENIED, "the path '/tmp/evil.py' is absolute"),
    "symlink": (
        [special("passwd", tarfile.SYMTYPE, "/etc/passwd")],
        DENIED,
        "'passwd' in the tar.gz file is a symbolic",
    ),
    "file_through_a_symlink": (
        [special("out", tarfile.SYMTYPE, ".."), file_in("out/evil.py")],
        DENIED,
        "'out' in the tar.gz file is a symbolic link: a bot has regular files only",
    ),
    "hard_link": ([special("shadow", tarfile.LNKTYPE, "/etc/shadow")], DENIED, "'shadow' in the tar.gz file is a hard"),
    "device": ([special("sda", tarfile.BLKTYPE)], DENIED, "'sda' in the tar.gz file is a special file"),
    "character_device": ([special("mem", tarfile.CHRTYPE)], DENIED, "'mem' in the tar.gz file is a special file"),
    "named_pipe": ([special("pipe", tarfile.FIFOTYPE)], DENIED, "'pipe' in the tar.gz file is a special file"),
    "twice": ([file_in("bot.py", b"evil")], REJECTED, "'bot.py' is a file and a folder, or there twice"),
    "file_that_is_a_folder": ([file_in("bot.py/inner")], REJECTED, "'bot.py' is a file and a folder"),
    "escape_in_a_name": ([file_in("\x1b[2J.py")], REJECTED, r"'\x1b[2J.py' is no plain path of a file"),
    "right_to_left_name": ([file_in("gp\u202eyp.js")], REJECTED, r"'gp\u202eyp.js' is no plain path of a file"),
    "line_in_a_name": ([file_in("a\nb.py")], REJECTED, r"'a\nb.py' is no plain path of a file"),
    "many_files": ([file_in(f"{n}.py") for n in range(60)], REJECTED, "the bot has more than 50 files and folders"),
    "many_folders": (
        [special(f"d{n}", tarfile.DIRTYPE) for n in range(60)],
        REJECTED,
        "the bot has more than 50 files and folders",
    ),
    "deep": ([file_in("/".join(["d"] * 40))], REJECTED, "lies 40 folders deep; at most 12 are taken"),
    "long_name": ([file_in("n" * 250)], REJECTED, "has 250 bytes; at most 240 are taken"),
    "bomb": (
        [file_in("zeros", bytes(3 * 1024**2))],
        REJECTED,
        "the bot has 3,145,728 bytes or more; at most 1,048,576",
    ),
    "many_small_bombs": (
        [file_in(f"zeros{n}", bytes(200_000)) for n in range(10)],
        REJECTED,
        "bytes or more; at most 1,048,576 are taken",
    ),
}


@pytest.mark.parametrize("attack", TARS)
def test_tar(rejection: Callable[[Path], FailureRecord], tmp_path: Path, attack: str) -> None:
    members, code, message = TARS[attack]
    record = rejection(tar_of(tmp_path, *members))
    assert record.code is code
    assert message in record.message


def unix(name: str, mode: int) -> zipfile.ZipInfo:
    """A member of a zip file with a mode."""
    member = zipfile.ZipInfo(name)
    member.create_system, member.external_attr = 3, mode << 16
    return member


ZIPS: dict[str, tuple[list[tuple[zipfile.ZipInfo | str, bytes]], FailureCode, str]] = {
    "slip": ([("../../evil.py", b"x")], DENIED, "the path '../../evil.py' could climb out of the bot's folder"),
    "slip_as_on_windows": ([("..\\evil.py", b"x")], DENIED, r"the path '..\\evil.py' could climb"),
    "drive": ([("C:evil.py", b"x")], DENIED, "the path 'C:evil.py' is absolute"),
    "absolute": ([("/etc/evil", b"x")], DENIED, "the path '/etc/evil' is absolute"),
    "symlink": ([(unix("link", 0o120777), b"/etc/passwd")], DENIED, "'link' in the zip file is a symbolic link"),
    "device": ([(unix("sda", 0o060666), b"")], DENIED, "'sda' in the zip file is a special file"),
    "bomb": ([("zeros", bytes(3 * 1024**2))], REJECTED, "the bot has 3,145,"),
    "many_files": ([(f"{n}.py", b"") for n in range(60)], REJECTED, "the bot has more than 50 files and folders"),
    "escape_in_a_name": ([("\x1b]0;owned\x07.py", b"x")], REJECTED, r"'\x1b]0;owned\x07.py' is no plain path"),
}


@pytest.mark.parametrize("attack", ZIPS)
def test_zip(rejection: Callable[[Path], FailureRecord], tmp_path: Path, attack: str) -> None:
    members, code, message = ZIPS[attack]
    record = rejection(zip_of(tmp_path, *members))
    assert record.code is code
    assert message in record.message


def test_a_zip_that_lies_about_a_size(rejection: Callable[[Path], FailureRecord], tmp_path: Path) -> None:
    path = zip_of(tmp_path, ("zeros", bytes(500_000)))
    data = path.read_bytes()
    true, false = struct.pack("<L", 500_000), struct.pack("<L", 10)
    path.write_bytes(data.replace(true, false))
    assert rejection(path).message.startswith("the zip file is damaged (")


def test_a_zip_whose_end_is_missing(rejection: Callable[[Path], FailureRecord], tmp_path: Path) -> None:
    path = zip_of(tmp_path)
    path.write_bytes(path.read_bytes()[:-30])
    assert rejection(path).message == "the zip file is damaged (File is not a zip file)"


def test_a_tar_that_announces_a_hundred_gigabytes(rejection: Callable[[Path], FailureRecord], tmp_path: Path) -> None:
    member = tarfile.TarInfo("huge")
    member.size = 100 * 1024**3
    path = tmp_path / "entered.tar.gz"
    path.write_bytes(gzip.compress(member.tobuf(tarfile.GNU_FORMAT) + bytes(4096)))
    assert "at most 1,048,576 are taken" in rejection(path).message


def test_a_gzip_bomb_without_any_file(rejection: Callable[[Path], FailureRecord], tmp_path: Path) -> None:
    path = tmp_path / "entered.tar.gz"
    header = tarfile.TarInfo(".git/huge")  # is skipped, and still not unpacked without end
    header.size = 200 * 1024**2
    path.write_bytes(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(200 * 1024**2), 1))
    record = rejection(path)
    assert "1,048,576" in record.message


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_rubbish_as_an_archive(rejection: Callable[[Path], FailureRecord], tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"entered{suffix}"
    path.write_bytes(os.urandom(1000).replace(b"PK", b"..").replace(b"\x1f", b"."))
    assert rejection(path).message == f"'entered{suffix}' is neither a zip nor a tar.gz file"


def test_a_bot_of_a_gibibyte(rejection: Callable[[Path], FailureRecord], tmp_path: Path) -> None:
    made = folder(tmp_path, bot__py=GOOD)
    with (made / "weights").open("wb") as file:
        file.truncate(1024**3)
    assert rejection(made).message == "the bot has 1,073,741,871 bytes or more; at most 1,048,576 are taken".replace(
        "871", str(824 + len(GOOD))
    )


def test_a_hundred_thousand_files(rejection: Callable[[Path], FailureRecord], tmp_path: Path) -> None:
    made = folder(tmp_path, bot__py=GOOD)
    first = made / "0"
    first.write_bytes(b"")
    for number in range(1, 3000):  # of many names of one file; a hundred thousand files take a minute
        (made / str(number)).hardlink_to(first)
    assert rejection(made).message == "the bot has more than 50 files and folders"


@pytest.mark.parametrize("kind", ["symlink", "folder", "pipe", "socket", "itself", "loop"])
def test_what_is_no_regular_file(rejection: Callable[[Path], FailureRecord], tmp_path: Path, kind: str) -> None:
    made = folder(tmp_path, bot__py=GOOD)
    path = made / "other"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        os.mknod(path, 0o140666)
    else:
        path.symlink_to({"symlink": "/etc/passwd", "folder": "/etc", "itself": "other", "loop": "."}[kind])
    record = rejection(made)
    assert record.code is DENIED
    assert record.message.startswith("'other' is ")
    assert record.message.endswith(": a bot has regular files only")


NAMES = [
    "",
    "a b",
    "../up",
    "a/b",
    "\x1b[31mred",
    "<b>bold</b>",
    "a\u202eb",
    "bot\n",
    "-n",
    "x" * 41,
    "имя",
    "=1+1",
    "a\u200bb",
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_name(rejection: Callable[[Path], FailureRecord], tmp_path: Path, name: str) -> None:
    text = "".join(f"\\U{ord(letter):08X}" for letter in name)
    record = rejection(folder(tmp_path, bot__py=GOOD, bot__toml=f'name = "{text}"\n{TOML}'))
    assert record.code is REJECTED
    assert "name" in record.message


MANIFESTS: dict[str, tuple[str | bytes, str]] = {
    "climbing_entry": ('entry = "../evil:act"', "is not of the form"),
    "entry_with_code": ('entry = "bot:act;import os"', "is not of the form"),
    "entry_as_long_as_a_book": (f'entry = "{"b" * 300}:act"', "entry: string should have at most 200 characters"),
    "entry_as_deep_as_a_book": (
        f'entry = "{".".join(["b"] * 2000)}:act"',
        "entry: string should have at most 200 characters",
    ),
    "climbing_command": ('command = ["./../../bin/sh"]', "outside of the bot's folder"),
    "absolute_command": ('command = ["/bin/sh", "-c", "id"]', "outside of the bot's folder"),
    "command_of_the_home": ('command = ["~/evil"]', "there is no '~/evil' in the bot's folder"),
    "folder_as_command": ('command = ["./."]', "is no file"),
    "command_not_executable": ('command = ["./bot.py"]', "is not executable"),
    "shell_words": ('command = ["sh -c id"]', "no program 'sh -c id' on this machine's PATH"),
    "escape_in_a_command": ('command = ["./\\u001B[2J"]', r"'./\x1b[2J' cannot be a word of a command"),
    "nul_in_a_command": ('command = ["python3", "a\\u0000b"]', r"'a\x00b' cannot be a word of a command"),
    "long_command": (f'command = ["{"c" * 300}"]', "is too long for the name of a program"),
    "endless_command": (f"command = {['python3'] * 65}", "64"),
    "command_of_64_long_words": (
        f"command = {['python3', 'bot.py', *['é' * 1000] * 30]}",
        "command: its words have 60,013 bytes; at most 4,096 are taken",
    ),
    "entry_and_command": ('entry = "bot:act"\ncommand = ["python3", "bot.py"]', "either entry"),
    "neither": ('name = "x"', "either entry"),
    "another_key": ('entry = "bot:act"\nuid = 0', "no key 'uid'"),
    "environment": ('entry = "bot:act"\nenv = {LD_PRELOAD = "x.so"}', "no key 'env'"),
    "wrong_type": ('entry = ["bot:act"]', "entry: "),
    "escape_in_the_version": ('entry = "bot:act"\nversion = "\\u001B]0;owned"', "version: "),
    "right_to_left_version": ('entry = "bot:act"\nversion = "\\u202E"', "version: "),
    "no_toml": ("\x1b[2J = [", "is no TOML"),
    "nested": ("entry = " + "[" * 5000, "is no TOML"),
    "huge": ("#" * 70_000, "has 70,000 bytes; at most 65,536 are read"),
    "not_utf8": (b'entry = "\xff"', "byte 9 is not UTF-8"),
}


@pytest.mark.parametrize("attack", MANIFESTS)
def test_manifest(rejection: Callable[[Path], FailureRecord], tmp_path: Path, attack: str) -> None:
    text, message = MANIFESTS[attack]
    record = rejection(folder(tmp_path, bot__py=GOOD, bot__toml=text))
    assert record.code is REJECTED
    assert message in record.message


SOURCES: dict[str, tuple[str | bytes, str]] = {
    "not_python": (b"\x7fELF\x02\x01", ""),
    "nul": (b"act = 1\0", "null bytes"),
    "terminal_in_a_syntax_error": ("x = '\x1b]0;owned\x07\x1b[2J' + \n", "bot.py:1: invalid syntax"),
    "right_to_left_in_a_syntax_error": ("x = '\u202e\u2066' + \n", "bot.py:1: invalid syntax"),
    "nested": ("x = " + "(" * 5000, ""),
    "nested_for_the_parser": ("x = " + "-" * 200_000 + "1\n", ""),
    "deep_attribute": ("x = a" + ".a" * 200_000 + "\n", ""),
    "no_bot": ("def main(): pass\n", "bot.py defines no bot"),
    "two_bots": (f"class Bot: pass\n{GOOD}", "only one of them can be the bot"),
    "one_argument_too_many": ("def act(a, b, c, d): return 0\n", "act takes 4 arguments"),
    "encoding": (b"# coding: rot13\nnpg = 1\n", ""),
}


@pytest.mark.parametrize("attack", SOURCES)
def test_source(rejection: Callable[[Path], FailureRecord], tmp_path: Path, attack: str) -> None:
    text, message = SOURCES[attack]
    record = rejection(folder(tmp_path, bot__py=text))
    assert record.code is REJECTED
    assert message in record.message


def test_a_bot_that_is_changed_after_it_was_stored_does_not_play(tmp_path: Path) -> None:
    store = BotStore(tmp_path / "bots")
    bot = store.add(folder(tmp_path, bot__py=RANDOM.replace("\n    ", "\n")))
    file = bot.folder / "bot.py"
    file.chmod(0o644)
    file.write_text(GOOD, encoding="ascii")
    with pytest.raises(Exception, match="is damaged: its files hash to"):
        store.load(bot.version)
