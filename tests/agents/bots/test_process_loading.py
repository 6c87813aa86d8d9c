"""A bot's process loads its bot, or tells why it cannot."""

from __future__ import annotations

import pytest

from agents.bots.core import BotFailedError, FailureCode, Phase
from agents.bots.nursery import Nursery
from tests.agents.bots.bots import LINES, acting, write_bot
from tests.agents.bots.refereed import ALL, CLOCKS, EMPTY, SPEC, Referee


@pytest.mark.parametrize(
    ("code", "message", "frames"),
    [
        ("class Bot\n  pass\n", "SyntaxError", 'File "bot.py", line 1'),
        ("x = 1\nimport nothing_of_that_name\n", "ModuleNotFoundError", 'File "bot.py", line 2, in <module>'),
        ("def helper():\n    1 / 0\nhelper()\n", "ZeroDivisionError", "line 2, in helper\n    1 / 0"),
        ("class Boot: pass\n", "AttributeError: bot.py defines no Bot, which entry = 'bot:Bot' asks for", ""),
        ("class Bot: pass\n", "TypeError: class Bot has no method act", ""),
        ("Bot = 4\n", "TypeError: Bot is neither a class nor a function", ""),
        ("import sys; sys.exit(3)", "SystemExit: 3", 'File "bot.py", line 1'),
        ("import os; os._exit(3)", "its process exited with status 3", ""),
    ],
)
def test_what_cannot_be_loaded_is_an_import_error(referee: Referee, code: str, message: str, frames: str) -> None:
    record = referee.failure(code)
    assert (record.code, record.phase) == (FailureCode.IMPORT_ERROR, Phase.IMPORT)
    assert message in record.message
    assert frames in record.traceback
    assert str(referee.folder) not in record.model_dump_json()


def test_our_own_frames_are_not_the_bot_s(referee: Referee) -> None:
    record = referee.failure(acting("return helper(self)", head="def helper(bot):\n    return bot.nothing\n"))
    assert record.code is FailureCode.CRASH
    assert record.message == "AttributeError: 'Bot' object has no attribute 'nothing'"
    assert record.traceback.count("File ") == record.traceback.count('File "bot.py", line') == 2
    assert "return bot.nothing" in record.traceback
    assert "harness" not in record.traceback


def test_an_init_that_raises_is_a_crash_in_init(referee: Referee) -> None:
    record = referee.failure("class Bot:\n def __init__(self, spec): raise KeyError('x')\n def act(self): pass\n")
    assert (record.code, record.phase, record.message) == (FailureCode.CRASH, Phase.INIT, "KeyError: 'x'")


def test_a_command_that_cannot_be_started_is_an_import_error(referee: Referee, nursery: Nursery) -> None:
    source = write_bot(referee.folder / "b", LINES, language="command")
    object.__setattr__(source, "command", (str(source.folder / "missing"),))
    with pytest.raises(BotFailedError) as caught:
        nursery.start(source, SPEC, CLOCKS)
    record = caught.value.record
    assert (record.code, record.phase) == (FailureCode.IMPORT_ERROR, Phase.IMPORT)
    assert "missing cannot be started: No such file or directory" in record.message


def test_a_bot_called_like_a_module_of_the_standard_library_shadows_nothing(referee: Referee, nursery: Nursery) -> None:
    source = write_bot(referee.folder / "b", "import random\nact = lambda *_: random.Random(4).randrange(7)\n")
    (source.folder / "bot.py").rename(source.folder / "random.py")
    object.__setattr__(source, "entry", "random:act")
    process = nursery.start(source, SPEC, CLOCKS)
    referee.started.append(process)
    process.reset(None, 1, "player_0")
    assert 0 <= process.act(EMPTY, ALL, 0) < 7


def test_a_bot_finds_its_other_files_and_dataclasses_work(referee: Referee, nursery: Nursery) -> None:
    code = """
        from __future__ import annotations
        from dataclasses import dataclass
        import helper

        @dataclass
        class Bot:
            spec: object
            def act(self, observation, action_mask, clock): return helper.move()
    """
    source = write_bot(referee.folder / "b", code)
    (source.folder / "helper.py").write_text("def move(): return 4\n", encoding="utf-8")
    process = nursery.start(source, SPEC, CLOCKS)
    referee.started.append(process)
    process.reset(None, 1, "player_0")
    assert process.act(EMPTY, ALL, 0) == 4
