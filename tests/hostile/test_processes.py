"""Bots that start processes, or reach for others: the referee, the nursery, everybody."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.bots.core import FailureCode
from tests.hostile.conftest import Convict
from tests.hostile.ground import Attack, answers, tries

DO = "PermissionError: [Errno 1] Operation not permitted"
HEAD = "import os, signal, ctypes, resource, subprocess, threading, time\n"
LIBC = HEAD + (
    "libc = ctypes.CDLL(None, use_errno=True)\n"
    "def held(result):\n"
    "    if result == -1:\n"
    "        number = ctypes.get_errno()\n"
    "        raise OSError(number, os.strerror(number))\n"
    "class Vector(ctypes.Structure):\n"
    "    _fields_ = [('base', ctypes.c_void_p), ('size', ctypes.c_size_t)]\n"
    "word = ctypes.create_string_buffer(8)\n"
    "here, there = Vector(ctypes.addressof(word), 8), Vector(id(None), 8)\n"
)
PEEK = "libc.process_vm_{}($NURSERY, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)"

STARTS = [
    tries("fork", "os.fork()", DO, head=HEAD),
    tries("fork_bomb", "[os.fork() for _ in iter(int, 1)]", DO, head=HEAD),
    tries("terminal", "os.forkpty()", "PermissionError: [Errno 13] Permission denied", head=HEAD),
    tries("subprocess", "subprocess.run(['/bin/true'])", DO + "…", head=HEAD),
    tries("shell", "subprocess.check_output('id', shell=True)", DO + "…", head=HEAD),
    tries("posix_spawn", "os.posix_spawn('/bin/true', ['true'], {})", DO + ": '/bin/true'", head=HEAD),
    tries("exec", "os.execv('/bin/sh', ['sh', '-c', 'echo owned'])", DO, head=HEAD),
    tries(
        "multiprocessing",
        "multiprocessing.get_context('fork').Process(target=print).start()",
        DO + "…",
        head="import multiprocessing\n",
    ),
    tries(
        "process_pool",
        "concurrent.futures.ProcessPoolExecutor(2)",
        "PermissionError: [Errno 13] Permission denied",
        head="import concurrent.futures\n",
    ),
    answers(
        "system",
        "os.system('echo owned > /tmp/league-hostile-owned')",
        FailureCode.INVALID_ACTION,
        "action 32512 is none of 0 to 6; legal were 0, 1, 2, 3, 4, 5, 6",
        head=HEAD,
    ),
    tries("vfork", "held(libc.vfork())", DO, head=LIBC),
    tries("new_namespaces", "held(libc.unshare(0x10020000))", DO, head=LIBC),
    tries("io_uring", "held(libc.syscall(425, 8, word))", DO, head=LIBC),
    tries("loading_of_a_bpf_program", "held(libc.syscall(321, 0, word, 8))", DO, head=LIBC),
]

REACHES = [
    tries("parent", "os.kill(os.getppid(), signal.SIGKILL)", DO, head=HEAD),
    tries("referee", "os.kill($REFEREE, signal.SIGKILL)", DO, head=HEAD),
    tries("stopped_referee", "os.kill($REFEREE, signal.SIGSTOP)", DO, head=HEAD),
    tries("nursery", "os.kill($NURSERY, signal.SIGKILL)", DO, head=HEAD),
    tries("everybody", "os.kill(-1, signal.SIGKILL)", DO, head=HEAD),
    tries("own_group", "os.kill(0, signal.SIGKILL)", DO, head=HEAD),
    tries("group_of_nursery", "os.killpg(os.getpgid(os.getppid()), signal.SIGKILL)", DO, head=HEAD),
    tries("thread_of_referee", "held(libc.syscall(200, $REFEREE, 9))", DO, head=LIBC),
    tries("pidfd", "os.pidfd_open($REFEREE)", DO, head=HEAD),
    tries("queued_signal", "held(libc.sigqueue($REFEREE, 9, None))", DO, head=LIBC),
    tries("owner_of_the_channel", "import fcntl; fcntl.fcntl(3, fcntl.F_SETOWN, $REFEREE)", DO, head=HEAD),
    tries("ptrace", "held(libc.ptrace(16, $NURSERY, None, None))", DO, head=LIBC),
    tries("ptrace_seize", "held(libc.ptrace(0x4206, $REFEREE, None, None))", DO, head=LIBC),
    tries("tracer_of_itself", "held(libc.ptrace(0, 0, None, None))", DO, head=LIBC),
    tries("memory_read", f"held({PEEK.format('readv')})", DO, head=LIBC),
    tries("memory_written", f"held({PEEK.format('writev')})", DO, head=LIBC),
    tries("limits_of_referee", "resource.prlimit($REFEREE, resource.RLIMIT_CPU, (1, 1))", DO + "…", head=HEAD),
    answers(
        "own_limits",
        "resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
        FailureCode.CRASH,
        "ValueError: not allowed to raise maximum limit",
        head=HEAD,
    ),
    tries("priority_of_referee", "os.setpriority(os.PRIO_PROCESS, $REFEREE, 19)", DO, head=HEAD),
    tries("own_priority", "os.nice(-5)", DO, head=HEAD),
    tries("cpus_of_referee", "os.sched_setaffinity($REFEREE, {0})", DO, head=HEAD),
    tries("another_user", "os.setuid(1)", DO, head=HEAD),
    tries("host_name", "import socket; socket.sethostname('owned')", DO, head=HEAD),
    tries("another_root", "os.chroot('/usr')", DO + "…", head=HEAD),
    tries("own_session", "os.setsid()", DO, head=HEAD),
    tries("survival_of_the_nursery", "held(libc.prctl(1, 0, 0, 0, 0))", DO, head=LIBC),
    tries("typing_into_a_terminal", "import fcntl; fcntl.ioctl(0, 0x5412, b'x')", DO, head=HEAD),
]


@pytest.mark.parametrize("attack", STARTS, ids=str)
def test_start(convict: Convict, attack: Attack) -> None:
    convict(attack)
    assert not Path("/tmp/league-hostile-owned").exists()


@pytest.mark.parametrize("attack", REACHES, ids=str)
def test_reach(convict: Convict, attack: Attack) -> None:
    convict(attack)
