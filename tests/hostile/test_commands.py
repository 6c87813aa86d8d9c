"""Bots in other languages: a C program that makes its system calls itself, and node."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from agents.bots.core import BotFailedError, Clocks, FailureCode, FailureRecord
from agents.bots.nursery import Nursery
from agents.bots.source import BotSource
from agents.bots.watch import usage
from tests.agents.bots.bots import acting
from tests.hostile import ground
from tests.hostile.ground import Attack, Host

COMPILER = shutil.which("cc")
NODE = shutil.which("node")
CODE = Path(__file__).with_name("attacker.c")
DENIED, CRASH, OOM = FailureCode.SANDBOX_DENIED, FailureCode.CRASH, FailureCode.OOM
OVER = " over something that the sandbox does not allow"
LONG = Clocks(start=10.0, move=10.0, bank=0.0)
NOT_ALLOWED = [
    *("socket", "netlink", "connect", "fork", "raw_clone", "vfork", "clone_of_a_namespace", "parent", "everybody"),
    *("first_process", "tgkill", "queue", "pidfd_open", "pidfd_getfd", "ptrace", "seize", "readv", "writev"),
    *("io_uring", "bpf", "perf", "userfaultfd", "keyring", "memfd", "execveat", "unshare", "setns", "mount", "chroot"),
    *("setuid", "setgroups", "no_death_with_parent", "dumpable", "subreaper", "tracer", "filter", "personality"),
    *("shared_segment", "semaphore", "message_queue", "posix_queue", "inotify", "handle", "chmod", "swap", "reboot"),
    *("clock", "affinity", "real_time", "owner", "large_pipe", "terminal", "openat2"),
]
X86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="a system call of x86")


@pytest.fixture(scope="module")
def program(host: Host) -> BotSource:
    """The attacker, compiled once, in a bot's folder."""
    if COMPILER is None:
        pytest.skip("no C compiler")
    source = host.source(Attack("attacker", "", CRASH, ""))
    file = source.folder / "attacker"
    subprocess.run([COMPILER, "-O1", "-pthread", "-o", str(file), str(CODE)], check=True)
    os.truncate(file, 64 * 1024**2)  # so that there is something to map
    file.chmod(0o755)
    return replace(source, language="command", entry="", command=(str(file),))


def attack(nursery: Nursery, source: BotSource, *words: str, clocks: Clocks = ground.CLOCKS) -> FailureRecord | None:
    """The record of the attacker's match."""
    before = ground.prints(source.folder)
    match = ground.play(nursery, replace(source, command=(*source.command, *words)), clocks)
    assert ground.prints(source.folder) == before
    return match.record


def test_the_attacker_plays_where_it_tries_nothing(nursery: Nursery, program: BotSource) -> None:
    assert attack(nursery, program, "nothing") is None
    assert attack(nursery, program, "idle_threads") is None


@pytest.mark.parametrize("name", NOT_ALLOWED)
def test_call(nursery: Nursery, host: Host, program: BotSource, name: str) -> None:
    record = attack(nursery, program, name, host.redis)
    assert record is not None
    assert (record.code, record.phase.value, record.step) == (DENIED, "act", 2)
    assert record.message == f"its process exited with status 1{OVER}"
    assert record.stderr == f"{name}: Operation not permitted\n"


@pytest.mark.parametrize(
    ("name", "code", "message", "stderr"),
    [
        ("open", DENIED, f"its process exited with status 1{OVER}", "open: Permission denied\n"),
        ("clone3", CRASH, "its process exited with status 1", "clone3: Function not implemented\n"),
        ("newest_call", CRASH, "its process exited with status 1", "newest_call: Function not implemented\n"),
        pytest.param("x32", DENIED, f"its process was killed by SIGSYS{OVER}", "", marks=X86),
        pytest.param("i386", DENIED, f"its process was killed by SIGSYS{OVER}", "", marks=X86),
        ("stack", CRASH, "its process was killed by SIGSEGV", ""),
    ],
)
def test_other_call(
    nursery: Nursery, program: BotSource, name: str, code: FailureCode, message: str, stderr: str
) -> None:
    record = attack(nursery, program, name)
    assert record is not None
    assert (record.code, record.phase.value, record.step) == (code, "act", 2)
    assert record.message == message
    assert record.stderr == stderr


HOARDS = [
    ("shared_memory", DENIED, f"its process exited with status 1{OVER}"),
    ("page_tables", OOM, "its process exited with status 1: out of memory, of which it may use 256 MiB"),
    ("sealed", OOM, "uses … MiB of memory; it may use 256"),
    ("threads", DENIED, "runs … threads; it may run 16"),
    ("dead_leader", OOM, "uses … MiB of memory; it may use 256"),
]


@pytest.mark.parametrize(("name", "code", "message"), HOARDS)
def test_hoard(nursery: Nursery, program: BotSource, name: str, code: FailureCode, message: str) -> None:
    record = attack(nursery, program, name, clocks=LONG)
    assert record is not None
    assert record.code is code
    before, _, after = message.partition("…")
    assert record.message.startswith(before)
    assert record.message.endswith(after)


