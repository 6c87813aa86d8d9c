"""Starting bots' processes cheaply: a small interpreter that is up already, and forks (`agents.bots.harness`)."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Self

from agents.bots.core import Clocks, InfraError, Isolation, Limits
from agents.bots.diagnosis import Ended
from agents.bots.process import BotProcess
from agents.bots.sandbox.confine import LAYERS, plan_for
from agents.bots.sandbox.rlimits import tasks_limit
from agents.bots.source import BotSource
from arenas.core import ArenaSpec

HARNESS = Path(__file__).with_name("harness.py")
ANSWER = 30.0  # seconds within which a nursery that is well has answered
GRACE = 5.0  # seconds in which a killed process has gone
DATAGRAM = 65536
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/",
    "PYTHONHASHSEED": "0",  # a match can be played again: sets have the same order
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
"""All that a bot's process finds in its environment."""


class Nursery:
    """Starts bots. One serves a whole evaluator or command; its own process starts with the first bot.

    Args:
        isolation: how bots are confined.
        limits: what one bot may use.
        preload: modules that are loaded before any bot, so that none waits for them.
        without: layers that are left off, for tests that show what each of them does.
    """

    def __init__(
        self,
        isolation: Isolation = Isolation.AUTO,
        limits: Limits | None = None,
        preload: Sequence[str] = ("numpy",),
        *,
        without: Collection[str] = (),
    ) -> None:
        self.isolation, self.limits = isolation, limits or Limits()
        self._without = frozenset(LAYERS if isolation is Isolation.NONE else without)
        self._tasks = None if "rlimits" in self._without else tasks_limit(self.limits.threads)
        self._preload = list(preload)
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def layers(self) -> list[str]:
        """The layers of the sandbox that a bot is under, for people."""
        return []

    def start(self, source: BotSource, spec: ArenaSpec, clocks: Clocks) -> BotProcess:
        """Start a bot and wait until it is ready to play.

        Raises:
            BotFailedError: it is not within `clocks.start`.
            InfraError: the host could not start it.
        """
        command = source.language == "command"
        ours, theirs = _pipes() if command else _socketpair()
        log, log_end = os.pipe()
        try:
            reply, fds = self._request(
                {
                    "op": "start",
                    "folder": str(source.folder),
                    "language": source.language,
                    "entry": source.entry,
                    "command": list(source.command),
                    "plan": self._plan(source),
                },
                [*theirs, log_end],
            )
            if "error" in reply or len(fds) != 1:
                raise InfraError(f"a bot's process could not be started: {reply.get('error', 'no pidfd came')}")
        except InfraError:
            for fd in {*ours, log}:
                os.close(fd)
            raise
        finally:
            for fd in (*theirs, log_end):
                os.close(fd)
        process = BotProcess(
            self, reply["pid"], fds[0], (ours[0], ours[-1], log), source=source, spec=spec, clocks=clocks
        )
        process.start()
        return process

    def reap(self, pid: int, pidfd: int) -> Ended | None:
        """How a process of ours ended; None where it goes on.

        Raises:
            InfraError: the nursery is gone, and nobody knows.
        """
        waiting = select.poll()
        waiting.register(pidfd, select.POLLIN)
        waiting.poll(GRACE * 1000)
        ended = self._request({"op": "reap", "pid": pid})[0]["ended"]
        return None if ended is None else Ended(int(ended["code"]), int(ended["memory"]), float(ended["cpu"]))

    def close(self) -> None:
        """End the nursery and every bot of it."""
        with self._lock:
            self._end()

    def _plan(self, source: BotSource) -> str:
        """What a bot's process may do."""
        command = source.language == "command"
        plan = plan_for(
            str(source.folder),
            command=command,
            memory=self.limits.memory,
            cpu=self.limits.cpu,
            files=self.limits.files,
            tasks=self._tasks,
            keep=(0, 1, 2) if command else (0, 1, 2, 3),
            without=self._without,
        )
        return plan.to_json()

    def _request(self, message: dict[str, Any], fds: Sequence[int] = ()) -> tuple[dict[str, Any], list[int]]:
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                if message["op"] != "start":
                    raise InfraError("the nursery of the bots' processes has died")
                self._end()
                self._begin()
            assert self._control is not None
            try:
                socket.send_fds(self._control, [json.dumps(message).encode()], list(fds))
                return self._receive()
            except OSError as error:
                text = self._last_words()
                self._end()
                raise InfraError(f"the nursery of the bots' processes does not answer ({error}){text}") from error

    def _receive(self) -> tuple[dict[str, Any], list[int]]:
        assert self._control is not None
        data, fds, _, _ = socket.recv_fds(self._control, DATAGRAM, 4)
        if not data:
            raise OSError("it has ended")
        return json.loads(data), list(fds)

    def _begin(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            ours.settimeout(ANSWER)
            # -s -P and an environment of our own: what -I would do, but -I would ignore PYTHONHASHSEED too.
            command = [sys.executable, "-s", "-P", "-B", str(HARNESS), str(theirs.fileno())]
            self._process = subprocess.Popen(
                [*command, *self._preload],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=ENVIRONMENT,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        self._control = ours
        self._receive()

    def _last_words(self) -> str:
        """What a nursery that has ended wrote to its stderr."""
        if self._process is None or self._process.stderr is None:
            return ""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        os.set_blocking(self._process.stderr.fileno(), False)
        text = (self._process.stderr.read() or b"").decode("utf-8", "replace").strip()
        return ": " + text.splitlines()[-1] if text else ""

    def _end(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            try:
                self._process.wait(GRACE)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGKILL)
                self._process.wait()
            if self._process.stderr is not None:
                self._process.stderr.close()
            self._process = None


def _socketpair() -> tuple[list[int], list[int]]:
    """Our and their descriptors of a channel in both directions."""
    ours, theirs = socket.socketpair()
    return [ours.detach()], [theirs.detach()]


def _pipes() -> tuple[list[int], list[int]]:
    """Our (answers, requests) and their (stdin, stdout) descriptors: every language can read and write pipes."""
    stdin, requests = os.pipe()
    answers, stdout = os.pipe()
    return [answers, requests], [stdin, stdout]
