"""Bots that patch what is around them, look for what others left, and end in their own ways."""

from __future__ import annotations

import json
import os
import select
import signal
from pathlib import Path

import pytest

from agents.bots.core import FailureCode, InfraError, Phase
from agents.bots.nursery import Nursery
from tests.agents.bots.bots import acting
from tests.hostile import ground
from tests.hostile.conftest import Convict
from tests.hostile.ground import CLOCKS, Attack, Host, answers, says

HEAD = "import ctypes, gc, inspect, json, os, signal, sys, threading, time\n"
ALL = "legal were 0, 1, 2, 3, 4, 5, 6"
CRASH = FailureCode.CRASH
FRAME = "inspect.currentframe().f_back"

PATCHES = [
    answers(
        "link_of_the_harness",
        f"{FRAME}.f_locals['link'].write({{'id': 3, 'action': 99}}) or time.sleep(30)",
        FailureCode.INVALID_ACTION,
        "action 99 is none of 0 to 6; " + ALL,
        head=HEAD,
    ),
    answers(
        "judge_in_its_own_process",
        "patch()",
        FailureCode.INVALID_ACTION,
        "action 99 is none of 0 to 6; " + ALL,
        head=HEAD + "def patch():\n"
        "    for each in gc.get_objects():\n"
        "        if inspect.isfunction(each) and each.__name__ in ('as_action', '_fail', 'parse', 'act'):\n"
        "            each.__code__ = (lambda *a, **k: {'action': 3}).__code__\n"
        "    return 99\n",
    ),
    answers(
        "modules",
        "patch()",
        CRASH,
        "ModuleNotFoundError: No module named 'agents'",
        head=HEAD + "def patch():\n    sys.modules.clear()\n    import agents.bots.process\n",
    ),
    answers(
        "json_of_the_harness",
        "None",
        FailureCode.PROTOCOL,
        'its first line has to be {"type": "ready"}',
        head='import json\njson.dumps = lambda *a, **k: \'{"id": 3, "action": "owned"}\'\n',
        phase=Phase.IMPORT,
        step=None,
    ),
    answers(
        "tracing",
        "1 / 0",
        CRASH,
        "ZeroDivisionError: division by zero",
        head="import sys\nsys.settrace(lambda *a: None)\nsys.setprofile(lambda *a: None)\nsys.excepthook = print\n",
    ),
    answers(
        "builtins",
        "undefined",
        FailureCode.IMPORT_ERROR,
        "its process exited with status 1",
        head="import builtins\nbuiltins.len = builtins.isinstance = builtins.str = lambda *a: 3\n",
        phase=Phase.IMPORT,
        step=None,
    ),
    answers(
        "observation_written_on",
        "scribble(observation, action_mask)",
        FailureCode.INVALID_ACTION,
        "action 7 is none of 0 to 6; " + ALL,
        head="def scribble(seen, mask):\n    seen[:] = 1\n    mask[:] = True\n    return 7\n",
    ),
    answers(
        "error_with_an_evil_text",
        "fail()",
        CRASH,
        "Evil: <its text raised ZeroDivisionError>",
        head="class Evil(Exception):\n    def __str__(self): return 1 / 0\ndef fail(): raise Evil\n",
    ),
    answers(
        "error_for_a_terminal",
        "fail()",
        CRASH,
        r"ValueError: \x1b]0;owned\x07\x1b[2J<script>\u202e",
        head="def fail(): raise ValueError('\\x1b]0;owned\\x07\\x1b[2J<script>\\u202e')\n",
        frame=r"\x1b]0;owned\x07",
    ),
    answers(
        "error_as_long_as_a_book",
        "fail()",
        CRASH,
        "ValueError: xxx…",
        head="def fail(): raise ValueError('x' * 10**7)\n",
    ),
    answers(
        "errors_without_end",
        "fail(200)",
        CRASH,
        "ValueError: 0",
        head="def fail(n):\n    try:\n        raise ValueError(n)\n    finally:\n        if n: fail(n - 1)\n",
    ),
    answers(
        "print_for_a_terminal",
        "print('\\x1b]52;c;b3duZWQ=\\x07\\x1b[8m\\u2066\\r') or 1 / 0",
        CRASH,
        "ZeroDivisionError: division by zero",
        stderr=r"\x1b]52;c;b3duZWQ=\x07\x1b[8m\u2066\r",
    ),
    answers(
        "code_of_another_s_file",
        "exec(compile('1/0', '/etc/passwd', 'exec'))",
        CRASH,
        "ZeroDivisionError: division by zero",
    ),
]

