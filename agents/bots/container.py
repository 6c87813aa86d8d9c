"""A bot in a container (`agents.bots.sandbox.docker`), started and ended like one of the nursery's own processes."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agents.bots.core import InfraError, Limits
from agents.bots.diagnosis import Ended
from agents.bots.sandbox.docker import INSIDE, kill_command, run_command

PACKAGE = Path(__file__).resolve().parent
HARNESS = "/league/agents/bots/harness_alone.py"
PATIENCE = 30.0  # seconds for the engine to do what it is asked
REFUSED = 125  # the exit status of `docker run` where the engine could not run the container, see docker-run(1)
FORCED = 128  # and more: it was ended by the signal of that number


class Container:
    """One container for one bot.

    Args:
        image: has what the bot needs: Python 3.11 or newer with numpy for a Python bot.
        limits: what the bot may use.
    """

    def __init__(self, image: str, limits: Limits) -> None:
        self._image, self._limits = image, limits
        self._name = f"league-bot-{secrets.token_hex(8)}"
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = False

    @property
    def living(self) -> int:
        """1 until it has been ended or found to have."""
        return int(not self._ended)

    def start(self, request: dict[str, Any], fds: Sequence[int]) -> tuple[int, int]:
        """Run the container on copies of `fds`: its stdin, stdout and log.

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
                volumes=[f"{PACKAGE}:{Path(HARNESS).parent}:ro"] if request["entry"] else [],
            )
            os.write(stdout, json.dumps({"type": "confined"}).encode() + b"\n")  # the engine does it, before the bot
            self._process = subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=log, start_new_session=True)
        except (OSError, ValueError) as error:
            raise InfraError(f"a bot's container could not be started: {error}") from error
        return self._process.pid, os.pidfd_open(self._process.pid)

    def reap(self, pid: int, pidfd: int) -> Ended | None:
        """End the container, if it has not ended, and tell how it did; None where the engine never ran it."""
        status = self.close()
        if status == REFUSED:
            return None
        if status == FORCED + signal.SIGKILL:  # the kernel's, for want of memory: the client is killed by us, not told
            return Ended(-signal.SIGKILL, self._limits.memory, 0.0)
        return Ended(FORCED - status if status > FORCED else status, 0, 0.0)

    def close(self) -> int:
        """End it, if it has not ended; the exit status of the engine's client."""
        if self._process is None:
            return REFUSED
        if not self._ended:
            subprocess.run(kill_command(self._name), capture_output=True, timeout=PATIENCE, check=False)
            self._ended = True
        return self._process.wait(PATIENCE)


def words(request: dict[str, Any]) -> list[str]:
    """What is run inside: the folder's own program by its place there, an interpreter by its name in the image."""
    if request["entry"]:
        return ["python3", "-s", "-P", "-B", HARNESS, INSIDE, request["entry"], request["language"]]
    program, *rest = request["command"]
    inside = os.path.relpath(program, request["folder"])
    if not inside.startswith(".."):
        return [f"{INSIDE}/{inside}", *rest]
    return ["python3" if program == sys.executable else Path(program).name, *rest]
