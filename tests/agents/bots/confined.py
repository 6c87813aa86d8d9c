"""Runs one attempt in a confined process: a client for tests, and (as a script) the small nursery behind it.

The nursery is an interpreter of its own, so that no thread of the test's process is ever forked. It can become another
user for an attempt where it is root; all that an attempt imports is loaded before, since that user may not be able to
read root's Python.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

ROOT = str(Path(__file__).resolve().parents[3])
NOBODY = 65534
PR_SET_DUMPABLE = 4


@dataclass(frozen=True)
class Outcome:
    """How an attempt went.

    Attributes:
        error: name of the exception, "" where there was none.
        value: what it answered, or the exception's text.
        status: exit status, or minus the signal that ended the process.
        output: what a command wrote to stdout and stderr.
    """

    error: str
    value: Any
    status: int
    output: str

    @property
    def denied(self) -> bool:
        return self.error == "PermissionError"

    @property
    def done(self) -> bool:
        return self.error == "" and self.status == 0


class Nursery:
    """A pre-started interpreter that forks a confined process an attempt."""

    def __init__(self) -> None:
        environment = {"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-I", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(10)

    def attempt(self, name: str, *arguments: Any, **request: Any) -> Outcome:
        """Run a function of `attempts`, or with `command` a command line.

        Args:
            name: of the function.
            arguments: its own.
            request: `user` (`root` or `nobody`), `without` (layers), `victim` (a process of the same user; its id comes
                first among the arguments), `file` (a file that is open for writing; its descriptor comes first),
                `abi` (of Landlock), `stdin` (text, of a command), and what `plan_for` takes.
        """
        assert self._process.stdin and self._process.stdout
        request["without"] = sorted(request.get("without", ()))
        self._process.stdin.write(json.dumps({"name": name, "arguments": arguments, **request}) + "\n")
        self._process.stdin.flush()
        return Outcome(**json.loads(self._process.stdout.readline()))


def become(user: str) -> None:
    """Another user, and open to its other processes as if it had always been."""
    from agents.bots.sandbox import kernel

    if user == "nobody":
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        kernel.prctl(PR_SET_DUMPABLE, 1)


def _victim(user: str) -> int:
    """A process of a user that waits to be hurt; no more privileged than a bot."""
    from agents.bots.sandbox import rlimits

    ready, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        become(user)
        rlimits.drop_capabilities()
        os.write(tell, b"!")
        while True:
            signal.pause()
    os.read(ready, 1)
    os.close(ready)
    os.close(tell)
    return pid


def _attempt(request: dict[str, Any], answer: int, output: int) -> None:
    """In the child: become the user, be confined, try it, tell."""
    from agents.bots.sandbox import confine, landlock
    from tests.agents.bots import attempts

    become(request.get("user", "root"))
    os.dup2(output, 1)
    os.dup2(output, 2)
    if (abi := request.get("abi")) is not None:
        landlock.abi = lambda: abi
    folder = request.get("folder", "/nowhere")
    limits = {
        "command": request.get("command", False),
        "memory": request.get("memory", 1 << 30),
        "cpu": request.get("cpu", 60),
        "files": request.get("files", 64),
        "tasks": request.get("tasks"),
        "keep": (0, 1, 2, *request.get("keep", ()), answer),
    }
    plan = confine.plan_for(folder, **limits, without=frozenset(request["without"]))
    try:
        confine.confine(confine.Confinement.from_json(plan.to_json()), os.getppid())
        if plan.command:
            if "stdin" in request:
                _feed(request["stdin"])
            os.set_inheritable(answer, False)
            os.execve(request["arguments"][0], request["arguments"], {"PATH": "/usr/bin:/bin", "HOME": folder})
        result = {"error": "", "value": getattr(attempts, request["name"])(*request["arguments"])}
    except Exception as error:  # whatever an attempt raises is what the test asks about
        result = {"error": type(error).__name__, "value": str(error)}
    os.write(answer, json.dumps(result).encode())


def _feed(text: str) -> None:
    """Makes a text the process's stdin."""
    end, write = os.pipe()
    os.write(write, text.encode())
    os.close(write)
    os.dup2(end, 0)


def _serve(request: dict[str, Any]) -> dict[str, Any]:
    user = request.get("user", "root")
    victim = _victim(user) if request.get("victim") else None
    if victim is not None:
        request["arguments"].insert(0, victim)
    file, path = tempfile.mkstemp() if request.get("file") else (None, "")
    if file is not None:
        Path(path).unlink()
        request["arguments"].insert(0, file)
        request["keep"] = [file]
    answers, answer = os.pipe()
    outputs, output = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 70
        try:
            _attempt(request, answer, output)
            status = 0
        finally:
            os._exit(status)
    os.close(answer)
    os.close(output)
    with os.fdopen(answers) as answer_stream, os.fdopen(outputs) as output_stream:
        text, written = answer_stream.read(), output_stream.read()
    _, status = os.waitpid(pid, 0)
    if file is not None:
        os.close(file)
    if victim is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
        os.waitpid(victim, 0)
    result = json.loads(text) if text else {"error": "", "value": None}
    return {**result, "status": os.waitstatus_to_exitcode(status), "output": written}


if __name__ == "__main__":
    sys.path.insert(0, ROOT)
    from tests.agents.bots import attempts  # noqa: F401  (loaded before anybody is confined)

    for line in sys.stdin:
        print(json.dumps(_serve(json.loads(line))), flush=True)
