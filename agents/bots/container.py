"""A bot in a container (`agents.bots.sandbox.docker`), started and ended like one of the nursery's own processes."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agents.bots.core import InfraError, Limits
from agents.bots.diagnosis import Ended
from agents.bots.interpreter import ENVIRONMENT
from agents.bots.sandbox.docker import INSIDE, remove_command, run_command, state_command, sweep_command

PACKAGE = Path(__file__).resolve().parent
HARNESS = "/league/agents/bots/harness_alone.py"
PATIENCE = 30.0  # seconds for the engine to do what it is asked
LOOK = 0.1  # seconds between questions whether a container runs
REFUSED = 125  # the exit status of `docker run` where the engine could not run the container, see docker-run(1)
FORCED = 128  # and more: it was ended by the signal of that number
NEVER = "0001-01-01"  # when a container was started that was not


class Containers:
    """The containers of one nursery.

    Args:
        image: has what the bots need: Python 3.11 or newer with numpy for a Python bot.
        limits: what one bot may use.
    """

    def __init__(self, image: str, limits: Limits) -> None:
        self._image, self._limits = image, limits
        self._label = f"league-bots={secrets.token_hex(8)}"
        self._made: list[Container] = []
        self._sweeper: subprocess.Popen[bytes] | None = None

    def make(self) -> Container:
        """A new one; whatever happens to this program from now on, it will be removed."""
        if self._sweeper is None:
            self._sweeper = subprocess.Popen(
                sweep_command(self._label),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # it outlives us
            )
        container = Container(self._image, self._limits, self._label)
        self._made = [*(each for each in self._made if each.living), container]
        return container

    def close(self) -> None:
        """End them all."""
        gone = [container.close() for container in self._made]
        self._made = []
        if self._sweeper is not None:
            self._sweeper.communicate(b"done\n" if all(gone) else b"")
            self._sweeper = None


class Container:
    """One container for one bot.

    Args:
        image: has what the bot needs.
        limits: what the bot may use.
        label: of all containers of its nursery.
    """

    def __init__(self, image: str, limits: Limits, label: str) -> None:
        self._image, self._limits, self._label = image, limits, label
        self._name = f"league-bot-{secrets.token_hex(8)}"
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = False

    @property
    def living(self) -> int:
        """1 until it has been removed."""
        return int(not self._ended)

    def start(self, request: dict[str, Any], fds: Sequence[int]) -> tuple[int, int]:
        """Run the container on copies of `fds`: its stdin, stdout and log. It runs, or has ended, on return.

        Returns:
            Process id of the engine's client, which ends with the container, and a pidfd of it.

        Raises:
            InfraError: it cannot be started.
        """
        limits = self._limits
        stdin, stdout, log = fds
        try:
            command = run_command(
                Path(request["folder"]),
                words(request),
                image=self._image,
                name=self._name,
                memory=limits.memory,
                cpu=limits.cpu,
                files=limits.files,
                threads=limits.threads,
                label=self._label,
                environment={name: value for name, value in ENVIRONMENT.items() if name != "PATH"},
                volumes=[f"{PACKAGE}:{Path(HARNESS).parent}:ro"] if request["entry"] else [],
            )
            os.write(stdout, json.dumps({"type": "confined"}).encode() + b"\n")  # the engine does it, before the bot
            self._process = subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=log, start_new_session=True)
        except (OSError, ValueError) as error:
            raise InfraError(f"a bot's container could not be started: {error}") from error
        pidfd = os.pidfd_open(self._process.pid)
        try:
            self._wait_until_started(self._process)
        except BaseException:
            os.close(pidfd)
            self.close()
            raise
        return self._process.pid, pidfd

    def _wait_until_started(self, client: subprocess.Popen[bytes]) -> None:
        """The bot's clock starts when its container does: how long the engine takes is the host's affair."""
        deadline = time.monotonic() + PATIENCE
        while client.poll() is None and not self._state():
            if time.monotonic() > deadline:
                raise InfraError(f"the docker engine has not started a bot's container within {PATIENCE:g} s")
            time.sleep(LOOK)

    def reap(self, pid: int, pidfd: int) -> Ended | None:
        """End the container, if it has not ended, and tell how it did; None where the engine never ran it.

        Raises:
            InfraError: the engine does not answer.
        """
        assert self._process is not None
        client = self._process.wait(PATIENCE)
        state = self._state() if client >= 0 else {}  # we have killed the client of one that has not ended
        self.close()
        if not state:  # 126 and 127: what it was to run cannot be run
            return None if client < 0 or client == REFUSED else Ended(client, 0, 0.0)
        if state["OOMKilled"]:
            return Ended(-signal.SIGKILL, self._limits.memory, 0.0)
        code = int(state["ExitCode"])
        return Ended(FORCED - code if code > FORCED else code, 0, 0.0)

    def close(self) -> bool:
        """End it and remove it, if that has not been done.

        Returns:
            Whether it is gone; the engine may be about to make one that we did not wait for.
        """
        if self._process is None or self._ended:
            return True
        self._ended = True
        self._process.kill()
        client = self._process.wait()
        return self._name in _ask(remove_command(self._name)).stdout or client >= 0

    def _state(self) -> dict[str, Any]:
        """What the engine knows of it; nothing where it was never started."""
        done = _ask(state_command(self._name))
        state: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {}
        return {} if state.get("StartedAt", NEVER).startswith(NEVER) else state


def _ask(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InfraError(f"the docker engine does not do what it is asked: {error}") from error


def words(request: dict[str, Any]) -> list[str]:
    """What is run inside: the folder's own program by its place there, an interpreter by its name in the image."""
    if request["entry"]:
        return ["python3", "-s", "-P", "-B", HARNESS, INSIDE, request["entry"], request["language"]]
    program, *rest = request["command"]
    inside = os.path.relpath(program, request["folder"])
    if not inside.startswith(".."):
        return [f"{INSIDE}/{inside}", *rest]
    return ["python3" if program == sys.executable else Path(program).name, *rest]
