"""Bots in containers, with a stand-in for the engine that runs the program here: no engine runs where tests do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import arenas.registry as arenas
from agents.bots import container
from agents.bots.container import Container, Containers, words
from agents.bots.core import BotFailedError, Clocks, FailureCode, InfraError, Isolation, Limits
from agents.bots.nursery import Nursery
from agents.bots.sandbox import layers
from agents.bots.watch import ROUND
from tests.agents.bots.bots import LINES, RANDOM, acting, write_bot

SPEC = arenas.make("connect_four").spec
CLOCKS = Clocks(start=60.0, move=30.0)
EMPTY = np.zeros(SPEC.observation_shape, np.float32)
ALL = np.ones(SPEC.num_actions, np.bool_)
ENGINE = """
import json, os, signal, subprocess, sys, time
words = sys.argv[1:]
there = os.path.join(os.path.dirname(__file__), "there")
def place(name): return os.path.join(there, name)
def tell(name, **state):
    with open(place(name) + ".new", "w") as file: json.dump(state, file)
    os.rename(place(name) + ".new", place(name))
if words[0] == "version":
    print("1.0")
elif words[0] == "container":
    if not os.path.exists(place(words[-1])): sys.exit("No such container")
    print(open(place(words[-1])).read())
elif words[0] == "rm":
    if not os.path.exists(place(words[-1])): sys.exit("No such container")
    state = json.load(open(place(words[-1])))
    os.unlink(place(words[-1]))
    if state["ExitCode"] is None: os.kill(state["Pid"], signal.SIGKILL)
    print(words[-1])
else:
    given = {name: words[at + 1] for at, name in enumerate(words) if name.startswith("--")}
    if "missing" in words:
        print("Unable to find image 'missing:latest' locally", file=sys.stderr)
        sys.exit(125)
    if "slow" in words: time.sleep(1.5)
    mounted = [word.split(":")[:2] for at, word in enumerate(words) if words[at - 1] == "--volume"]
    given_variables = [word for at, word in enumerate(words) if words[at - 1] == "--env"]
    image = words.index("--entrypoint") + 2
    def here(word):
        for outside, inside in mounted:
            if word == inside or word.startswith(inside + "/"): return outside + word[len(inside):]
        return word
    command = [here(word) for word in [given["--entrypoint"], *words[image + 1:]]]
    command[0] = PYTHON if command[0] == "python3" else command[0]
    variables = dict(each.split("=", 1) for each in given_variables)
    child = subprocess.Popen(command, cwd=here(given["--workdir"]), env=variables)
    known = {"Pid": child.pid, "StartedAt": "2026-01-01T00:00:00Z", "OOMKilled": "hungry" in words}
    tell(given["--name"], **known, ExitCode=None)
    status = child.wait()
    status = 128 - status if status < 0 else status
    if os.path.exists(place(given["--name"])): tell(given["--name"], **known, ExitCode=status)
    sys.exit(status)
