"""The filter's program, run by an interpreter of classic BPF here: on both architectures, every call."""

from __future__ import annotations

import errno
import re
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.bots.sandbox import seccomp, syscall_table

KILL, ALLOW, ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
EPERM, ENOSYS = ERRNO | errno.EPERM, ERRNO | errno.ENOSYS
ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
MACHINES = tuple(ARCH)
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
THREAD = 0x3D0F00  # the flags of glibc's pthread_create
NEVER = {
    *("socket", "connect", "bind", "listen", "accept", "accept4", "sendmsg", "sendmmsg", "fork", "vfork"),
    *("execveat", "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_open", "pidfd_getfd"),
    *("pidfd_send_signal", "io_uring_setup", "io_uring_enter", "bpf", "perf_event_open", "keyctl", "add_key"),
    *("request_key", "userfaultfd", "mount", "umount2", "fsopen", "open_tree", "move_mount", "unshare", "setns"),
    *("setrlimit", "sched_setscheduler", "sched_setaffinity", "sched_setattr", "setpriority", "memfd_create"),
    *("memfd_secret", "shmget", "msgget", "semget", "mq_open", "chmod", "fchmod", "fchmodat", "fchmodat2", "chown"),
    *("utimensat", "setxattr", "truncate", "ftruncate", "unlink", "rename", "mkdir", "link", "symlink", "mknod"),
    *("splice", "tee", "vmsplice", "flock", "inotify_init1", "fanotify_init", "open_by_handle_at", "seccomp"),
    *("setuid", "setgid", "capset", "chroot", "pivot_root", "reboot", "kexec_load", "init_module"),
    *("rt_sigqueueinfo", "rt_tgsigqueueinfo"),
}
"""Calls that no bot is ever given."""


def judge(machine: str, number: int, *arguments: int, command: bool = False, arch: int | None = None) -> int:
    """What the kernel would answer. `_PID` among the arguments is the process's own id."""
    words = [argument % 2**64 for argument in arguments] + [0] * (6 - len(arguments))
    data = struct.pack("<IIQ6Q", number, ARCH[machine] if arch is None else arch, 0, *words)
    program, at, accumulator = seccomp.program(machine, command=command), 0, 0
    for _ in range(len(program)):
        code, true, false, constant = program[at]
        constant %= 2**32
        at += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, constant)
        elif code == 0x54:
            accumulator &= constant
        elif code == 0x15:
            at += true if accumulator == constant else false
        elif code == 0x35:
            at += true if accumulator >= constant else false
        elif code == 0x05:
            at += constant
        elif code == 0x06:
            return constant
        else:
            raise AssertionError(f"unknown instruction {code:#x}")
    raise AssertionError("the program does not end")


@pytest.mark.parametrize("command", [False, True])
@pytest.mark.parametrize("machine", MACHINES)
def test_every_call_is_judged_as_the_table_says(machine: str, command: bool) -> None:
    allowed = set(syscall_table.allowed(machine).values())
    checked = syscall_table.checked(machine)
    for number in range(syscall_table.LAST_KNOWN + 1):
        if number in checked.values():
            continue
        assert judge(machine, number, command=command) == (ALLOW if number in allowed else EPERM), number
    assert judge(machine, checked["execve"], command=command) == (ALLOW if command else EPERM)
    assert judge(machine, checked["clone3"], command=command) == ENOSYS
    assert judge(machine, syscall_table.LAST_KNOWN + 1, command=command) == ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
