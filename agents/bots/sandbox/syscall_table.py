"""The numbers of the system calls that the filter names, by architecture. Standard library only.

From the kernel's `arch/x86/entry/syscalls/syscall_64.tbl` and `include/uapi/asm-generic/unistd.h` (aarch64); `-` where
an architecture does not have the call. What is not named here is not allowed to anybody.
"""

from __future__ import annotations

LAST_KNOWN = 470
"""The newest call (Linux 6.18) that the filter knows how to judge: later ones answer ENOSYS, as an older kernel would,
so that libraries fall back."""

_ALLOWED = """
    # descriptors, and paths that are read: Landlock says which; what Landlock does not govern (chmod, chown, utime,
    # xattr, truncate by path) is not here
    read 0 63, write 1 64, readv 19 65, writev 20 66, pread64 17 67, pwrite64 18 68, preadv 295 69,
    pwritev 296 70, preadv2 327 286, pwritev2 328 287, open 2 -, openat 257 56, close 3 57,
    close_range 436 436, lseek 8 62, stat 4 -, fstat 5 80, lstat 6 -, newfstatat 262 79, statx 332 291,
    statfs 137 43, fstatfs 138 44, access 21 -, faccessat 269 48, faccessat2 439 439, readlink 89 -,
    readlinkat 267 78, getdents 78 -, getdents64 217 61, getcwd 79 17, chdir 80 49, fchdir 81 50, dup 32 23,
    dup2 33 -, dup3 292 24, fsync 74 82, fdatasync 75 83, umask 95 166,
    # waiting, timers, pipes to oneself
    poll 7 -, ppoll 271 73, select 23 -, pselect6 270 72, epoll_create 213 -, epoll_create1 291 20,
    epoll_ctl 233 21, epoll_wait 232 -, epoll_pwait 281 22, epoll_pwait2 441 441, eventfd 284 -,
    eventfd2 290 19, pipe 22 -, timerfd_create 283 85, timerfd_settime 286 86,
    timerfd_gettime 287 87, signalfd 282 -, signalfd4 289 74,
    # what one does with a connected socket: the channel to the referee; `sendmsg` could name an address
    getsockname 51 204, getpeername 52 205, getsockopt 55 209,
    shutdown 48 210,
    # memory
    mmap 9 222, mprotect 10 226, munmap 11 215, mremap 25 216, madvise 28 233, brk 12 214, msync 26 227,
    pkey_mprotect 329 288, pkey_alloc 330 289, pkey_free 331 290, membarrier 324 283, mseal 462 462,
    map_shadow_stack 453 453,
    # threads
    futex 202 98, futex_waitv 449 449, futex_wake 454 454, futex_wait 455 455, futex_requeue 456 456,
    set_robust_list 273 99, set_tid_address 218 96, rseq 334 293, gettid 186 178, sched_yield 24 124,
    sched_getaffinity 204 123, sched_getparam 143 121, sched_getscheduler 145 120,
    sched_get_priority_max 146 125, sched_get_priority_min 147 126, sched_rr_get_interval 148 127,
    getcpu 309 168, exit 60 93, exit_group 231 94, arch_prctl 158 -,
    # signals to oneself
    rt_sigaction 13 134, rt_sigprocmask 14 135, rt_sigreturn 15 139, rt_sigpending 127 136,
    rt_sigsuspend 130 133, rt_sigtimedwait 128 137, sigaltstack 131 132, pause 34 -, alarm 37 -,
    setitimer 38 103, getitimer 36 102, timer_create 222 107, timer_settime 223 110, timer_gettime 224 108,
    timer_getoverrun 225 109, timer_delete 226 111, restart_syscall 219 128,
    # time
    nanosleep 35 101, clock_nanosleep 230 115, clock_gettime 228 113, clock_getres 229 114,
    gettimeofday 96 169, time 201 -, times 100 153,
    # questions about oneself
    getpid 39 172, getppid 110 173, getuid 102 174, geteuid 107 175, getgid 104 176, getegid 108 177,
    getresuid 118 148, getresgid 120 150, getgroups 115 158, getpgrp 111 -, getpgid 121 155, getsid 124 156,
    getrlimit 97 163, getrusage 98 165, getpriority 140 141, capget 125 90, uname 63 160, sysinfo 99 179,
    getrandom 318 278, wait4 61 260, waitid 247 95,
"""

_CHECKED = """
    # by argument
    clone 56 220, recvfrom 45 207, recvmsg 47 212, pipe2 293 59, clone3 435 435, fcntl 72 25, ioctl 16 29,
    prctl 157 167, kill 62 129, tkill 200 130, tgkill 234 131, prlimit64 302 261, sendto 44 206,
    socketpair 53 199, personality 135 92, execve 59 221,
"""


def _parse(table: str) -> dict[str, tuple[int, int | None]]:
    rows = (line for line in table.splitlines() if not line.lstrip().startswith("#"))
    entries = (entry.split() for row in rows for entry in row.split(",") if entry.strip())
    return {name: (int(x86_64), None if aarch64 == "-" else int(aarch64)) for name, x86_64, aarch64 in entries}


_COLUMN = {"x86_64": 0, "aarch64": 1}
_ALLOWED_NUMBERS = _parse(_ALLOWED)
_CHECKED_NUMBERS = _parse(_CHECKED)


def allowed(machine: str) -> dict[str, int]:
    """Calls that are allowed whatever their arguments: name -> number on this architecture."""
    return _of(_ALLOWED_NUMBERS, machine)


def checked(machine: str) -> dict[str, int]:
    """Calls whose arguments decide: name -> number on this architecture."""
    return _of(_CHECKED_NUMBERS, machine)


def _of(table: dict[str, tuple[int, int | None]], machine: str) -> dict[str, int]:
    column = _COLUMN[machine]
    return {name: number for name, numbers in table.items() if (number := numbers[column]) is not None}
