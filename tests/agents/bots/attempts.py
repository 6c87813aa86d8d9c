"""What a hostile bot tries, a function each. Run in a confined process by `confined`; returns where it succeeds."""

from __future__ import annotations

import asyncio
import ctypes
import encodings.idna  # noqa: F401  (what `socket` would load later, when nothing can be read any more)
import fcntl
import importlib
import mmap
import os
import resource
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from agents.bots.sandbox import kernel

libc = ctypes.CDLL(None, use_errno=True)
PTRACE_ATTACH = 16
PTRACE_DETACH = 17


def _checked(result: int) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def read(path: str) -> int:
    return len(Path(path).read_bytes())


def text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8").strip()


def listing(path: str) -> int:
    return len(os.listdir(path))  # noqa: PTH208


def create(path: str) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))


def overwrite(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY))


def truncate(path: str) -> None:
    os.truncate(path, 0)


def remove(path: str) -> None:
    Path(path).unlink()


def rename(path: str) -> None:
    Path(path).rename(path + ".renamed")


def chmod(path: str) -> None:
    Path(path).chmod(0o644)


def touch(path: str) -> None:
    os.utime(path)


def attributes(path: str) -> None:
    os.listxattr(path)


def null(_: str) -> int:
    with open("/dev/null", "w") as stream:  # noqa: PTH123
        return stream.write("x")


def write_kept(descriptor: int) -> int:
    return os.write(descriptor, b"x" * 10)


def tcp(port: int) -> None:
    socket.create_connection(("127.0.0.1", port), 5).close()


def udp(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.sendto(b"x", ("127.0.0.1", port))


def unix(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect(path)


def abstract(name: str) -> None:
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect("\0" + name)


def unix_datagram_by_pair(path: str) -> None:
    """A pair that is allowed must not become a way out."""
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with one, other:
        one.sendto(b"x", path)


def netlink(_: int) -> None:
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close()


def pair(_: int) -> str:
    one, other = socket.socketpair()
    with one, other:
        one.sendall(b"hello")
        return other.recv(5).decode()


def loop(_: int) -> str:
    async def answer() -> str:
        await asyncio.sleep(0.001)
        return "answer"

    return asyncio.run(answer())


def fork(_: int) -> None:
    if os.fork() == 0:
        os._exit(0)
    os.wait()


def spawn(_: int) -> None:
    subprocess.run(["/bin/true"], check=True)


def posix_spawn(_: int) -> None:
    os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)


def execute(_: int) -> None:
    os.execv("/bin/true", ["true"])


def threads(count: int) -> int:
    done: list[int] = []
    workers = [threading.Thread(target=done.append, args=(index,)) for index in range(count)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return len(done)


def bomb(count: int) -> int:
    """Threads that stay."""
    end = threading.Event()
    try:
        for _ in range(count):
            threading.Thread(target=end.wait, daemon=True).start()
        return threading.active_count() - 1
    finally:
        end.set()


def matmul(size: int) -> float:
    return float((np.ones((size, size)) @ np.ones((size, size))).sum())


def allocate(size: int) -> int:
    return len(bytearray(size))


def allocate_shared(size: int) -> int:
    with mmap.mmap(-1, size) as memory:
        return len(memory)


def spin(seconds: float) -> None:
    while time.process_time() < seconds:
        pass


def open_many(count: int) -> int:
    return len([os.dup(0) for _ in range(count)])


def raise_limit(_: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))


def kill(victim: int) -> None:
    os.kill(victim, signal.SIGTERM)


def kill_by_pidfd(victim: int) -> None:
    signal.pidfd_send_signal(os.pidfd_open(victim), signal.SIGTERM)


def kill_by_descriptor(victim: int) -> None:
    """The kernel sends SIGIO, or any signal, to who owns a descriptor."""
    ends = os.pipe()
    fcntl.fcntl(ends[0], fcntl.F_SETOWN, victim)


def ptrace(victim: int) -> None:
    _checked(libc.ptrace(PTRACE_ATTACH, victim, None, None))
    os.waitpid(victim, 0x40000000)  # __WALL
    _checked(libc.ptrace(PTRACE_DETACH, victim, None, None))


def peek(victim: int) -> int:
    """Reads the victim's memory at an address of its own (the two were forked from one process)."""
    place = ctypes.create_string_buffer(8)
    here = (ctypes.c_void_p * 2)(ctypes.addressof(place), 8)
    there = (ctypes.c_void_p * 2)(id(None), 8)
    return _checked(libc.process_vm_readv(victim, here, 1, there, 1, 0))


def renice(victim: int) -> None:
    os.setpriority(os.PRIO_PROCESS, victim, 19)


def pin(victim: int) -> None:
    os.sched_setaffinity(victim, {0, 1})


def throttle(victim: int) -> None:
    resource.prlimit(victim, resource.RLIMIT_CPU, (3600, 3600))


def lower_limit(_: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.prlimit(0, resource.RLIMIT_NOFILE, (min(soft, 8), hard))


def limits(_: int) -> dict[str, int]:
    names = ("AS", "DATA", "CPU", "NOFILE", "FSIZE", "CORE", "MEMLOCK", "SIGPENDING")
    return {name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[1] for name in names}


def temporary(path: str) -> None:
    """A file without a name."""
    os.close(os.open(path, os.O_TMPFILE | os.O_RDWR))


def out_of_band(_: int) -> None:
    one, other = socket.socketpair()
    with one, other:
        one.send(b"x", socket.MSG_OOB)


def signal_itself(_: int) -> str:
    seen: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, _: seen.append(number))
    os.kill(os.getpid(), signal.SIGUSR1)
    signal.raise_signal(signal.SIGUSR1)
    return f"{len(seen)} signals"


def chroot(_: int) -> None:
    os.chroot("/")


def raw(number: int, *arguments: int) -> int:
    return kernel.syscall(number, *arguments)


def descriptors(_: int) -> list[int]:
    """Those that are open. Without /proc: asked one by one."""
    found = []
    for descriptor in range(256):
        try:
            os.fstat(descriptor)
        except OSError:
            continue
        found.append(descriptor)
    return found


def place(_: int) -> dict[str, Any]:
    return {"group": os.getpgid(0) == os.getpid(), "no_new_privs": kernel.prctl(39), "dies": _death_signal()}


def _death_signal() -> int:
    number = ctypes.c_int(0)
    _checked(libc.prctl(2, ctypes.byref(number), 0, 0, 0))
    return number.value


def read_some(path: str) -> int:
    with Path(path).open("rb", buffering=0) as stream:
        return len(stream.read(16))


def load(name: str) -> None:
    importlib.import_module(name)


def ignore_and_spin(seconds: float) -> None:
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    spin(seconds)


def tcp_refused(port: int) -> None:
    socket.create_connection(("127.0.0.1", port), 5).close()