def test_what_is_hoarded_in_the_opponent_s_time_is_bounded_by_the_kernel(nursery: Nursery, program: BotSource) -> None:
    assert _hoarded(nursery, program) < ground.LIMITS.memory


def test_who_hoards_in_another_s_time_is_ended_while_the_other_thinks(
    host: Host, nursery: Nursery, program: BotSource
) -> None:
    """Memory that the kernel does not count is seen by the referee, whomever it waits for."""
    slow = acting("time.sleep(0.4)\nreturn 0", head="import time\n")
    other = nursery.start(host.source(Attack("slow", slow, CRASH, "")), ground.SPEC, LONG)
    process = nursery.start(replace(program, command=(*program.command, "idle_sealed")), ground.SPEC, LONG)
    try:
        process.reset("m_1/0", 1, "player_0")
        other.reset("m_1/0", 1, "player_1")
        for step in (0, 2):
            process.act(ground.EMPTY, ground.ALL, step)
        until = time.monotonic() + 20
        for step in range(1, 100, 2):
            assert other.act(ground.EMPTY, ground.ALL, step) == 0
            if usage(process.pid)[0] == 0 or time.monotonic() > until:
                break
        with pytest.raises(BotFailedError) as caught:
            process.act(ground.EMPTY, ground.ALL, 4)
    finally:
        process.kill()
        other.kill()
    record = caught.value.record
    assert (record.code, record.phase.value, record.step) == (OOM, "idle", 4)
    assert record.message.startswith("uses ")
    assert int(record.message.split()[1].replace(",", "")) < 1024  # of 4 GiB that it wanted


def test_without_seccomp_or_limits_it_is_not(host: Host, program: BotSource) -> None:
    most = ground.LIMITS.memory
    with Nursery(limits=ground.LIMITS, without=("seccomp",)) as nursery:
        assert _hoarded(nursery, program, 3 * most // 2) >= 3 * most // 2
    with Nursery(limits=ground.LIMITS, without=("rlimits",)) as nursery:
        assert _hoarded(nursery, program, most + 1) > most


def _hoarded(nursery: Nursery, program: BotSource, enough: int = 2**40) -> int:
    """Bytes that the attacker has gathered while nobody asked it."""
    process = nursery.start(replace(program, command=(*program.command, "idle_hoard")), ground.SPEC, LONG)
    try:
        process.reset("m_1/0", 1, "player_0")
        for step in (0, 2):
            process.act(ground.EMPTY, ground.ALL, step)
        most, until = 0, time.monotonic() + 15
        while most < enough and time.monotonic() < until and usage(process.pid)[1] > 1:
            most = max(most, usage(process.pid)[0])
            time.sleep(0.05)
        return most
    finally:
        process.kill()


def test_page_tables_are_memory_where_no_limit_holds(host: Host, program: BotSource) -> None:
    with Nursery(limits=ground.LIMITS, without=("rlimits",)) as nursery:
        record = attack(nursery, program, "page_tables", clocks=LONG)
    assert record is not None
    assert record.code is OOM
    assert record.message.startswith("uses ")


SCRIPT = """
const lines = require("readline").createInterface({ input: process.stdin });
const say = (message) => process.stdout.write(JSON.stringify(message) + "\\n");
let moves = 0;
lines.on("line", (line) => {
  const request = JSON.parse(line);
  if (request.type === "start") say({ type: "ready" });
  else if (request.type === "reset") say({ id: request.id, ok: true });
  else if (request.type === "act") {
    moves += 1;
    if (moves === 2) { ATTACK }
    say({ id: request.id, action: request.action_mask.indexOf(1) });
  }
});
"""
NODES = {
    "file": ('require("fs").readFileSync("/etc/passwd")', "EACCES: permission denied, open '/etc/passwd'"),
    "folder": ('require("fs").readdirSync("$RUN")', "EACCES: permission denied, scandir '$RUN'"),
    "writing": ('require("fs").writeFileSync("$RUN/owned", "x")', "EACCES: permission denied, open '$RUN/owned'"),
    "process": ('throw require("child_process").spawnSync("/bin/true").error', "spawnSync /bin/true EPERM"),
    "redis": ('require("net").connect("$REDIS"); return', "connect EPERM $REDIS"),
    "tcp": ('require("net").connect($PORT, "127.0.0.1"); return', "connect EPERM 127.0.0.1:$PORT"),
    "parent": ('process.kill(process.ppid, "SIGKILL")', "kill EPERM"),
}


@pytest.mark.parametrize("name", NODES)
def test_node(nursery: Nursery, host: Host, name: str) -> None:
    if NODE is None:
        pytest.skip("no node")
    code, expected = NODES[name]
    for word, value in host.words.items():
        code, expected = code.replace(f"${word}", value), expected.replace(f"${word}", value)
    source = host.source(Attack("script", SCRIPT.replace("ATTACK", code), CRASH, ""))
    command = (str(Path(NODE).resolve()), str(source.folder / "bot.py"))
    record = ground.play(nursery, replace(source, language="command", entry="", command=command), LONG).record
    assert record is not None
    assert (record.code, record.phase.value, record.step) == (DENIED, "act", 2)
    assert record.message == f"its process exited with status 1{OVER}"
    assert expected in record.stderr
