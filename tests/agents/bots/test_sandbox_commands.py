"""Programs in other languages run confined: they compute, use threads, and get no further than a Python bot."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agents.bots.confined import Nursery, Outcome

USERS = ("root", "nobody") if os.getuid() == 0 else ("itself",)
NODE, GCC = shutil.which("node"), shutil.which("gcc")
MIB = 1024**2
SOURCE = r"""
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void *work(void *place) { *(int *)place = 7; return NULL; }
static void tell(const char *what, int failed) { printf("%s %s\n", what, failed ? strerror(errno) : "done"); }

int main(int count, char **words) {
    int seen = 0;
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, &seen) == 0) pthread_join(thread, NULL);
    printf("thread %d\n", seen);
    tell("socket", socket(AF_INET, SOCK_DGRAM, 0) < 0);
    pid_t child = fork();
    if (child == 0) _exit(0);
    tell("fork", child < 0);
    tell("read", fopen("/etc/passwd", "r") == NULL);
    size_t size = (size_t)atoi(words[1]) << 20;
    char *memory = malloc(size);
    if (memory != NULL) memset(memory, 1, size);
    tell("memory", memory == NULL);
    fflush(stdout);
    if (count > 2) abort();
    return 0;
}
"""


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as started:
        yield started


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        Path(place).chmod(0o755)
        yield Path(place)


@pytest.fixture(scope="module", params=["dynamic", "static"])
def program(folder: Path, request: pytest.FixtureRequest) -> Path:
    if GCC is None:
        pytest.skip("no C compiler here")
    source, built = folder / "bot.c", folder / str(request.param)
    source.write_text(SOURCE, encoding="ascii")
    flags = ["-static"] if request.param == "static" else []
    done = subprocess.run([GCC, *flags, str(source), "-o", str(built), "-pthread"], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"this compiler cannot: {done.stderr.decode()[:200]}")
    built.chmod(0o755)
    return built


def run(nursery: Nursery, folder: Path, *words: str, user: str = "root", **request: object) -> Outcome:
    return nursery.attempt("", *words, user=user, folder=str(folder), command=True, **request)


@pytest.mark.parametrize("user", USERS)
def test_a_c_program_runs_and_gets_nowhere(nursery: Nursery, folder: Path, program: Path, user: str) -> None:
    outcome = run(nursery, folder, str(program), "64", user=user)
    assert outcome.status == 0
    assert outcome.output.splitlines() == [
        "thread 7",
        "socket Operation not permitted",
        "fork Operation not permitted",
        "read Permission denied",
        "memory done",
    ]


@pytest.mark.parametrize("user", USERS)
def test_a_c_program_without_the_layers(nursery: Nursery, folder: Path, program: Path, user: str) -> None:
    lines = run(nursery, folder, str(program), "64", user=user, without={"seccomp", "landlock"}).output.splitlines()
    assert lines == ["thread 7", "socket done", "fork done", "read done", "memory done"]


def test_a_commands_memory_ends_at_the_limit(nursery: Nursery, folder: Path, program: Path) -> None:
    words, most = (str(program), "512"), 256 * MIB
    assert "memory Cannot allocate memory" in run(nursery, folder, *words, memory=most).output
    assert "memory done" in run(nursery, folder, *words, memory=most, without={"rlimits"}).output


def test_a_c_program_can_abort(nursery: Nursery, folder: Path, program: Path) -> None:
    assert run(nursery, folder, str(program), "1", "abort").status == -signal.SIGABRT


NODE_PROGRAM = """
const words = [];
const attempt = (name, action) => { try { action(); words.push(name + " done"); }
                                    catch (error) { words.push(name + " " + error.code); } };
attempt("read", () => require("fs").readFileSync("/etc/passwd"));
attempt("write", () => require("fs").writeFileSync("/tmp/league-new", "x"));
attempt("spawn", () => { const e = require("child_process").spawnSync("/bin/true").error; if (e) throw e; });
attempt("sum", () => { if ([1, 2, 3].reduce((a, b) => a + b) !== 6) throw Error(); });
const finish = () => console.log(words.join(","));
require("dgram").createSocket("udp4").on("error", (e) => { words.push("udp " + e.code); next(); })
    .bind(0, function () { words.push("udp done"); this.close(); next(); });
const next = () => {
    const { Worker } = require("worker_threads");
    new Worker("require('worker_threads').parentPort.postMessage(40 + 2)", { eval: true })
        .on("message", (sum) => { words.push("worker " + sum); }).on("exit", finish);
};
"""


@pytest.mark.skipif(NODE is None, reason="no node here")
@pytest.mark.parametrize("user", USERS)
def test_node_computes_and_gets_nowhere(nursery: Nursery, folder: Path, user: str) -> None:
    outcome = run(nursery, folder, str(NODE), "-e", NODE_PROGRAM, user=user)
    assert outcome.status == 0, outcome.output
    expected = "read EACCES,write EACCES,spawn EPERM,sum done,udp EPERM,worker 42"
    assert outcome.output.strip() == expected


@pytest.mark.skipif(NODE is None, reason="no node here")
def test_node_speaks_lines(nursery: Nursery, folder: Path) -> None:
    echo = "process.stdin.on('data', d => process.stdout.write('got ' + d)).on('end', () => process.exit(3))"
    outcome = run(nursery, folder, str(NODE), "-e", echo, stdin="hello\n")
    assert (outcome.status, outcome.output) == (3, "got hello\n")


def test_a_shell_runs_and_starts_nothing(nursery: Nursery, folder: Path) -> None:
    outcome = run(nursery, folder, "/bin/sh", "-c", "echo $((6 * 7)); /bin/ls /")
    assert outcome.output.startswith("42\n")
    assert "bin" not in outcome.output.removeprefix("42\n").split()


def test_this_python_runs_as_a_command(nursery: Nursery, folder: Path) -> None:
    code = "import threading, numpy; print(int(numpy.arange(4).sum()), threading.active_count())"
    outcome = run(nursery, folder, sys.executable, "-I", "-c", code)
    assert outcome.output == "6 1\n"


def test_a_command_is_executed_from_its_folder_or_the_system_only(nursery: Nursery, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as elsewhere:
        shutil.copy("/bin/true", Path(elsewhere) / "other")
        assert run(nursery, folder, str(Path(elsewhere) / "other")).denied
        assert run(nursery, folder, str(Path(elsewhere) / "other"), without={"landlock"}).status == 0
    shutil.copy("/bin/true", folder / "mine")
    assert run(nursery, folder, str(folder / "mine")).status == 0
