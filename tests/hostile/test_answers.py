"""Bots that answer what is no action, or lie about what they answer."""

from __future__ import annotations

import pytest

import arenas.registry as arenas
from agents.bots.core import FailureCode, Phase
from agents.bots.nursery import Nursery
from tests.agents.bots.bots import acting
from tests.hostile import ground
from tests.hostile.conftest import Convict
from tests.hostile.ground import Attack, Host, answers, says

TIC_TAC_TOE = arenas.make("tic_tac_toe")
ALL = "legal were 0, 1, 2, 3, 4, 5, 6"
EVIL = """
import numpy as np
class Evil:
    def __init__(self, **methods):
        self.__class__ = type('Evil', (Evil,), methods)
class Meta(type):
    __name__ = property(lambda cls: '\\x1b[2J<script>')
class Named(metaclass=Meta): pass
class Loud(int):
    def __repr__(self): return '\\x1b]0;owned\\x07<b>\\u202e'
    __str__ = __repr__
def leave(self): raise SystemExit(0)
def fail(self): raise TypeError('\\x1b[31mfail')
"""
INVALID = FailureCode.INVALID_ACTION


def wrong(name: str, expression: str, shown: str, **known: str) -> Attack:
    """A Python bot whose answer has the wrong type."""
    return answers(name, expression, INVALID, f"an action is an integer, not {shown}; {ALL}", head=EVIL)


TYPES = [
    wrong("none", "None", "None (NoneType)"),
    wrong("text", "'3'", "'3' (str)"),
    wrong("float", "3.0", "3.0 (float)"),
    wrong("nan", "float('nan')", "nan (float)"),
    wrong("infinity", "float('inf')", "inf (float)"),
    wrong("truth", "True", "True (bool)"),
    wrong("array", "np.array([3])", "array([3]) (ndarray)"),
    wrong("list", "[3]", "[3] (list)"),
    wrong("action_and_value", "(3, 0.5)", "(3, 0.5) (tuple)"),
    wrong("complex", "3j", "3j (complex)"),
    wrong("coroutine", "(lambda: (yield 3))()", "<generator object Bot.act.<locals>.<lambda> at 0x… (generator)"),
    wrong("huge", "10 ** 4000", "1000… (int)"),
    wrong("beyond_what_can_be_printed", "10 ** 5000", "<its repr raised ValueError> (int)"),
    wrong("long_text", "'x' * 10**6", "'xxx… (str)"),
    wrong("terminal", "'\\x1b[2J\\x07'", "'\\x1b[2J\\x07' (str)"),
    wrong("right_to_left", "'\\u202eabc'", "'\\u202eabc' (str)"),
    wrong("raw_escape_in_a_repr", "Evil(__repr__=lambda self: '\\x1b[2J')", "\\x1b[2J (Evil)"),
    wrong("name_of_a_class", "Named()", "<bot.Named object at 0x…> (\\x1b[2J<script>)"),
    wrong("no_repr", "Evil(__repr__=lambda self: 1 / 0)", "<its repr raised ZeroDivisionError> (Evil)"),
    wrong("index_that_is_no_int", "Evil(__index__=lambda self: 'x', __repr__=lambda self: 'e')", "e (Evil)"),
    wrong("number_beyond_64_bits", "2 ** 63", "9223372036854775808 (int)"),
]

RANGES = [
    answers("too_large", "7", INVALID, f"action 7 is none of 0 to 6; {ALL}"),
    answers("negative", "-1", INVALID, f"action -1 is none of 0 to 6; {ALL}"),
    answers("forfeit_of_the_league_s_own", "-2", INVALID, f"action -2 is none of 0 to 6; {ALL}"),
    answers("largest_of_64_bits", "2 ** 63 - 1", INVALID, f"action {2**63 - 1} is none of 0 to 6; {ALL}"),
    answers("index_out_of_range", "Evil(__index__=lambda self: 99)", INVALID, "action 99 is none…", head=EVIL),
    answers("integer_that_shows_something_else", "Loud(99)", INVALID, "action 99 is none of…", head=EVIL),
    says("command_out_of_range", "say(id=request['id'], action=7)", INVALID, f"action 7 is none of 0 to 6; {ALL}"),
    says(
        "command_float",
        "say(id=request['id'], action=3.0)",
        INVALID,
        f"an action is an integer, not 3.0 (a float); {ALL}",
    ),
    says(
        "command_nan",
        "say(id=request['id'], action=float('nan'))",
        INVALID,
        f"an action is an integer, not NaN (a float); {ALL}",
    ),
    says(
        "command_null",
        "say(id=request['id'], action=None)",
        INVALID,
        f"an action is an integer, not null (null); {ALL}",
    ),
    says(
        "command_text",
        "say(id=request['id'], action='3')",
        INVALID,
        f"an action is an integer, not 3 (a string); {ALL}",
    ),
    says(
        "command_lies_about_its_type",
        "say(id=request['id'], action='x', type='int</td><script>\\x1b[2J')",
        INVALID,
        f"an action is an integer, not x (int</td><script>\\x1b[2J); {ALL}",
    ),
    says(
        "command_object",
        "say(id=request['id'], action={'a': [1]})",
        INVALID,
        'an action is an integer, not {"a": [1]} (an…',
    ),
    says(
        "command_huge",
        "out(b'{\"id\":%d,\"action\":' % request['id'] + b'9' * 4000 + b'}\\n')",
        INVALID,
        "action 999… is none of…",
    ),
]

RAISES = [
    answers(
        "index_raises",
        "Evil(__index__=fail, __repr__=fail)",
        INVALID,
        "an action is an integer, not <its repr raised TypeError> (Evil); …",
        head=EVIL,
    ),
    answers("index_leaves", "Evil(__index__=leave)", FailureCode.CRASH, "SystemExit: 0", head=EVIL),
    answers("repr_leaves", "Evil(__repr__=leave)", FailureCode.CRASH, "SystemExit: 0", head=EVIL),
]


@pytest.mark.parametrize("attack", [*TYPES, *RANGES, *RAISES], ids=str)
def test_answer(convict: Convict, attack: Attack) -> None:
    record = convict(attack)
    if record.code is INVALID:
        assert record.action is not None
        assert len(record.action) <= 100
        assert record.legal_actions == (0, 1, 2, 3, 4, 5, 6)


def test_masked(host: Host, nursery: Nursery) -> None:
    """The middle of the board is its own already."""
    source = host.source(Attack("masked", acting("return 4"), INVALID, ""))
    match = ground.play(nursery, source, arena=TIC_TAC_TOE)
    record = match.record
    assert record is not None
    assert (record.code, record.phase, record.step, record.action) == (INVALID, Phase.ACT, 2, "4")
    assert record.legal_actions is not None
    assert len(record.legal_actions) == 7
    assert record.message == f"action 4 is not legal here; legal were {', '.join(map(str, record.legal_actions))}"
