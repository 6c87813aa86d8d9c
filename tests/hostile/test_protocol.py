"""Bots that break the protocol: malformed, too much, twice, out of turn, for somebody else."""

from __future__ import annotations

import pytest

from agents.bots.core import FailureCode, Phase
from agents.bots.nursery import Nursery
from tests.agents.bots.bots import acting
from tests.hostile import ground
from tests.hostile.conftest import Convict
from tests.hostile.ground import Attack, Host, answers, says

PROTOCOL = FailureCode.PROTOCOL
TWO = "sent more than one line in answer to one request"
HEAD = "import json, os, sys, socket, threading, time\n"
ID = "request['id']"

LINES_OF_COMMANDS = [
    says("empty_line", r"out(b'\n')", PROTOCOL, "sent a line that is not JSON: an empty line"),
    says("words", r"out(b'column three\n')", PROTOCOL, "sent a line that is not JSON: column three"),
    says("half_an_object", r"out(b'{\"id\": 2, \n')", PROTOCOL, 'sent a line that is not JSON: {"id": 2, '),
    says("number", r"out(b'3\n')", PROTOCOL, "sent JSON that is no object: 3"),
    says("list", r"out(b'[2, 3]\n')", PROTOCOL, "sent JSON that is no object: [2, 3]"),
    says("nan", r"out(b'NaN\n')", PROTOCOL, "sent JSON that is no object: NaN"),
    says("binary", r"out(b'\x80\xff\x00\x01\n')", PROTOCOL, r"sent a line that is not UTF-8: \x80\xff\x00\x01"),
    says("surrogates", r"out(b'\xed\xa0\x80\n')", PROTOCOL, r"sent a line that is not UTF-8: \xed\xa0\x80"),
    says("wide_characters", "out('{\"id\": 2}\\n'.encode('utf-16'))", PROTOCOL, TWO),
    says(
        "terminal",
        r"out(b'\x1b[2J\x1b]0;owned\x07\n')",
        PROTOCOL,
        r"sent a line that is not JSON: \x1b[2J\x1b]0;owned\x07",
    ),
    says(
        "right_to_left", "out('\\u202e\\u2066x\\n'.encode())", PROTOCOL, r"sent a line that is not JSON: \u202e\u2066x"
    ),
    says("nested", r"out(b'[' * 3000 + b'\n')", PROTOCOL, "sent JSON nested too deep: [[[…"),
    says("nested_objects", r"out(b'{\"a\":' * 700 + b'\n')", PROTOCOL, 'sent …: {"a":{"a":…'),
    says("digits", r"out(b'1' * 4095 + b'\n')", PROTOCOL, "sent JSON that is no object: 1111…"),
    says("giant_line", r"out(b' ' * 60000 + b'\n')", PROTOCOL, "sent …,… bytes…"),
    says("endless_line", r"while True: out(b'x')", PROTOCOL, "sent a line of more than 4,096 bytes"),
    says("no_action", f"say(id={ID})", PROTOCOL, 'a move is answered with {"id": ..., "action": ...}'),
    says("no_id", "say(action=3)", PROTOCOL, "answered request null, but was asked request 3"),
    says("id_of_the_last", f"say(id={ID} - 1, action=3)", PROTOCOL, "answered request 2, but was asked request 3"),
    says("id_of_the_next", f"say(id={ID} + 1, action=3)", PROTOCOL, "answered request 4, but was asked request 3"),
    says("id_that_is_true", "say(id=True, action=3)", PROTOCOL, "answered request true, but was asked request 3"),
    says("id_of_everything", "say(id=[[[]]], action=3)", PROTOCOL, "answered request [[[]]], but was asked request 3"),
    says(
        "twice",
        f"out((json.dumps(dict(id={ID}, action=3)) + '\\n').encode() * 2)",
        PROTOCOL,
        TWO,
    ),
    says("ready_again", "say(type='ready')", PROTOCOL, "answered request null, but was asked request 3"),
    says(
        "request_of_its_own",
        f"say(type='act', id={ID}, observation=[])",
        PROTOCOL,
        'a move is answered with {"id": ..., "action": ...}',
    ),
    says(
        "error_of_the_host",
        "say(type='infra', message='no memory')",
        PROTOCOL,
        "answered request null, but was asked request 3",
    ),
    says(
        "error_that_is_text", f"say(id={ID}, error='x')", PROTOCOL, 'a move is answered with {"id": ..., "action": ...}'
    ),
    says(
        "error_with_a_code",
        f"say(id={ID}, error=dict(type='INFRA', message='x', code='INFRA'))",
        FailureCode.CRASH,
        "INFRA: x",
    ),
    says(
        "error_of_odd_types",
        f"say(id={ID}, error=dict(type=[1], message=dict(a=1), traceback=7, causes=3))",
        FailureCode.CRASH,
        '[1]: {"a": 1}',
    ),
    says(
        "error_for_a_terminal",
        f"say(id={ID}, error=dict(type='\\x1b[2J', message='a\\nb\\r\\u202e\\ud800', traceback='\\x1b[31m\\nx'))",
        FailureCode.CRASH,
        r"\x1b[2J: a\nb\r\u202e\ud800",
        frame="\\x1b[31m\nx",
    ),
    says("closing", "os.close(1); time.sleep(30)", PROTOCOL, "closed the channel on which it is to answer"),
    Attack(
        "hello",
        'print(\'{"type": "hello"}\', flush=True); input()',
        PROTOCOL,
        'its first line has to be {"type": "ready"}',
        Phase.IMPORT,
        None,
        language="command",
    ),
    Attack(
        "confined_again",
        'print(\'{"type": "confined"}\', flush=True); input()',
        PROTOCOL,
        'its first line has to be {"type": "ready"}',
        Phase.IMPORT,
        None,
        language="command",
    ),
    Attack(
        "infra_at_once",
        'print(\'{"type": "infra"}\', flush=True); input()',
        PROTOCOL,
        'its first line has to be {"type": "ready"}',
        Phase.IMPORT,
        None,
        language="command",
    ),
    Attack(
        "ready_twice",
        'print(\'{"type": "ready"}\\n{"type": "ready"}\', flush=True); input(); input()',
        PROTOCOL,
        'answered twice or out of turn: {"type": "ready"}',
        Phase.IDLE,
        None,
        language="command",
    ),
]

