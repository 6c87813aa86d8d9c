"""A running harness (`agents.bots.harness`) from outside: requests to it, and what it knows of those that it forked."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agents.bots.core import InfraError
from agents.bots.diagnosis import Ended

HARNESS = Path(__file__).with_name("harness.py")
ANSWER = 30.0  # seconds within which one that is well has answered
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
    "MALLOC_ARENA_MAX": "2",  # else each thread reserves 64 MiB of the address space that a bot may use
}
"""All that a bot's process finds in its environment."""


class Interpreter:
    """Starts at once.

    Args:
        preload: modules that it loads before it forks.
        prefix: words that its command line begins with, such as those of a sandbox around it.

    Attributes:
        living: how many of its processes have not been reaped.

    Raises:
        InfraError: it does not start.
    """

    def __init__(self, preload: Sequence[str], prefix: Sequence[str] = ()) -> None:
        self.living = 0
        self._lost = False  # it did not answer once: killed, if not yet gone
        self._lock = threading.Lock()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(ANSWER)
        self._control = ours
        with theirs:
            # -s -P and an environment of our own: what -I would do, but -I would ignore PYTHONHASHSEED too.
            command = [*prefix, sys.executable, "-s", "-P", "-B", str(HARNESS), str(theirs.fileno()), *preload]
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    env=ENVIRONMENT,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
            except OSError as error:
                ours.close()
                raise InfraError(f"the nursery of the bots' processes cannot be started: {error}") from error
        try:
            with self._lock:
                self._exchange(None)
        except InfraError:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return not self._lost and self._process.poll() is None

    def start(self, request: dict[str, Any], fds: Sequence[int]) -> tuple[int, int]:
        """Fork a process that is given copies of `fds`.

        Returns:
            Its id, as the harness sees it, and a pidfd.

        Raises:
            InfraError: there is none.
        """
        with self._lock:
            reply, received = self._exchange({"op": "start", **request}, fds)
        if len(received) != 1:
            raise InfraError(f"a bot's process could not be started: {reply.get('error', 'no pidfd came')}")
        self.living += 1
        return reply["pid"], received[0]

    def reap(self, pid: int, pidfd: int) -> Ended | None:
        """How a process of its own ended, waiting a little for its end; None where it goes on.

        Raises:
            InfraError: the harness is gone, and nobody knows.
        """
        self.living -= 1
        waiting = select.poll()
        waiting.register(pidfd, select.POLLIN)
        waiting.poll(GRACE * 1000)
        with self._lock:
            ended = self._exchange({"op": "reap", "pid": pid})[0]["ended"]
        return None if ended is None else Ended(int(ended["code"]), int(ended["memory"]), float(ended["cpu"]))

    def close(self) -> None:
        """End it, and all processes that it forked with it."""
        with self._lock:
            self._control.close()
            try:
                self._process.wait(GRACE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            assert self._process.stderr is not None
            self._process.stderr.close()

    def _exchange(self, message: dict[str, Any] | None, fds: Sequence[int] = ()) -> tuple[dict[str, Any], list[int]]:
        """Ask, unless it speaks first, and wait for the answer."""
        try:
            if message is not None:
                socket.send_fds(self._control, [json.dumps(message).encode()], list(fds))
            data, received, _, _ = socket.recv_fds(self._control, DATAGRAM, 4)
            if not data:
                raise OSError("it has ended")
            return json.loads(data), list(received)
        except OSError as error:
            said = self._last_words()
            self._lost = True
            self._process.kill()  # what it might still say would be an answer to something else
            raise InfraError(f"the nursery of the bots' processes does not answer ({error}){said}") from error

    def _last_words(self) -> str:
        """What a harness that has ended wrote to its stderr."""
        stderr = self._process.stderr
        if stderr is None or stderr.closed:
            return ""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        os.set_blocking(stderr.fileno(), False)
        lines = (stderr.read() or b"").decode("utf-8", "replace").strip().splitlines()
        return f": {lines[-1]}" if lines else ""
