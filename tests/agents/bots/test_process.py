"""A bot's process against its referee: clocks, answers, failures and their records."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arenas.registry as arenas
from agents.bots.core import BotFailedError, Clocks, FailureCode, FailureRecord, Limits, Phase
from agents.bots.nursery import Nursery
from agents.bots.process import BotProcess
from agents.bots.source import Language
from arenas.core import ArenaSpec, Turns
from tests.agents.bots.bots import LINES, acting, write_bot

SPEC = arenas.make("connect_four").spec
CLOCKS = Clocks(start=10.0, move=0.2, bank=0.3)
EMPTY = np.zeros(SPEC.observation_shape, np.float32)
ALL = np.ones(SPEC.num_actions, np.bool_)
LIMITS = Limits(memory=512 * 1024**2, output=100_000, message=4096)
SLACK = 5.0  # seconds that a loaded machine may add


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery(limits=LIMITS) as nursery:
        yield nursery


class Arena:
    """Starts bots, plays one move or more, and ends them."""

    def __init__(self, nursery: Nursery, folder: Path) -> None:
        self.nursery, self.folder, self.started = nursery, folder, list[BotProcess]()

    def start(self, code: str, *, clocks: Clocks = CLOCKS, spec: ArenaSpec = SPEC, **kind: Any) -> BotProcess:
        source = write_bot(self.folder / f"bot_{len(self.started)}", code, **kind)
        process = self.nursery.start(source, spec, clocks)
        self.started.append(process)
        return process

    def play(self, code: str, moves: int = 1, **kind: Any) -> list[int]:
        process = self.start(code, **kind)
        process.reset("m_1/0", 5, "player_0")
        return [process.act(EMPTY, ALL, step) for step in range(moves)]

    def failure(self, code: str, moves: int = 1, **kind: Any) -> FailureRecord:
        """The record of a bot that has to fail within some moves. Its process is gone then."""
        with pytest.raises(BotFailedError) as caught:
            self.play(code, moves, **kind)
        assert not any(process.alive for process in self.started)
        (parent,) = [each._process.pid for each in self.nursery._interpreters.values()]
        assert Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii") == ""
        return caught.value.record


@pytest.fixture
def arena(nursery: Nursery, tmp_path: Path) -> Iterator[Arena]:
    arena = Arena(nursery, tmp_path)
    yield arena
    for process in arena.started:
        process.kill()


# --- playing


def test_a_class_sees_observation_mask_and_clock(arena: Arena) -> None:
    code = """
        import numpy as np

        class Bot:
            def __init__(self, spec):
                assert spec.arena == "connect_four" and spec.agents == ("player_0", "player_1")
                assert spec.observation_shape == (2, 6, 7) and spec.num_actions == 7
                assert spec.turns == "sequential" and spec.max_steps == 42 and spec.move == 0.2

            def reset(self, seed, agent):
                assert seed == 5 and agent == "player_0"

            def act(self, observation, action_mask, clock):
                assert observation.dtype == np.float32 and observation.shape == (2, 6, 7)
                assert action_mask.dtype == np.bool_ and action_mask.tolist() == [False] * 6 + [True]
                assert clock.move == 0.2 and clock.bank == 0.3
                assert observation[1, 5, 6] == 0.5 and observation.sum() == 0.5
                observation[:] = 0
                return np.int64(6)
    """
    process = arena.start(code)
    process.reset("m_1/0", 5, "player_0")
    observation, mask = EMPTY.copy(), np.zeros(7, np.bool_)
    observation[1, 5, 6], mask[6] = 0.5, True
    assert process.act(observation, mask, 0) == 6


@pytest.mark.parametrize("source", ["random.randrange(7)", "np.random.randint(7)"])
def test_a_function_plays_and_is_reproducible_by_the_seed(arena: Arena, source: str) -> None:
    code = f"import random\nimport numpy as np\nact = lambda observation, action_mask, clock: {source}\n"
    first, second = (arena.start(code, entry="bot:act") for _ in range(2))
    moves = []
    for process, seed in ((first, 5), (first, 5), (first, 6), (second, 6)):
        process.reset(None, seed, "player_0")
        moves.append([process.act(EMPTY, ALL, step) for step in range(20)])
    assert moves[0] == moves[1] != moves[2] == moves[3]


def test_a_class_may_do_without_init_and_reset(arena: Arena) -> None:
    process = arena.start("class Bot:\n    def act(self, observation, action_mask, clock):\n        return 3\n")
    process.reset(None, 1, "player_0")
    assert process.act(EMPTY, ALL, 0) == 3


def test_a_process_plays_match_after_match(arena: Arena) -> None:
    process = arena.start(acting("return self.moves"))
    for match in range(3):
        process.reset(f"m_1/{match}", match, "player_1")
        assert process.act(EMPTY, ALL, 0) == 2 * match + 1
        assert process.act(EMPTY, ALL, 2) == 2 * match + 2


def test_a_command_plays_over_json_lines(arena: Arena) -> None:
    moves = arena.play(LINES, 20, language="command")
    assert len(set(moves)) > 1
    assert arena.play(LINES, 20, language="command") == moves


def test_prints_and_stderr_go_to_the_log_and_harm_nobody(arena: Arena) -> None:
    body = """
        print("hello", end=" ")
        os.write(1, b"from 1\\n")
        sys.stderr.write("and \\x1b[31mred\\n")
        if self.moves == 2: raise ValueError("two")
        return 0
    """
    record = arena.failure(acting(body, head="import os, sys\n"), moves=2)
    assert record.code is FailureCode.CRASH
    assert record.step == 1
    for text in ("hello", "from 1\n", r"and \x1b[31mred"):
        assert record.stderr.count(text) == 2
    assert "\x1b" not in record.stderr


def test_of_a_long_log_the_end_is_kept(arena: Arena) -> None:
    body = "print('x' * 50_000); print('the end'); raise ValueError"
    record = arena.failure(acting(body))
    assert record.stderr.endswith("the end\n")
    assert len(record.stderr) <= 4000


# --- clocks


def test_time_beyond_a_move_s_own_is_taken_off_the_bank_which_the_bot_sees(arena: Arena) -> None:
    body = """
        print(clock.bank)
        assert clock.move == 0.5
        if self.moves == 1: time.sleep(0.8)
        return 0
    """
    process = arena.start(acting(body, head="import time\n"), clocks=Clocks(move=0.5, bank=60.0))
    process.reset("m_1/0", 5, "player_0")
    assert process.bank == 60.0
    process.act(EMPTY, ALL, 0)
    left = process.bank
    assert 60.0 - SLACK < left <= 59.7
    process.act(EMPTY, ALL, 2)
    process.reset("m_1/1", 5, "player_0")
    assert process.bank == 60.0


def test_an_endless_loop_is_gone_soon_after_its_deadline(arena: Arena) -> None:
    process = arena.start(acting("while True: pass"))
    process.reset("m_1/7", 5, "player_0")
    began = time.monotonic()
    with pytest.raises(BotFailedError) as caught:
        process.act(EMPTY, ALL, 4)
    assert 0.5 <= time.monotonic() - began < 0.5 + SLACK
    record = caught.value.record
    assert (record.code, record.phase, record.match, record.agent, record.step) == (
        FailureCode.TIMEOUT,
        Phase.ACT,
        "m_1/7",
        "player_0",
        4,
    )
    assert record.message == "no answer within the 0.2 s of a move and the rest of its bank"
    assert record.bank_milliseconds == 0
    assert record.legal_actions == (0, 1, 2, 3, 4, 5, 6)
    assert record.milliseconds is not None
    assert record.milliseconds >= 500
    assert not Path(f"/proc/{process.pid}").exists()


def test_an_endless_reset_times_out(arena: Arena) -> None:
    code = "class Bot:\n def __init__(self, spec): pass\n def reset(self, seed, agent):\n  while True: pass\n"
    record = arena.failure(code + " def act(self, o, m, c): return 0\n")
    assert (record.code, record.phase) == (FailureCode.TIMEOUT, Phase.RESET)


def test_what_ignores_sigterm_ends_all_the_same(arena: Arena) -> None:
    head = "import signal\nfor number in (15, 2, 1, 3): signal.signal(number, signal.SIG_IGN)\n"
    assert arena.failure(acting("while True: pass", head=head)).code is FailureCode.TIMEOUT


@pytest.mark.parametrize(("place", "phase"), [("import", Phase.IMPORT), ("init", Phase.INIT)])
def test_who_is_not_ready_in_time_is_told_where_it_was(arena: Arena, place: str, phase: Phase) -> None:
    loop = "while True: pass"
    code = (
        f"{loop if place == 'import' else ''}\nclass Bot:\n def __init__(self, spec):\n  {loop}\n def act(self): pass\n"
    )
    record = arena.failure(code, clocks=Clocks(start=0.5))
    assert (record.code, record.phase) == (FailureCode.INIT_TIMEOUT, phase)
    assert record.message == "not ready within 0.5 s"
    assert record.match is None


@pytest.mark.parametrize("reads", [1, 2])
def test_a_command_that_stops_reading_uses_up_its_own_time(arena: Arena, reads: int) -> None:
    code = """
        import time
        input()
        print('{"type": "ready"}', flush=True)
    """
    if reads == 2:
        code += '    input()\n        print(\'{"id": 1, "ok": true}\', flush=True)\n'
    wide = ArenaSpec("wide", ("a",), ((0,),), (200, 500), 2, Turns.SEQUENTIAL, 1)  # more than any pipe holds
    process = arena.start(textwrap.dedent(code) + "time.sleep(600)", language="command", spec=wide)
    began = time.monotonic()
    with pytest.raises(BotFailedError) as caught:  # noqa: PT012  (in either, as `reads` says)
        process.reset(None, 5, "a")
        process.act(np.zeros(wide.observation_shape, np.float32), np.ones(2, np.bool_), 0)
    record = caught.value.record
    assert (record.code, record.phase) == (FailureCode.TIMEOUT, Phase.RESET if reads == 1 else Phase.ACT)
    assert time.monotonic() - began < 1.0 + SLACK


# --- loading


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
def test_what_cannot_be_loaded_is_an_import_error(arena: Arena, code: str, message: str, frames: str) -> None:
    record = arena.failure(code)
    assert (record.code, record.phase) == (FailureCode.IMPORT_ERROR, Phase.IMPORT)
    assert message in record.message
    assert frames in record.traceback
    assert str(arena.folder) not in record.model_dump_json()


def test_our_own_frames_are_not_the_bot_s(arena: Arena) -> None:
    record = arena.failure(acting("return helper(self)", head="def helper(bot):\n    return bot.nothing\n"))
    assert record.code is FailureCode.CRASH
    assert record.message == "AttributeError: 'Bot' object has no attribute 'nothing'"
    assert record.traceback.count("File ") == record.traceback.count('File "bot.py", line') == 2
    assert "return bot.nothing" in record.traceback
    assert "harness" not in record.traceback


def test_an_init_that_raises_is_a_crash_in_init(arena: Arena) -> None:
    record = arena.failure("class Bot:\n def __init__(self, spec): raise KeyError('x')\n def act(self): pass\n")
    assert (record.code, record.phase, record.message) == (FailureCode.CRASH, Phase.INIT, "KeyError: 'x'")


def test_a_command_that_cannot_be_started_is_an_import_error(arena: Arena, nursery: Nursery) -> None:
    source = write_bot(arena.folder / "b", LINES, language="command")
    object.__setattr__(source, "command", (str(source.folder / "missing"),))
    with pytest.raises(BotFailedError) as caught:
        nursery.start(source, SPEC, CLOCKS)
    record = caught.value.record
    assert (record.code, record.phase) == (FailureCode.IMPORT_ERROR, Phase.IMPORT)
    assert "missing cannot be started: No such file or directory" in record.message


def test_a_bot_called_like_a_module_of_the_standard_library_shadows_nothing(arena: Arena, nursery: Nursery) -> None:
    source = write_bot(arena.folder / "b", "import random\nact = lambda *_: random.Random(4).randrange(7)\n")
    (source.folder / "bot.py").rename(source.folder / "random.py")
    object.__setattr__(source, "entry", "random:act")
    process = nursery.start(source, SPEC, CLOCKS)
    arena.started.append(process)
    process.reset(None, 1, "player_0")
    assert 0 <= process.act(EMPTY, ALL, 0) < 7


def test_a_bot_finds_its_other_files_and_dataclasses_work(arena: Arena, nursery: Nursery) -> None:
    code = """
        from __future__ import annotations
        from dataclasses import dataclass
        import helper

        @dataclass
        class Bot:
            spec: object
            def act(self, observation, action_mask, clock): return helper.move()
    """
    source = write_bot(arena.folder / "b", code)
    (source.folder / "helper.py").write_text("def move(): return 4\n", encoding="utf-8")
    process = nursery.start(source, SPEC, CLOCKS)
    arena.started.append(process)
    process.reset(None, 1, "player_0")
    assert process.act(EMPTY, ALL, 0) == 4


# --- answers


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
def test_an_answer_that_is_no_legal_action(arena: Arena, answer: str, message: str) -> None:
    process = arena.start(acting(f"return {answer}", head="import numpy as np\n"))
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
def test_a_command_s_answers(arena: Arena, line: str, code: FailureCode | None, message: str) -> None:
    says = 'print("""' + line + '""".replace("ID", str(request["id"])), flush=True)'
    bot = LINES.replace('say(id=request["id"], action=dice.choice(legal))', says)
    if code is None:
        assert arena.play(bot, language="command") == [3]
        return
    record = arena.failure(bot, language="command")
    assert (record.code, record.phase) == (code, Phase.ACT)
    assert message in record.message


@pytest.mark.parametrize("language", ["python", "command"])
def test_an_answer_out_of_turn_is_noticed_at_the_next_request(arena: Arena, language: Language) -> None:
    if language == "python":
        says = """os.write(3, b'{"id":3,"action":1}\\n')"""
        head = f"import os, threading, time\ndef later():\n    time.sleep(0.1)\n    {says}\n"
        code = acting("threading.Thread(target=later).start(); return 0", head=head)
    else:
        again = 'import time; time.sleep(0.1); say(id=request["id"] + 1, action=0)'
        code = LINES + f"            {again}\n"
    process = arena.start(code, language=language)
    process.reset("m_1/0", 5, "player_0")
    process.act(EMPTY, ALL, 0)
    time.sleep(0.5)
    with pytest.raises(BotFailedError) as caught:
        process.act(EMPTY, ALL, 2)
    record = caught.value.record
    assert (record.code, record.phase) == (FailureCode.PROTOCOL, Phase.IDLE)
    assert "answered twice or out of turn" in record.message


def test_a_bot_that_answers_for_the_harness_gains_nothing(arena: Arena) -> None:
    body = 'os.write(3, b\'{"id":2,"action":99}\\n\'); return 0'
    record = arena.failure(acting(body, head="import os\n"))
    assert record.code in (FailureCode.INVALID_ACTION, FailureCode.PROTOCOL)


def test_a_first_line_that_is_not_ready(arena: Arena) -> None:
    record = arena.failure('print(\'{"type": "hello"}\', flush=True); input()', language="command")
    assert (record.code, record.phase) == (FailureCode.PROTOCOL, Phase.IMPORT)
    assert 'its first line has to be {"type": "ready"}' in record.message


# --- ends


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("os._exit(7)", "its process exited with status 7"),
        ("os._exit(0)", "its process exited with status 0"),
        ("sys.exit(2)", "SystemExit: 2"),
        ("ctypes.string_at(8)", "its process was killed by SIGSEGV"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        (
            "class E(BaseException):\n    def __str__(self): raise ValueError\nraise E",
            "E: <its text raised ValueError>",
        ),
        ("def f(): return f()\nf()", "RecursionError"),
    ],
)
def test_exits_and_crashes(arena: Arena, body: str, message: str) -> None:
    record = arena.failure(acting(body, head="import ctypes, os, sys\n"))
    assert (record.code, record.phase) == (FailureCode.CRASH, Phase.ACT)
    assert message in record.message
    assert record.legal_actions is None or len(record.legal_actions) == 7


def test_who_dies_while_nothing_is_asked(arena: Arena) -> None:
    head = "import os, threading, time\ndef later():\n    time.sleep(0.1)\n    os._exit(5)\n"
    process = arena.start(acting("threading.Thread(target=later).start(); return 0", head=head))
    process.reset("m_1/0", 5, "player_0")
    process.act(EMPTY, ALL, 0)
    time.sleep(0.5)
    with pytest.raises(BotFailedError) as caught:
        process.act(EMPTY, ALL, 2)
    record = caught.value.record
    assert (record.code, record.phase, record.message) == (
        FailureCode.CRASH,
        Phase.IDLE,
        "its process exited with status 5",
    )


def test_closing_the_channel_is_no_way_to_live_on(arena: Arena) -> None:
    record = arena.failure(acting("os.close(3); time.sleep(60)", head="import os, time\n"))
    assert (record.code, record.message) == (
        FailureCode.PROTOCOL,
        "closed the channel on which it is to answer",
    )


def test_closing_the_log_is_allowed(arena: Arena) -> None:
    assert arena.play(acting("if self.moves == 1: os.close(1); os.close(2)\nreturn 1", head="import os\n"), 3) == [
        1,
        1,
        1,
    ]


@pytest.mark.parametrize(
    "body",
    [
        "while True: print('spam' * 1000)",
        "while True: sys.stderr.write('spam' * 1000)",
    ],
)
def test_a_flood_of_output_ends_it(arena: Arena, body: str) -> None:
    record = arena.failure(acting(body, head="import sys\n"), clocks=Clocks(move=30.0))
    assert (record.code, record.message) == (FailureCode.PROTOCOL, "wrote more than 100,000 bytes to its log")
    assert len(record.stderr) <= 4000


def test_memory_beyond_the_limit_is_oom(arena: Arena) -> None:
    record = arena.failure(acting("keep = [bytearray(10**7) for _ in range(100)]"), clocks=Clocks(move=60.0))
    assert (record.code, record.phase) == (FailureCode.OOM, Phase.ACT)
    assert record.message == "MemoryError (it may use 512 MiB)"


def test_what_the_sandbox_denies_is_named_with_the_line(arena: Arena) -> None:
    record = arena.failure(acting("open('/etc/passwd')"))
    assert record.code is FailureCode.SANDBOX_DENIED
    assert "PermissionError: [Errno 13] Permission denied: '/etc/passwd'" in record.message
    assert "open('/etc/passwd')" in record.traceback


def test_a_denial_behind_another_exception_is_one_too(arena: Arena) -> None:
    body = "try:\n    open('/etc/passwd')\nexcept OSError as error:\n    raise ValueError('no book') from error"
    record = arena.failure(acting(body))
    assert (record.code, record.message) == (
        FailureCode.SANDBOX_DENIED,
        "ValueError: no book (the sandbox does not allow it)",
    )


def test_a_bot_s_own_report_is_bounded_and_harmless(arena: Arena) -> None:
    body = "raise type('Evil\\x1b[31m' + 'n' * 5000, (Exception,), {})('m\\x00' * 100_000)"
    record = arena.failure(acting(body))
    assert record.code is FailureCode.CRASH
    assert record.message.isprintable()
    assert len(record.message) < 2000


def test_the_process_s_descriptors_and_environment_are_its_own(arena: Arena) -> None:
    os.environ["LEAGUE_SECRET"] = "hidden"
    body = """
        import os
        fds = []
        for fd in range(64):
            try:
                os.fstat(fd)
                fds.append(fd)
            except OSError: pass
        raise ValueError(f"{fds} {sorted(os.environ)} {os.getcwd() == os.path.dirname(__file__)}")
    """
    try:
        record = arena.failure(acting(body))
    finally:
        del os.environ["LEAGUE_SECRET"]
    assert record.message.startswith("ValueError: [0, 1, 2, 3] ['HOME', 'LANG', 'MALLOC_ARENA_MAX', 'MKL_NUM_THREADS'")
    assert "SECRET" not in record.message
    assert record.message.endswith(" True")


@pytest.mark.parametrize("name", ["agents.bots.process", "league", "matchmaking.store", "arenas"])
def test_our_own_packages_are_not_there(arena: Arena, name: str) -> None:
    record = arena.failure(f"import {name}\n")
    assert record.message.startswith(f"ModuleNotFoundError: No module named '{name.split('.', maxsplit=1)[0]}'")


def test_the_interpreter_is_the_referee_s(arena: Arena) -> None:
    record = arena.failure("import sys; raise ValueError(sys.version_info[:2])")
    assert record.message == f"ValueError: {sys.version_info[:2]}"