ENDS = [
    answers("exit", "os._exit(0)", CRASH, "its process exited with status 0", head=HEAD),
    answers("status", "os._exit(77)", CRASH, "its process exited with status 77", head=HEAD),
    answers("sys_exit", "sys.exit()", CRASH, "SystemExit", head=HEAD),
    answers("interrupt", "signal.raise_signal(signal.SIGINT)", CRASH, "KeyboardInterrupt", head=HEAD),
    answers("segfault", "ctypes.string_at(8)", CRASH, "its process was killed by SIGSEGV", head=HEAD),
    answers("abort", "os.abort()", CRASH, "its process was killed by SIGABRT", head=HEAD),
    answers("own_hand", "os.kill(os.getpid(), signal.SIGKILL)", CRASH, "its process was killed by SIGKILL", head=HEAD),
    answers("alarm", "signal.alarm(1) or time.sleep(30)", CRASH, "its process was killed by SIGALRM", head=HEAD),
    answers(
        "cpu_signal",
        "os.kill(os.getpid(), signal.SIGXCPU)",
        FailureCode.TIMEOUT,
        "used all of its 3,600 s of CPU",
        head=HEAD,
    ),
    answers(
        "forbidden_call",
        "ctypes.CDLL(None).syscall(0x40000000 + 39)",
        FailureCode.SANDBOX_DENIED,
        "its process was killed by SIGSYS over something that the sandbox does not allow",
        head=HEAD,
    ),
    answers("real_time_signal", "os.kill(os.getpid(), 40)", CRASH, "its process was killed by signal 40", head=HEAD),
    answers(
        "in_a_thread",
        "threading.Thread(target=os._exit, args=(5,)).start() or time.sleep(30)",
        CRASH,
        "its process exited with status 5",
        head=HEAD,
    ),
    answers(
        "first_thread", "ctypes.CDLL(None).pthread_exit(None)", CRASH, "its process exited with status 0", head=HEAD
    ),
    answers(
        "words_at_the_end",
        "leave()",
        CRASH,
        "its process exited with status 3",
        head=HEAD + "def leave():\n    os.write(2, b'last words')\n    os._exit(3)\n",
        stderr="last words",
    ),
    answers(
        "claim_of_no_memory",
        "leave()",
        FailureCode.OOM,
        "its process exited with status 3: out of memory, of which it may use 256 MiB",
        head=HEAD + "def leave():\n    os.write(2, b'MemoryError')\n    os._exit(3)\n",
    ),
    Attack(
        "import",
        "import os; os._exit(0)\n",
        FailureCode.IMPORT_ERROR,
        "its process exited with status 0",
        Phase.IMPORT,
        None,
    ),
    Attack(
        "init",
        "import os\nclass Bot:\n def __init__(self, spec): os._exit(1)\n def act(self): pass\n",
        CRASH,
        "its process exited with status 1",
        Phase.INIT,
        None,
    ),
    Attack(
        "reset",
        acting("return 0") + "    def reset(self, seed, agent): raise ValueError(agent)\n",
        CRASH,
        "ValueError: player_0",
        Phase.RESET,
        None,
    ),
    Attack(
        "after_its_answer",
        acting(
            "if self.moves == 2: threading.Timer(0.05, os._exit, (9,)).start()\n"
            "if self.moves == 3: time.sleep(30)\nreturn int(action_mask.nonzero()[0][0])",
            head=HEAD,
        ),
        CRASH,
        "its process exited with status 9",
        step=4,
    ),
    Attack(
        "not_at_exit",
        "import atexit, os\natexit.register(os.write, 3, b'{\"id\":3}\\n')\n"
        + acting("self.moves < 2 or os._exit(1)\nreturn 0"),
        CRASH,
        "its process exited with status 1",
    ),
    says("command", "os._exit(4)", CRASH, "its process exited with status 4"),
    says(
        "command_that_becomes_another",
        "os.execv('/bin/cat', ['cat', '/etc/passwd'])",
        FailureCode.SANDBOX_DENIED,
        "its process exited with status 1 over something that the sandbox does not allow",
        stderr="cat: /etc/passwd: Permission denied",
    ),
]


@pytest.mark.parametrize("attack", PATCHES, ids=str)
def test_patch(convict: Convict, attack: Attack) -> None:
    convict(attack)


