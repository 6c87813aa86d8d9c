"""`bot.toml` and bots' names: what is taken, and the exact message where it is not."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from agents.bots.core import FailureCode, Phase
from agents.bots.manifest import BotRejectedError, checked_name, parse, resolve_command


def _refused(text: str) -> str:
    with pytest.raises(BotRejectedError) as caught:
        parse(text.encode())
    assert str(caught.value) == caught.value.record.message
    assert (caught.value.record.code, caught.value.record.phase) == (FailureCode.IMPORT_ERROR, Phase.IMPORT)
    return str(caught.value)


def test_a_python_bot() -> None:
    manifest = parse(b'name = "Deep_C4-2"\nversion = "2, faster"\nentry = "pkg.bot:Bot"\narenas = ["connect_four"]\n')
    assert (manifest.name, manifest.version, manifest.entry) == ("Deep_C4-2", "2, faster", "pkg.bot:Bot")
    assert (manifest.command, manifest.arenas) == ([], ["connect_four"])


def test_a_command() -> None:
    assert parse(b'command = ["node", "bot.js"]').command == ["node", "bot.js"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('entry = "bot:Bot"\nnam = "x"', "bot.toml: no key 'nam': did you mean name?"),
        (
            'entry = "bot:Bot"\nqqq = 1',
            "bot.toml: no key 'qqq': there are name, version, entry, command, arenas",
        ),
        ('entry = "bot.Bot"', 'bot.toml: entry \'bot.Bot\' is not of the form "module:name", such as "bot:Bot"'),
        ('entry = "../bot:Bot"', 'bot.toml: entry \'../bot:Bot\' is not of the form "module:name", such as "bot:Bot"'),
        ('entry = "bot:Bot\\n"', r"bot.toml: entry 'bot:Bot\n' is not of the form"),
        ('name = "x"', 'bot.toml: give either entry = "bot:Bot" (Python) or command = ["./my_bot"] (any language)'),
        (
            'entry = "bot:Bot"\ncommand = ["./x"]',
            'bot.toml: give either entry = "bot:Bot" (Python) or command = ["./my_bot"] (any language)',
        ),
        ('entry = "bot:Bot"\narenas = "connect_four"', "bot.toml: arenas: input should be a valid list"),
        ('entry = "bot:Bot"\nversion = 2', "bot.toml: version: input should be a valid string, not 2"),
        ("entry = bot:Bot", "bot.toml is no TOML: Invalid value (at line 1, column 9)"),
        ('command = "./my_bot"', "bot.toml: command: input should be a valid list, not './my_bot'"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str) -> None:
    assert _refused(text).startswith(message)


def test_bytes_that_are_no_text_and_too_many() -> None:
    with pytest.raises(BotRejectedError, match="byte 8 is not UTF-8"):
        parse(b'entry = \xff"')
    with pytest.raises(BotRejectedError, match="70,000 bytes"):
        parse(b"#" * 70_000)
    assert _refused("a = " + "[" * 5000 + "]" * 5000).startswith("bot.toml is no TOML")


@pytest.mark.parametrize("name", ["a", "Deep_C4-2", "4wins", "x" * 40])
def test_names_that_are_allowed(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "a bot needs a name: at most 40 letters"),
        ("my bot", "'my bot' is no name for a bot: at most 40 letters"),
        ("bot.v2", "'bot.v2' is no name for a bot"),
        ("-x", "'-x' is no name"),
        ("x" * 41, f"'{'x' * 41}' is no name for a bot: it is 41 long; at most 40 letters"),
        ("a\x1b[31mred", r"'a\x1b[31mred' is no name"),
        ("a\nb", r"'a\nb' is no name"),
        ("gr\u00f6\u00dfer", "'gr\u00f6\u00dfer' is no name"),
        ("\u202eabc", r"'\u202eabc' is no name"),
        ("<script>alert(1)</script>", "'<script>alert(1)</script>' is no name"),
        ("../../etc/passwd", "'../../etc/passwd' is no name"),
        ("bot\n", r"'bot\n' is no name"),
    ],
)
def test_names_that_are_not(name: str, message: str) -> None:
    with pytest.raises(BotRejectedError) as caught:
        checked_name(name)
    assert str(caught.value).startswith(message)
    assert str(caught.value).isprintable()


def test_the_nearest_name_is_given() -> None:
    with pytest.raises(BotRejectedError, match="'my_bot' would do"):
        checked_name("my bot!")
    with pytest.raises(BotRejectedError, match=r"letter or digit first$"):
        checked_name("\u00e9\u00e9")


def _program(folder: Path, mode: int) -> None:
    (folder / "my_bot").write_text("#!/bin/sh\n")
    (folder / "my_bot").chmod(mode)


def test_a_program_of_the_folder(tmp_path: Path) -> None:
    _program(tmp_path, 0o755)
    assert resolve_command(["./my_bot", "-v"], tmp_path) == (str(tmp_path / "my_bot"), "-v")
    (tmp_path / "bin").mkdir()
    (tmp_path / "my_bot").rename(tmp_path / "bin" / "my_bot")
    assert resolve_command(["bin/my_bot"], tmp_path) == (str(tmp_path / "bin" / "my_bot"),)


def test_interpreters(tmp_path: Path) -> None:
    assert resolve_command(["python3", "bot.py"], tmp_path) == (sys.executable, "bot.py")
    shell = shutil.which("sh")
    assert shell is not None
    assert resolve_command(["sh", "run.sh"], tmp_path) == (str(Path(shell).resolve()), "run.sh")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["./nope"], "command: there is no './nope' in the bot's folder$"),
        (["./plain"], "command: './plain' is not executable; `chmod \\+x plain`"),
        (["plain"], "'plain' is in the bot's folder: write \"./plain\""),
        (["/bin/sh"], "'/bin/sh' is outside of the bot's folder"),
        (["../my_bot"], "'../my_bot' is outside of the bot's folder"),
        (["./sub/../../x"], "is outside of the bot's folder"),
        (["./sub"], "'./sub' is no file"),
        (["no-such-interpreter"], "no program 'no-such-interpreter' on this machine's PATH"),
        (["./my_bot", "a\x00b"], "cannot be a word of a command"),
        ([""], "'' cannot be a word of a command"),
    ],
)
def test_commands_that_cannot_be_started(tmp_path: Path, words: list[str], message: str) -> None:
    _program(tmp_path, 0o755)
    (tmp_path / "plain").write_text("x")
    (tmp_path / "plain").chmod(0o644)
    (tmp_path / "sub").mkdir()
    with pytest.raises(BotRejectedError, match=message):
        resolve_command(words, tmp_path)


def test_a_program_that_is_not_built_yet(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("bot: bot.c\n")
    with pytest.raises(BotRejectedError, match=r"there is no './bot' in the bot's folder: `make` builds it"):
        resolve_command(["./bot"], tmp_path)