CHANNEL_OF_PYTHON = [
    answers(
        "answer_of_its_own",
        'os.write(3, b\'{"id":3,"action":99}\\n\') and time.sleep(30)',
        FailureCode.INVALID_ACTION,
        "action 99 is none…",
        head=HEAD,
    ),
    answers(
        "two_answers_at_once",
        'os.write(3, b\'{"id":3,"action":1}\\n{"id":3,"action":1}\\n\') and 0',
        PROTOCOL,
        TWO,
        head=HEAD,
    ),
    answers(
        "half_a_line",
        "os.write(3, b'{\"id\":3,') and 0",
        PROTOCOL,
        'sent a line that is not JSON: {"id":3,{"id":3,"action":0}',
        head=HEAD,
    ),
    answers("rubbish", "os.write(3, bytes(range(256)) * 100) and 0", PROTOCOL, TWO, head=HEAD),
    answers(
        "closing", "os.close(3) or time.sleep(30)", PROTOCOL, "closed the channel on which it is to answer", head=HEAD
    ),
    answers(
        "half_closed",
        "socket.socket(fileno=3).detach() and self.gone()",
        FailureCode.CRASH,
        "AttributeError: 'Bot' object has no attribute 'gone'",
        head=HEAD,
    ),
    answers(
        "shut_down",
        "shut()",
        PROTOCOL,
        "closed the channel on which it is to answer",
        head=HEAD + "def shut():\n    s = socket.socket(fileno=3)\n    s.shutdown(2)\n    time.sleep(30)\n",
    ),
    answers(
        "log_as_channel",
        "os.dup2(2, 3) and time.sleep(30)",
        PROTOCOL,
        "closed the channel on which it is to answer",
        head=HEAD,
    ),
    answers(
        "no_log",
        "(os.close(1), os.close(2), time.sleep(30))",
        FailureCode.TIMEOUT,
        ground.NO_TIME,
        head=HEAD,
        clocks=ground.HURRY,
    ),
    answers(
        "infra",
        'os.write(3, b\'{"type":"infra","message":"no memory"}\\n\') and time.sleep(30)',
        PROTOCOL,
        "answered request null, but was asked request 3",
        head=HEAD,
    ),
    Attack(
        "answers_before_it_is_asked",
        'import os\nos.write(3, b\'{"type":"imported"}\\n{"type":"ready"}\\n{"id":1,"ok":true}\\n\')\n'
        + acting("return 0"),
        PROTOCOL,
        TWO,
        Phase.INIT,
        None,
    ),
    Attack(
        "infra_at_import",
        'import os\nos.write(3, b\'{"type":"infra"}\\n\')\n' + acting("return 0"),
        PROTOCOL,
        'its first line has to be {"type": "ready"}',
        Phase.IMPORT,
        None,
    ),
    Attack(
        "later",
        acting(
            "if self.moves == 2: threading.Thread(target=later).start()\n"
            "if self.moves == 3: time.sleep(0.2)\nreturn int(action_mask.nonzero()[0][0])",
            head=HEAD + 'def later():\n    time.sleep(0.05)\n    os.write(3, b\'{"id":4,"action":6}\\n\' * 2)\n',
        ),
        PROTOCOL,
        TWO,
        step=4,
    ),
]


@pytest.mark.parametrize("attack", LINES_OF_COMMANDS, ids=str)
def test_line(convict: Convict, attack: Attack) -> None:
    convict(attack)


@pytest.mark.parametrize("attack", CHANNEL_OF_PYTHON, ids=str)
def test_channel(convict: Convict, attack: Attack) -> None:
    convict(attack)


@pytest.mark.parametrize("place", ["id=ID, action=NEST", "id=ID, error=dict(type=NEST, message=NEST)"])
def test_no_depth_of_nesting_reaches_the_referee(host: Host, nursery: Nursery, place: str) -> None:
    """What can just be read might be too deep to be shown: every depth around the limit."""
    for depth in range(984, 1000, 2):
        told = place.replace("ID", ID).replace("NEST", "'NEST'")
        line = f"out(json.dumps(dict({told})).replace('\"NEST\"', '[' * {depth} + ']' * {depth}).encode() + b'\\n')"
        match = ground.play(nursery, host.source(says("nested", line, PROTOCOL, "")))
        assert match.record is not None
        assert match.record.code in (PROTOCOL, FailureCode.INVALID_ACTION, FailureCode.CRASH)