"""


@pytest.fixture
def nursery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nursery]:
    folder = tmp_path / "engine"
    (folder / "there").mkdir(parents=True)
    program = folder / "docker"
    program.write_text(f"#!{sys.executable}\nPYTHON = {sys.executable!r}\n{ENGINE}", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    layers._docker_layer.cache_clear()
    with Nursery(Isolation.DOCKER) as nursery:
        yield nursery
    layers._docker_layer.cache_clear()
    assert list((folder / "there").iterdir()) == []


@pytest.mark.parametrize("language", ["python", "command"])
def test_a_bot_plays_in_a_container(nursery: Nursery, tmp_path: Path, language: str) -> None:
    code = RANDOM if language == "python" else LINES
    process = nursery.start(write_bot(tmp_path / "b", code, language=language), SPEC, CLOCKS)  # type: ignore[arg-type]
    process.reset("m/0", 3, "player_0")
    moves = [process.act(EMPTY, ALL, step) for step in range(10)]
    assert len(set(moves)) > 1
    process.kill()


def test_closing_ends_every_container(nursery: Nursery, tmp_path: Path) -> None:
    nursery.start(write_bot(tmp_path / "b", RANDOM), SPEC, CLOCKS)
    there = tmp_path / "engine" / "there"
    assert len(list(there.iterdir())) == 1
    nursery.close()
    assert list(there.iterdir()) == []


def test_prints_do_not_reach_the_answers_and_failures_are_told_as_ever(nursery: Nursery, tmp_path: Path) -> None:
    process = nursery.start(write_bot(tmp_path / "b", acting("print('hi'); return helper()")), SPEC, CLOCKS)
    with pytest.raises(BotFailedError) as caught:
        process.act(EMPTY, ALL, 0)
    record = caught.value.record
    assert (record.code, record.message) == (FailureCode.CRASH, "NameError: name 'helper' is not defined")
    assert 'File "bot.py", line 5, in act' in record.traceback
    assert record.stderr == "hi\n"


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ("os._exit(3)", FailureCode.CRASH, "its process exited with status 3"),
        ("os.kill(os.getpid(), 11)", FailureCode.CRASH, "its process was killed by SIGSEGV"),
        ("os.kill(os.getpid(), 9)", FailureCode.CRASH, "its process was killed by SIGKILL"),
        ("os._exit(125)", FailureCode.CRASH, "its process exited with status 125"),  # not the engine's 125
    ],
)
def test_how_a_container_ended(nursery: Nursery, tmp_path: Path, body: str, code: FailureCode, message: str) -> None:
    process = nursery.start(write_bot(tmp_path / "b", acting(f"import os; {body}")), SPEC, CLOCKS)
    with pytest.raises(BotFailedError) as caught:
        process.act(EMPTY, ALL, 0)
    assert caught.value.record.code is code
    assert caught.value.record.message.startswith(message)


def test_an_endless_loop_ends_with_its_container(nursery: Nursery, tmp_path: Path) -> None:
    source = write_bot(tmp_path / "b", acting("while True: pass"))
    process = nursery.start(source, SPEC, Clocks(start=60.0, move=0.3, bank=0.0))
    with pytest.raises(BotFailedError) as caught:
        process.act(EMPTY, ALL, 0)
    assert caught.value.record.code is FailureCode.TIMEOUT


def test_an_image_that_is_not_there_is_the_host_s_fault(nursery: Nursery, tmp_path: Path) -> None:
    nursery._containers = Containers("missing", Limits())
    with pytest.raises(InfraError, match=r"never ran it: Unable to find image 'missing:latest' locally"):
        nursery.start(write_bot(tmp_path / "b", RANDOM), SPEC, CLOCKS)


def test_what_the_engine_calls_out_of_memory_is(nursery: Nursery, tmp_path: Path) -> None:
    nursery._containers = Containers("hungry", Limits())
    process = nursery.start(write_bot(tmp_path / "b", acting("import os; os.kill(os.getpid(), 9)")), SPEC, CLOCKS)
    with pytest.raises(BotFailedError) as caught:
        process.act(EMPTY, ALL, 0)
    assert caught.value.record.code is FailureCode.OOM
    assert caught.value.record.message.startswith("its process was killed by SIGKILL: out of memory, of which it may")


def test_what_the_engine_takes_to_start_is_not_the_bot_s_time(nursery: Nursery, tmp_path: Path) -> None:
    nursery._containers = Containers("slow", Limits())
    source = write_bot(tmp_path / "b", LINES, language="command")
    nursery.start(source, SPEC, Clocks(start=1.0, move=30.0)).kill()


def test_the_engine_s_client_is_not_held_to_the_bot_s_limits(nursery: Nursery, tmp_path: Path) -> None:
    nursery.limits = Limits(threads=1)
    process = nursery.start(write_bot(tmp_path / "b", RANDOM), SPEC, CLOCKS)
    assert process not in ROUND._members
    process.kill()


def test_a_folder_that_docker_would_misread_is_refused(tmp_path: Path) -> None:
    request = {"folder": f"{tmp_path}/a:b", "entry": "bot:Bot", "language": "python", "command": []}
    with pytest.raises(InfraError, match="without a colon"):
        Container("image", Limits(), "label=1").start(request, [0, 1, 2])


def test_what_is_run_inside() -> None:
    request = {"folder": "/bots/b", "entry": "", "language": "command"}
    assert words({**request, "command": ["/bots/b/bin/bot", "-x"]}) == ["/bot/bin/bot", "-x"]
    assert words({**request, "command": ["/usr/bin/node", "bot.js"]}) == ["node", "bot.js"]
    assert words({**request, "command": [sys.executable, "bot.py"]}) == ["python3", "bot.py"]
    assert words({**request, "entry": "bot:Bot", "language": "python", "command": []})[-3:] == [
        "/bot",
        "bot:Bot",
        "python",
    ]
    assert (container.PACKAGE / Path(container.HARNESS).name).exists()