def test_a_foreign_architecture_ends_the_process(machine: str) -> None:
    for arch in (0x40000003, 0x40000028, ARCH["x86_64" if machine == "aarch64" else "aarch64"]):  # i386, arm, the other
        assert judge(machine, syscall_table.allowed(machine)["read"], arch=arch) == KILL
    assert judge(machine, 0x40000000) == KILL
    assert judge(machine, 0x40000000 + syscall_table.allowed(machine)["read"]) == KILL


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("call", "arguments", "allowed"),
    [
        ("clone", [THREAD], True),
        ("clone", [THREAD | 0x400000], True),  # musl adds CLONE_DETACHED
        ("clone", [17], False),  # fork
        ("clone", [0x4111], False),  # vfork
        ("clone", [THREAD | 0x10000000], False),  # a new user namespace
        ("clone", [THREAD | 0x2000], False),
        ("kill", [seccomp._PID, 9], True),
        ("kill", [1, 9], False),
        ("kill", [0, 9], False),
        ("tgkill", [seccomp._PID, 77, 6], True),
        ("tgkill", [1, 1, 6], False),
        ("tkill", [1, 6], False),
        ("fcntl", [3, 3], True),
        ("fcntl", [3, 8, 1], False),  # F_SETOWN
        ("fcntl", [3, 10, 9], False),  # F_SETSIG
        ("fcntl", [3, 15, 0], False),  # F_SETOWN_EX
        ("fcntl", [3, 1031, 1 << 20], False),  # F_SETPIPE_SZ
        ("ioctl", [0, 0x5401], True),
        ("ioctl", [0, 0x5412], False),  # TIOCSTI
        ("ioctl", [0, 0x541C], False),  # TIOCLINUX
        ("ioctl", [0, 0x8901], False),  # FIOSETOWN
        ("prctl", [15], True),
        ("prctl", [1], False),  # PR_SET_PDEATHSIG
        ("prctl", [22], False),  # PR_SET_SECCOMP
        ("prctl", [0x59616D61], False),  # PR_SET_PTRACER
        ("prlimit64", [0, 7, 0, 99], True),
        ("prlimit64", [seccomp._PID, 7, 0, 99], True),
        ("prlimit64", [1, 7, 0, 99], False),
        ("prlimit64", [0, 7, 99, 0], False),  # to set, even to lower: cores are off by a limit of 1, not 0
        ("prlimit64", [0, 7, 1 << 32, 0], False),
        ("sendto", [3, 1, 1, 0, 0, 0], True),
        ("sendto", [3, 1, 1, 0x4040, 0, 0], True),
        ("sendto", [3, 1, 1, 1, 0, 0], False),  # MSG_OOB
        ("recvfrom", [3, 1, 1, 0x40], True),
        ("recvfrom", [3, 1, 1, 1], False),
        ("recvmsg", [3, 1, 0x40000000], True),
        ("recvmsg", [3, 1, 1], False),
        ("pipe2", [1, 0x80000], True),
        ("pipe2", [1, 0x80], False),  # O_NOTIFICATION_PIPE
        ("sendto", [3, 1, 1, 0, 1 << 32, 16], False),
        ("sendto", [3, 1, 1, 0, 1, 16], False),
        ("socketpair", [1, 1 | 0x80000, 0], True),
        ("socketpair", [1, 2, 0], False),  # datagrams could be sent elsewhere
        ("socketpair", [2, 1, 0], False),
        ("personality", [0xFFFFFFFF], True),
        ("personality", [0x0400000], False),  # READ_IMPLIES_EXEC
    ],
)
def test_arguments_decide(machine: str, call: str, arguments: list[int], allowed: bool) -> None:
    number = syscall_table.checked(machine)[call]
    assert judge(machine, number, *arguments) == (ALLOW if allowed else EPERM)


@given(flags=st.integers(0, 2**32 - 1))
def test_only_threads_are_cloned(flags: int) -> None:
    thread = flags & 0x10000 and not flags & (0x7E020000 | 0x3000)
    for machine in MACHINES:
        assert (judge(machine, syscall_table.checked(machine)["clone"], flags) == ALLOW) == bool(thread)


@pytest.mark.parametrize("machine", MACHINES)
def test_a_filter_is_short_and_its_jumps_stay_inside(machine: str) -> None:
    program = seccomp.program(machine, command=True)
    assert len(program) < 1000  # the kernel takes 4096
    for at, (_, true, false, _) in enumerate(program):
        assert 0 <= true < 256 and 0 <= false < 256
        assert at + 1 + max(true, false) <= len(program)


@pytest.mark.parametrize("machine", MACHINES)
def test_the_numbers_are_those_of_the_kernels_headers(machine: str) -> None:
    if not HEADERS[machine].exists():
        pytest.skip("the kernel's headers are not installed")
    text = HEADERS[machine].read_text(encoding="ascii")
    known = {name: int(number) for name, number in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", text)}
    known.setdefault("newfstatat", known.get("fstatat", 79))
    ours = {**syscall_table.allowed(machine), **syscall_table.checked(machine)}
    wrong = {name: number for name, number in ours.items() if name in known and known[name] != number}
    assert wrong == {}
    assert len(set(ours.values())) == len(ours)
    assert {name for name in ours if name not in known} <= {  # newer than Debian 12's headers
        *("map_shadow_stack", "futex_wake", "futex_wait", "futex_requeue", "mseal"),
    }


@pytest.mark.parametrize("machine", MACHINES)
def test_what_makes_sockets_or_processes_is_in_no_table(machine: str) -> None:
    ours = {*syscall_table.allowed(machine), *syscall_table.checked(machine)}
    assert ours.isdisjoint(NEVER)
