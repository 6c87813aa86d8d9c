"""Hostile bots in containers of a real engine; skipped where none answers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agents.bots.core import Clocks, FailureCode, InfraError, Isolation, Phase
from agents.bots.nursery import Nursery
from agents.bots.sandbox import docker
from agents.bots.source import BotSource
from tests.agents.bots.bots import LINES, RANDOM
from tests.hostile import ground, image
from tests.hostile.ground import Attack, Host, answers, says

PATIENT, HURRY = Clocks(start=60.0, move=30.0), Clocks(start=60.0, move=2.0, bank=0.5)
NO_TIME = "no answer within the 2 s of a move and the rest of its bank"
GONE = 60.0  # seconds for a loaded engine to remove a container
ROOT = Path(__file__).resolve().parents[2]
HEAD = "import os, signal, socket, threading, time\n"
CRASH, OOM, TIMEOUT, PROTOCOL = FailureCode.CRASH, FailureCode.OOM, FailureCode.TIMEOUT, FailureCode.PROTOCOL
MISSING = "FileNotFoundError: [Errno 2] No such file or directory"
DENIED = FailureCode.SANDBOX_DENIED
BY_SANDBOX = " (the sandbox does not allow it)"
NOT_ALLOWED = "PermissionError: [Errno 13] Permission denied"
READ_ONLY = "OSError: [Errno 30] Read-only file system"

ATTACKS = [
    answers("league_toml", "open('$RUN/league.toml').read()", CRASH, f"{MISSING}: '$RUN/league.toml'"),
    answers("other_bot", "open('../other/bot.py').read()", CRASH, f"{MISSING}: '../other/bot.py'"),
    answers("repository", "open('$ROOT/Makefile').read()", CRASH, f"{MISSING}: '$ROOT/Makefile'"),
    answers("referee", "open('/proc/$REFEREE/maps').read()", CRASH, f"{MISSING}: '/proc/$REFEREE/maps'"),
    answers("own_folder", "open('/bot/more', 'w')", CRASH, f"{READ_ONLY}: 'more'"),
    answers(
        "harness",
        "open('/league/agents/bots/core.py', 'a')",
        DENIED,
        f"{NOT_ALLOWED}: '/league/agents/bots/core.py'{BY_SANDBOX}",
    ),
    answers("temporary", "open('/tmp/more', 'w')", CRASH, "…'/tmp/more'"),
    answers("shared_memory", "open('/dev/shm/more', 'w')", CRASH, "…'/dev/shm/more'"),
    answers("redis", "socket.socket(socket.AF_UNIX).connect('$REDIS') or 0", CRASH, MISSING, head=HEAD),
    answers(
        "tcp",
        "socket.create_connection(('127.0.0.1', $PORT), 3) and 0",
        CRASH,
        "ConnectionRefusedError: [Errno 111] Connection refused",
        head=HEAD,
    ),
    answers(
        "abstract",
        "socket.socket(socket.AF_UNIX).connect('\\0$ABSTRACT') or 0",
        CRASH,
        "ConnectionRefusedError: [Errno 111] Connection refused",
        head=HEAD,
    ),
    answers(
        "internet",
        "socket.create_connection(('192.0.2.1', 80), 3) and 0",
        CRASH,
        "OSError: [Errno 101] Network is unreachable",
        head=HEAD,
    ),
    answers(
        "root", "os.setuid(0)", DENIED, f"PermissionError: [Errno 1] Operation not permitted{BY_SANDBOX}", head=HEAD
    ),
    answers(
        "fork_bomb",
        "[os.fork() or time.sleep(3600) for _ in range(10_000)]",
        CRASH,
        "BlockingIOError: [Errno 11] Resource temporarily unavailable",
        head=HEAD,
    ),
    answers(
        "threads",
        "[threading.Thread(target=time.sleep, args=(3600,)).start() for _ in range(10_000)]",
        CRASH,
        "RuntimeError: can't start new thread",
        head=HEAD,
    ),
    answers(
        "memory",
        "[bytes(b'x' * 2**24) for _ in range(64)]",
        OOM,
        "its process was killed by SIGKILL: out of memory, of which it may use 256 MiB",
    ),
    answers("exit_as_the_engine", "os._exit(125)", CRASH, "its process exited with status 125", head=HEAD),
    answers("own_hand", "os.kill(os.getpid(), 9)", CRASH, "its process was killed by SIGKILL", head=HEAD),
    answers("loop", "any(iter(int, 1))", TIMEOUT, NO_TIME, clocks=HURRY),
    answers(
        "deaf",
        "any(iter(int, 1))",
        TIMEOUT,
        NO_TIME,
        clocks=HURRY,
        head=HEAD + "for number in set(signal.Signals) - {9, 19}: signal.signal(number, signal.SIG_IGN)\n",
    ),
    answers(
        "orphans",
        "[os.fork() or time.sleep(3600) for _ in range(5)] and time.sleep(3600)",
        TIMEOUT,
        NO_TIME,
        head=HEAD,
        clocks=HURRY,
    ),
    answers(
        "flood",
        "[os.write(2, b'x' * 4096) for _ in iter(int, 1)]",
        PROTOCOL,
        "wrote more than 50,000 bytes to its log",
        head=HEAD,
    ),
    says("giant_line", "out(b'x' * 100_000)", PROTOCOL, "sent a line of more than 4,096 bytes"),
    says("command_loop", "while True: pass", TIMEOUT, NO_TIME, clocks=HURRY),
]


@pytest.fixture(scope="module")
def engine() -> Iterator[str]:
    """The name of an image on a real engine; whatever was there before is there afterwards."""
    if trouble := docker.trouble():
        pytest.skip(f"no docker engine: {trouble}")
    tag, before = f"league-bots-test:{os.getpid()}", containers()
    image.build(tag)
    yield tag
    subprocess.run(["docker", "image", "rm", "--force", tag], check=True, capture_output=True)
    assert containers() <= before


@pytest.fixture(scope="module")
def contained(engine: str) -> Iterator[Nursery]:
    with Nursery(Isolation.DOCKER, ground.LIMITS, image=engine) as made:
        yield made


def containers() -> set[str]:
    """Of bots, running or not."""
    line = ["docker", "ps", "--all", "--quiet", "--filter", "label=league-bots"]
    return set(subprocess.run(line, capture_output=True, text=True, check=True).stdout.split())


def stored(host: Host, attack: Attack) -> BotSource:
    """The bot; the words of a command are relative, as those of a manifest are."""
    source = host.source(attack)
    return replace(source, command=(sys.executable, "-u", "bot.py")) if source.command else source


def all_gone(before: set[str]) -> bool:
    deadline = time.monotonic() + GONE
    while containers() - before and time.monotonic() < deadline:
        time.sleep(0.1)
    return not containers() - before


@pytest.mark.parametrize("language", ["python", "command"])
def test_good_bots_play(host: Host, contained: Nursery, language: str) -> None:
    code = RANDOM if language == "python" else LINES
    attack = Attack("good", code, CRASH, "", language=language)  # type: ignore[arg-type]
    match = ground.play(contained, stored(host, attack), PATIENT)
    assert not match.forfeited, match.record


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_attack(host: Host, contained: Nursery, attack: Attack) -> None:
    before, connections = containers(), host.connections()
    match = ground.play(contained, stored(host, attack), PATIENT if attack.clocks is ground.CLOCKS else attack.clocks)
    ground.hold(attack, match.record, host.words)
    assert host.connections() == connections
    assert not containers() - before


def test_an_endless_loop_at_import_has_its_time_from_when_the_container_runs(host: Host, contained: Nursery) -> None:
    attack = Attack(
        "import", "while True: pass\n", FailureCode.INIT_TIMEOUT, "not ready within 0.6 s", Phase.IMPORT, None
    )
    match = ground.play(contained, stored(host, attack), Clocks(start=0.6, move=0.1, bank=0.2))
    ground.hold(attack, match.record, {})


def test_an_image_that_is_not_there(host: Host, engine: str) -> None:
    with (
        Nursery(Isolation.DOCKER, image=f"{engine}-not") as nursery,
        pytest.raises(InfraError, match=r"(Unable to find|No such) image"),
    ):
        nursery.start(stored(host, Attack("good", RANDOM, CRASH, "")), ground.SPEC, PATIENT)


LEAGUE = """
import sys, time
from pathlib import Path
from agents.bots.core import Clocks, Isolation
from agents.bots.nursery import Nursery
from tests.agents.bots.bots import acting, write_bot
from tests.hostile.ground import ALL, EMPTY, SPEC
source = write_bot(Path(sys.argv[2]), acting("while True: pass"))
process = Nursery(Isolation.DOCKER, image=sys.argv[1]).start(source, SPEC, Clocks(start=60.0, move=600.0))
print("plays", flush=True)
process.act(EMPTY, ALL, 0)
"""


def test_a_league_that_is_killed_leaves_no_container(host: Host, engine: str) -> None:
    before, folder = containers(), str(host.folder / "bots" / "of_a_killed_league")
    command = [sys.executable, "-c", LEAGUE, engine, folder]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as league:
        assert league.stdout is not None
        assert league.stdout.readline() == "plays\n"
        assert containers() - before
        league.send_signal(signal.SIGKILL)
    assert all_gone(before)
