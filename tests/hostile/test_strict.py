"""Hostile bots in `strict`: the records of `auto` where its layers answer first, and nothing of the host's in sight."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import pytest

from agents.bots.core import Clocks, FailureCode, Isolation
from agents.bots.nursery import Nursery
from tests.agents.bots.test_sandbox_strict import hindrance
from tests.hostile import (
    ground,
    test_answers,
    test_files,
    test_limits,
    test_network,
    test_processes,
    test_protocol,
    test_time,
)
from tests.hostile.ground import DENIED, Attack, Host, answers

MISSING = "FileNotFoundError: [Errno 2] No such file or directory"
READ_ONLY = "OSError: [Errno 30] Read-only file system"
REFUSED = "ConnectionRefusedError: [Errno 111] Connection refused"
HEAD = "import os, signal, socket\n"
CRASH = FailureCode.CRASH
SLOWER = Clocks(start=30.0, move=2.0, bank=0.5)
"""For those that use up their time: the first bot of a folder waits for an interpreter of its own."""


def named(attacks: Iterable[Attack], *names: str) -> list[Attack]:
    """Those of these names, each of which has to be there."""
    found = {attack.name: attack for attack in attacks}
    return [found[name] for name in names]


AS_IN_AUTO = [
    *named(test_files.READS, "run_folder", "root_folder", "repository"),
    *named(test_files.WRITES, "tmp", "removal", "truncation", "mode", "symlink", "anonymous_file"),
    *named(test_network.SOCKETS, "redis", "tcp", "udp", "abstract", "netlink", "datagram_pair"),
    *named(test_network.CLIENTS, "command"),
    *named(test_processes.STARTS, "fork_bomb", "subprocess", "posix_spawn", "new_namespaces"),
    *named(test_processes.REACHES, "parent", "referee", "everybody", "ptrace", "memory_read", "another_user"),
    *named(test_limits.MEMORY, "little_by_little", "command"),
    *named(test_limits.THREADING, "thread_bomb"),
    *named(test_limits.FLOODS, "stdout", "command_stdout"),
    *(
        ground.quick(attack, clocks=SLOWER, message=attack.message.replace("0.1 s", "2 s"))
        for attack in named(test_time.LOOPS, "act", "ignoring_signals", "command_deaf")
    ),
    *test_answers.TYPES[:1],
    *test_protocol.LINES_OF_COMMANDS[:1],
]
NOT_THERE = [
    "shadow",
    "league_toml",
    "another_bot",
    "replays",
    "own_environ",
    "referee_memory",
    "processes",
    "kernel_log",
]
HIDDEN = [  # where `auto` denies the reading, there is nothing to read
    ground.quick(
        attack,
        expected=CRASH,
        message=attack.message.replace(test_files.READ, f"{MISSING}: ").removesuffix(DENIED),
    )
    for attack in named(test_files.READS, *NOT_THERE)
]
OF_BWRAP = [
    answers("size", "os.stat('$RUN/league.toml').st_size", CRASH, f"{MISSING}: '$RUN/league.toml'", head=HEAD),
    answers("other_bot", "open('../other/bot.py').read()", CRASH, f"{MISSING}: '../other/bot.py'"),
    answers("own_code", "open('bot.py', 'a')", CRASH, f"{READ_ONLY}: 'bot.py'"),
    answers("new_file", "open('/owned', 'w')", CRASH, f"{READ_ONLY}: '/owned'"),
    answers("processes", "os.listdir('/proc')", CRASH, f"{MISSING}: '/proc'", head=HEAD),
    answers(
        "referee",
        "os.kill($REFEREE, signal.SIGKILL)",
        CRASH,
        "ProcessLookupError: [Errno 3] No such process",
        head=HEAD,
    ),
    answers("redis", "socket.socket(socket.AF_UNIX).connect('$REDIS')", CRASH, MISSING, head=HEAD),
    answers("tcp", "socket.create_connection(('127.0.0.1', $PORT))", CRASH, REFUSED, head=HEAD),
    answers("abstract", r"socket.socket(socket.AF_UNIX).connect('\0$ABSTRACT')", CRASH, REFUSED, head=HEAD),
    answers(
        "internet",
        "socket.create_connection(('192.0.2.1', 80))",
        CRASH,
        "OSError: [Errno 101] Network is unreachable",
        head=HEAD,
    ),
    answers(
        "user",
        "os.getuid()",
        FailureCode.INVALID_ACTION,
        "action 65534 is none of 0 to 6; legal were 0, 1, 2, 3, 4, 5, 6",
        head=HEAD,
    ),
]
"""Held by the namespaces alone."""


@pytest.fixture(scope="module", autouse=True)
def there() -> None:
    if why := hindrance():
        pytest.skip(why)


@pytest.fixture(scope="module")
def strict() -> Iterator[Nursery]:
    with Nursery(Isolation.STRICT, ground.LIMITS) as made:
        yield made


@pytest.fixture(scope="module")
def namespaces() -> Iterator[Nursery]:
    """Without the layers that processes put on themselves."""
    with Nursery(Isolation.STRICT, ground.LIMITS, without=("capabilities", "landlock", "seccomp")) as made:
        yield made


def convict(host: Host, nursery: Nursery, attack: Attack) -> None:
    """Play a hostile bot, and compare its record and what it left with what is expected."""
    words = host.words | {"NURSERY": str(os.getpid())}
    before, source = host.connections(), host.source(attack, NURSERY=words["NURSERY"])
    files = ground.prints(source.folder)
    match = ground.play(nursery, source, attack.clocks)
    ground.hold(attack, match.record, words | {"BOT": str(source.folder)})
    assert ground.prints(source.folder) == files
    assert host.connections() == before


@pytest.mark.parametrize("attack", AS_IN_AUTO, ids=str)
def test_as_in_auto(host: Host, strict: Nursery, attack: Attack) -> None:
    convict(host, strict, attack)


@pytest.mark.parametrize("attack", HIDDEN, ids=str)
def test_nothing_of_the_host_is_there(host: Host, strict: Nursery, attack: Attack) -> None:
    convict(host, strict, attack)


@pytest.mark.parametrize("attack", OF_BWRAP, ids=str)
def test_namespaces_alone(host: Host, namespaces: Nursery, attack: Attack) -> None:
    convict(host, namespaces, attack)


def test_a_good_bot_plays_after_all_of_them(host: Host, strict: Nursery, namespaces: Nursery) -> None:
    ground.good_bot(host, strict)
    ground.good_bot(host, namespaces)
