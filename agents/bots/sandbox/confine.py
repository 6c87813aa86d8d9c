"""What a bot's process does to itself before the bot's first line runs. Standard library only; loadable without torch.

For the nursery (`python -I harness.py`): put the folder that holds the package `agents` at the front of `sys.path`,
import this module BEFORE the first fork (that builds the filters and loads ctypes), and take the folder out again:

    sys.path.insert(0, root); from agents.bots.sandbox.confine import Confinement, confine; sys.path.remove(root)

then, in the forked child, which has one thread:

    plan = Confinement.from_json(text)          # made by `plan_for(folder, ...)` on either side
    try:
        layers = confine(plan, parent=pid_of_the_nursery)    # their names
    except ConfinementError as error:           # a fault of the host's (INFRA): report it and os._exit; never go on
        ...
    import bot / os.execve(...)                 # execve only with plan.command

`confine` closes every descriptor but `plan.keep`, and a Python bot may import only from what the plan names. What is
denied fails with EPERM or EACCES, both PermissionError in Python; only a foreign ABI (x32, i386) is killed (SIGSYS).
"""

from __future__ import annotations

import json
import os
import signal
import site
import sys
from dataclasses import asdict, dataclass

from agents.bots.sandbox import kernel, landlock, rlimits, seccomp

LAYERS = ("rlimits", "capabilities", "landlock", "seccomp")
"""What `Confinement.without` can name."""

SYSTEM = ("/usr", "/bin", "/lib", "/lib32", "/lib64", "/nix/store", "/gnu/store")
"""Where programs and libraries of the system lie."""
SYSTEM_FILES = (
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime"),
    *("/etc/ssl/openssl.cnf", "/etc/pki/tls/openssl.cnf", "/etc/crypto-policies"),  # node ends without it
)
"""What the loader and libraries read besides. Nothing of the host's own."""


class ConfinementError(Exception):
    """A layer could not be put on: the process must end without running the bot. The host's fault, not the bot's."""


@dataclass(frozen=True)
class Confinement:
    """What a bot's process may do. Plain values, so that it crosses a socket as JSON.

    Attributes:
        read: files and folders (with all below) that may be read.
        execute: files and folders that may be read and, by a command, executed.
        command: the process goes on to `execve`; a Python bot may not.
        memory: bytes; address space of a Python bot (RLIMIT_AS), data of a command (RLIMIT_DATA: node and Go reserve
            address space that they never use).
        cpu: seconds of CPU in its life: SIGXCPU then, SIGKILL a second later.
        files: open descriptors.
        tasks: threads and processes that the whole user may have (RLIMIT_NPROC), or None; see `rlimits.tasks_limit`.
        keep: descriptors that stay open.
        without: layers of `LAYERS` that are left off. For `isolation = none`, and for the tests that show what each
            layer does; nothing outside of the program can set it.
    """

    read: tuple[str, ...]
    execute: tuple[str, ...]
    command: bool
    memory: int
    cpu: int
    files: int
    tasks: int | None = None
    keep: tuple[int, ...] = (0, 1, 2, 3)
    without: frozenset[str] = frozenset()

    def to_json(self) -> str:
        """One line."""
        return json.dumps({**asdict(self), "without": sorted(self.without)})

    @classmethod
    def from_json(cls, text: str) -> Confinement:
        """What `to_json` wrote."""
        values = json.loads(text)
        for name in ("read", "execute", "keep"):
            values[name] = tuple(values[name])
        values["without"] = frozenset(values["without"])
        return cls(**values)


def interpreter_paths() -> tuple[str, ...]:
    """What this Python reads when it imports: its program, shared libraries, standard library and site-packages."""
    return (
        os.path.realpath(sys.executable),
        f"{sys.base_prefix}/lib",
        os.path.dirname(os.__file__),  # noqa: PTH120  (pathlib costs the nursery an import)
        f"{sys.prefix}/pyvenv.cfg",
        *site.getsitepackages(),
    )


def plan_for(
    folder: str,
    *,
    command: bool,
    memory: int,
    cpu: int,
    files: int,
    tasks: int | None = None,
    keep: tuple[int, ...] = (0, 1, 2, 3),
    without: frozenset[str] = frozenset(),
) -> Confinement:
    """The confinement of a bot: its own folder, the interpreter, the system's libraries, and nothing else.

    Args:
        folder: the bot's own, absolute.
        command: it is a program that is executed, not a Python module.
        memory, cpu, files, tasks, keep, without: see `Confinement`.
    """
    return Confinement(
        read=SYSTEM_FILES,
        execute=(folder, *SYSTEM, *interpreter_paths()),
        command=command,
        memory=memory,
        cpu=cpu,
        files=files,
        tasks=tasks,
        keep=keep,
        without=without,
    )


_DEVICES_READ = ("/dev/zero", "/dev/urandom", "/dev/random")
_DEVICES_WRITE = ("/dev/null",)
_PR_SET_PDEATHSIG = 1


def _die_with(parent: int | None) -> None:
    """Has the kernel kill this process when its parent ends; ends it if that has happened already."""
    kernel.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent is not None and os.getppid() != parent:
        os._exit(1)


def _put_on(plan: Confinement, layer: str) -> None:
    if layer == "rlimits":
        rlimits.volunteer()
        rlimits.limit(memory=plan.memory, data_only=plan.command, cpu=plan.cpu, files=plan.files, tasks=plan.tasks)
    elif layer == "capabilities":
        rlimits.drop_capabilities()
    elif layer == "landlock":
        landlock.restrict((*plan.read, *_DEVICES_READ), plan.execute, _DEVICES_WRITE)
    elif layer == "seccomp":
        seccomp.restrict(command=plan.command)


def confine(plan: Confinement, parent: int | None = None) -> tuple[str, ...]:
    """Confines this process, and all that it starts, for good.

    In this order: descriptors closed, a death with its parent, a process group of its own, then limits, capabilities,
    Landlock and seccomp. The nursery leads a session without a terminal: one more session a bot would cost a wait of
    milliseconds on a busy machine (the kernel's autogroups), and let a bot ask for a terminal.

    Args:
        plan: what stays allowed.
        parent: id of the process that forked this one; a parent that has died meanwhile ends this process.

    Returns:
        The layers that are on.

    Raises:
        ConfinementError: a layer could not be put on, or the process has several threads. It must not go on.
    """
    on = tuple(layer for layer in LAYERS if layer not in plan.without)
    step = "descriptors"
    try:
        kernel.close_all_but(plan.keep)
        step = "process group"
        _die_with(parent)
        if os.getpgid(0) != os.getpid():
            os.setpgid(0, 0)
        if not kernel.has_one_thread():
            raise ConfinementError("the process has several threads; the layers would hold for one of them only")
        step = "no_new_privs"
        seccomp.set_no_new_privs()
        for step in on:
            _put_on(plan, step)
    except (OSError, ValueError) as error:
        raise ConfinementError(f"{step}: {error}") from error
    return on


seccomp.prepare()
