"""The nursery's own program: a small Python that has numpy loaded, waits for requests, and forks a process a bot.

Run as a script by `agents.bots.nursery`, with the descriptor of its control socket as argument. It imports the standard
library, numpy and our few modules for bots, holds no secret, and never runs anything of a bot's itself. It ends when
its control socket closes, and its bots with it.

Requests and replies are JSON datagrams; descriptors travel beside them:
`start` (a bot's channel and log come with it; the reply has the pid, and a pidfd beside it) and `reap` (how a process
ended and what it used; null while it lives).
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

ROOT = str(Path(__file__).resolve().parents[2])
CHANNEL = 3
DATAGRAM = 65536


def main(control_fd: int, preload: list[str]) -> None:
    """Serve until the control socket closes."""
    # Before the folder of our own modules leaves the path again.
    from agents.bots import harness_python
    from agents.bots.sandbox import confine

    for name in preload:
        importlib.import_module(name)
    _leave_the_path()
    control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, control_fd)
    control.send(json.dumps({"ready": os.getpid()}).encode())
    gc.collect()
    gc.freeze()  # what is here is shared with every bot, and no collection of theirs looks at it
    Brood(control, harness_python, confine).serve()


def _leave_the_path() -> None:
    """A bot finds the standard library, installed packages and its own folder, nothing of ours."""
    sys.path.remove(ROOT)
    sys.meta_path = [finder for finder in sys.meta_path if "__editable__" not in getattr(finder, "__module__", "")]
    sys.path_hooks = [hook for hook in sys.path_hooks if "__editable__" not in getattr(hook, "__module__", "")]
    for name in [name for name in sys.modules if name.split(".")[0] == "agents"]:
        del sys.modules[name]
    importlib.invalidate_caches()


class Brood:
    """The bots' processes of a nursery."""

    def __init__(self, control: socket.socket, python: Any, confine: Any) -> None:
        self._control, self._python, self._confine = control, python, confine
        self._pid = os.getpid()
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._pids: dict[int, int] = {}  # by pidfd
        self._ended: dict[int, dict[str, float]] = {}  # by pid, until somebody asks

    def serve(self) -> None:
        """Answer requests and bury the dead until nobody can ask any more."""
        while True:
            for fd, _ in self._poll.poll():
                if fd == self._control.fileno():
                    if not self._answer():
                        return self._end()
                else:
                    self._bury(fd)

    def _answer(self) -> bool:
        data, fds, _, _ = socket.recv_fds(self._control, DATAGRAM, 8)
        if not data:
            return False
        request = json.loads(data)
        if request["op"] == "start":
            self._start(request, fds)
        else:
            self._reap(request["pid"])
        return True

    def _start(self, request: dict[str, Any], fds: list[int]) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            for fd in fds:
                os.close(fd)
            self._control.send(json.dumps({"error": f"cannot fork: {error}"}).encode())
            return
        if pid == 0:
            self._become(request, fds)
        for fd in fds:
            os.close(fd)
        pidfd = os.pidfd_open(pid)
        self._pids[pidfd] = pid
        self._poll.register(pidfd, select.POLLIN)
        socket.send_fds(self._control, [json.dumps({"pid": pid}).encode()], [pidfd])

    def _reap(self, pid: int) -> None:
        for pidfd in [pidfd for pidfd, child in self._pids.items() if child == pid]:
            self._bury(pidfd)
        self._control.send(json.dumps({"ended": self._ended.pop(pid, None)}).encode())

    def _bury(self, pidfd: int) -> None:
        if pidfd not in self._pids:
            return
        pid, status, usage = os.wait4(self._pids[pidfd], os.WNOHANG)
        if pid:
            self._poll.unregister(pidfd)
            os.close(pidfd)
            del self._pids[pidfd]
            used = {"memory": usage.ru_maxrss * 1024, "cpu": usage.ru_utime + usage.ru_stime}
            self._ended[pid] = {"code": os.waitstatus_to_exitcode(status), **used}

    def _end(self) -> None:
        """End all, and their own processes where they could start any; nobody else would bury them."""
        for pid in self._pids.values():
            for end in (os.killpg, os.kill):
                with contextlib.suppress(OSError):
                    end(pid, signal.SIGKILL)
        for pid in self._pids.values():
            os.waitpid(pid, 0)

    def _become(self, request: dict[str, Any], fds: list[int]) -> NoReturn:
        """In the child: turn into the bot. Never returns, so that nothing of the nursery's loop runs twice."""
        status = 1
        try:
            arrange(fds)
            os.chdir(request["folder"])
            speaker = CHANNEL if request["language"] != "command" else 1
            try:
                self._confine.confine(self._confine.Confinement.from_json(request["plan"]), self._pid)
            except self._confine.ConfinementError as error:
                say(speaker, {"type": "infra", "message": str(error)})
                os._exit(0)
            say(speaker, {"type": "confined"})
            if request["language"] == "command":
                run_command(request)
            else:
                status = self._python.serve(CHANNEL, CHANNEL, request["folder"], request["entry"], request["language"])
        finally:
            os._exit(status)


def arrange(fds: list[int]) -> None:
    """Give the process its descriptors; the confinement closes all others.

    Args:
        fds: a Python bot's channel and log; or a command's stdin, stdout and log.
    """
    moved = [fcntl.fcntl(fd, fcntl.F_DUPFD, 16) for fd in fds]  # out of the way of their places
    null = os.open("/dev/null", os.O_RDWR)
    if len(moved) == 2:
        places = {0: null, 1: moved[1], 2: moved[1], CHANNEL: moved[0]}
    else:
        places = {0: moved[0], 1: moved[1], 2: moved[2]}
    for place, fd in places.items():
        os.dup2(fd, place)


def run_command(request: dict[str, Any]) -> None:
    """Become another program."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores, and exec would hand on
        signal.signal(number, signal.SIG_DFL)
    command = request["command"]
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": request["folder"]}
    try:
        os.execve(command[0], command, environment)
    except OSError as error:
        text = f"{command[0]} cannot be started: {error.strerror}"
        failure = {"type": type(error).__name__, "message": text, "traceback": ""}
        say(1, {"type": "error", "phase": "import", "error": failure})


def say(fd: int, message: dict[str, Any]) -> None:
    os.write(fd, json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    sys.path.insert(0, ROOT)
    main(int(sys.argv[1]), sys.argv[2:])