@pytest.mark.parametrize("attack", ENDS, ids=str)
def test_end(convict: Convict, attack: Attack) -> None:
    convict(attack)


LOOKS = """
import gc, json, os, resource, sys
def descriptors():
    found = {}
    for fd in range(1024):
        try:
            found[fd] = oct(os.fstat(fd).st_mode)
        except OSError:
            pass
    return found
def reachable():
    words = ('redis', 'league.toml', 'SECRET', 'secret', 'runs/')
    return sorted({each[:80] for each in gc.get_objects() if isinstance(each, str) and any(w in each for w in words)})
def report():
    ours = ('league', 'agents', 'arenas', 'redis')
    told = {
        'descriptors': descriptors(),
        'environment': dict(os.environ),
        'arguments': sys.orig_argv,
        'modules': sorted(name for name in sys.modules if name.split('.')[0] in ours),
        'path': sys.path,
        'uid_changes': os.getresuid(),
        'groups': os.getgroups(),
        'core': resource.getrlimit(resource.RLIMIT_CORE)[1],
        'folder': os.getcwd(),
    }
    raise AssertionError(json.dumps(told))
"""


def test_what_a_bot_finds_around_it_is_nothing(host: Host, nursery: Nursery) -> None:
    """No descriptor but its own, no variable of the host's, no module of the league's."""
    source = host.source(answers("spy", "report()", CRASH, "", head=LOOKS))
    record = ground.play(nursery, source, CLOCKS).record
    assert record is not None
    told = json.loads(record.traceback.partition("AssertionError: ")[2])
    assert sorted(told["descriptors"]) == ["0", "1", "2", "3"]
    kinds = {number: mode[:4] for number, mode in told["descriptors"].items()}
    assert kinds == {"0": "0o20", "1": "0o10", "2": "0o10", "3": "0o14"}  # a device, pipes, a socket
    variables = {"PATH", "LANG", "LC_CTYPE", "HOME", "PYTHONHASHSEED", "OMP_NUM_THREADS"}
    assert set(told["environment"]) <= variables | {"OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "MALLOC_ARENA_MAX"}
    assert told["modules"] == []
    assert told["core"] in (0, 1)
    assert str(host.folder) not in " ".join(told["arguments"])
    assert told["folder"] == str(source.folder)


def test_the_host_s_environment_reaches_no_bot(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a secret nor what would change the interpreter or the loader."""
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit('owned')\n", encoding="ascii")
    for name in ("PYTHONPATH", "PYTHONHOME_", "LD_LIBRARY_PATH", "LEAGUE_SECRET", "REDIS_URL", "NODE_OPTIONS"):
        monkeypatch.setenv(name, str(tmp_path))
    names = "import os, sys\nif True:\n    raise ValueError(' '.join(sorted(os.environ)))\n"
    with Nursery(limits=ground.LIMITS) as nursery:
        python = ground.play(nursery, host.source(Attack("python", names, CRASH, ""))).record
        command = ground.play(nursery, host.source(Attack("command", names, CRASH, "", language="command"))).record
    assert python is not None and command is not None
    told = set(python.message.removeprefix("ValueError: ").split())
    assert told - {"LC_CTYPE"} == {
        *("HOME", "LANG", "PATH", "PYTHONHASHSEED", "MALLOC_ARENA_MAX"),
        *("MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
    }
    (line,) = [line for line in command.stderr.splitlines() if line.startswith("ValueError: ")]
    assert set(line.split()[1:]) - {"LC_CTYPE"} == {"HOME", "LANG", "PATH"}


def test_a_nursery_that_has_died_is_an_infrastructure_fault_and_is_replaced(host: Host) -> None:
    """No bot can do this; should it happen, nobody has lost, and the next match is played."""
    with Nursery(limits=ground.LIMITS) as nursery:
        ground.good_bot(host, nursery)
        process = nursery.start(host.source(Attack("good", acting("return 0"), CRASH, "")), ground.SPEC, CLOCKS)
        process.reset("m_1/0", 1, "player_0")
        end = os.pidfd_open(process.pid)
        os.kill(ground.interpreter(nursery), signal.SIGKILL)
        assert select.select([end], [], [], 30)[0]  # the kernel ends it with its parent, but not in the same instant
        os.close(end)
        with pytest.raises(InfraError):
            process.act(ground.EMPTY, ground.ALL, 0)
        process.kill()
        ground.good_bot(host, nursery)
