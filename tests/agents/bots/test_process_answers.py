"""A bot's answers, as its referee takes them."""

from __future__ import annotations

import time

import numpy as np
import pytest

from agents.bots.core import BotFailedError, FailureCode, Phase
from agents.bots.source import Language
from tests.agents.bots.bots import LINES, acting
from tests.agents.bots.refereed import ALL, EMPTY, Referee


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("3.0", "an action is an integer, not 3.0 (float)"),
        ("True", "an action is an integer, not True (bool)"),
        ("np.True_", "an action is an integer, not np.True_ (bool)"),
        ("None", "an action is an integer, not None (NoneType)"),
        ("'3'", "an action is an integer, not '3' (str)"),
        ("float('nan')", "an action is an integer, not nan (float)"),
        ("[3]", "an action is an integer, not [3] (list)"),
        ("10**400", "an action is an integer, not 1000"),
        ("7", "action 7 is none of 0 to 6"),
        ("-1", "action -1 is none of 0 to 6"),
        ("2", "action 2 is not legal here"),
    ],
)
def test_an_answer_that_is_no_legal_action(referee: Referee, answer: str, message: str) -> None:
    process = referee.start(acting(f"return {answer}", head="import numpy as np\n"))
    process.reset("m_1/0", 5, "player_0")
    with pytest.raises(BotFailedError) as caught:
        process.act(EMPTY, np.array([1, 1, 0, 1, 0, 0, 0], np.bool_), 0)
    record = caught.value.record
    assert record.code is FailureCode.INVALID_ACTION
    assert record.message.startswith(message)
    assert record.message.endswith("legal were 0, 1, 3")
    assert record.legal_actions == (0, 1, 3)
    assert record.action is not None


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ('{"id": ID, "action": 3}', None, ""),
        ('{"id": 99, "action": 3}', FailureCode.PROTOCOL, "answered request 99, but was asked request 2"),
        ('{"action": 3}', FailureCode.PROTOCOL, "answered request null"),
        ('{"id": ID, "action": 3}\\n{"id": ID, "action": 3}', FailureCode.PROTOCOL, "more than one line"),
        ("", FailureCode.PROTOCOL, "not JSON: an empty line"),
        ("3", FailureCode.PROTOCOL, "no object: 3"),
        ('{"id": ID, "action": NaN}', FailureCode.INVALID_ACTION, "an action is an integer, not NaN (a float)"),
        ('{"id": ID, "action": true}', FailureCode.INVALID_ACTION, "an action is an integer, not true (a truth value)"),
        ('{"id": ID, "action": 1e0}', FailureCode.INVALID_ACTION, "an action is an integer, not 1.0 (a float)"),
        ('{"id": ID}', FailureCode.PROTOCOL, "a move is answered with"),
        ("[" * 3000, FailureCode.PROTOCOL, "nested too deep"),
        ('{"id": ID, "x": "' + "y" * 5000 + '"}', FailureCode.PROTOCOL, "sent a line of more than 4,096 bytes"),
        ("z" * 70000, FailureCode.PROTOCOL, "sent a line of more than 4,096 bytes"),
        ('{"id": ID, "error": {"type": "Oops", "message": "a\\\\u001bb"}}', FailureCode.CRASH, r"Oops: a\x1bb"),
    ],
)
def test_a_command_s_answers(referee: Referee, line: str, code: FailureCode | None, message: str) -> None:
    says = 'print("""' + line + '""".replace("ID", str(request["id"])), flush=True)'
    bot = LINES.replace('say(id=request["id"], action=dice.choice(legal))', says)
    if code is None:
        assert referee.play(bot, language="command") == [3]
        return
    record = referee.failure(bot, language="command")
    assert (record.code, record.phase) == (code, Phase.ACT)
    assert message in record.message


@pytest.mark.parametrize("language", ["python", "command"])
def test_an_answer_out_of_turn_is_noticed_at_the_next_request(referee: Referee, language: Language) -> None:
    if language == "python":
        says = """os.write(3, b'{"id":3,"action":1}\\n')"""
        head = f"import os, threading, time\ndef later():\n    time.sleep(0.1)\n    {says}\n"
        code = acting("threading.Thread(target=later).start(); return 0", head=head)
    else:
        again = 'import time; time.sleep(0.1); say(id=request["id"] + 1, action=0)'
        code = LINES + f"            {again}\n"
    process = referee.start(code, language=language)
    process.reset("m_1/0", 5, "player_0")
    process.act(EMPTY, ALL, 0)
    time.sleep(0.5)
    with pytest.raises(BotFailedError) as caught:
        process.act(EMPTY, ALL, 2)
    record = caught.value.record
    assert (record.code, record.phase) == (FailureCode.PROTOCOL, Phase.IDLE)
    assert "answered twice or out of turn" in record.message


def test_a_bot_that_answers_for_the_harness_gains_nothing(referee: Referee) -> None:
    body = 'os.write(3, b\'{"id":2,"action":99}\\n\'); return 0'
    record = referee.failure(acting(body, head="import os\n"))
    assert record.code in (FailureCode.INVALID_ACTION, FailureCode.PROTOCOL)


def test_a_first_line_that_is_not_ready(referee: Referee) -> None:
    record = referee.failure('print(\'{"type": "hello"}\', flush=True); input()', language="command")
    assert (record.code, record.phase) == (FailureCode.PROTOCOL, Phase.IMPORT)
    assert 'its first line has to be {"type": "ready"}' in record.message
