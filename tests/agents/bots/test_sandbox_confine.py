"""What `confine` leaves a bot, what it bounds, and when it refuses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.bots.sandbox import kernel, landlock, rlimits
from agents.bots.sandbox.confine import Confinement, plan_for
from tests.agents.bots.confined import ROOT, Nursery

USERS = ("root", "nobody") if os.getuid() == 0 else ("itself",)
MIB = 1024**2


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as started:
        yield started


def script(text: str) -> subprocess.CompletedProcess[str]:
    """A program of its own, with the repository on its path."""
    code = f"import sys; sys.path.insert(0, {ROOT!r})\n" + textwrap.dedent(text)
    return subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize(
    ("name", "argument", "expected"),
    [
        ("threads", 8, 8),
        ("matmul", 200, 200.0**3),
        ("null", "", 1),
        ("pair", 0, "hello"),
        ("loop", 0, "answer"),
        ("signal_itself", 0, "2 signals"),
        ("read_some", "/dev/urandom", 16),
    ],
)
def test_a_bot_may(nursery: Nursery, user: str, name: str, argument: object, expected: object) -> None:
    outcome = nursery.attempt(name, argument, user=user)
    assert outcome.done, outcome
    assert outcome.value == expected


@pytest.mark.parametrize("user", USERS)
def test_a_bot_reads_its_folder_and_the_interpreter_and_not_its_neighbour(nursery: Nursery, user: str) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        Path(place).chmod(0o755)
        mine, other = Path(place) / "mine", Path(place) / "other"
        for folder in (mine, other):
            folder.mkdir()
            (folder / "bot.py").write_text("x = 1\n", encoding="ascii")
        confined = {"user": user, "folder": str(mine)}
        assert nursery.attempt("read", str(mine / "bot.py"), **confined).done
        assert nursery.attempt("overwrite", str(mine / "bot.py"), **confined).denied
        assert nursery.attempt("create", str(mine / "new.py"), **confined).denied
        assert nursery.attempt("read", str(other / "bot.py"), **confined).denied
        assert nursery.attempt("read", "/proc/self/status", **confined).denied
        assert nursery.attempt("read", str(Path(ROOT) / "pyproject.toml"), **confined).denied


def test_a_bot_imports_what_was_not_loaded_yet(nursery: Nursery) -> None:
    assert nursery.attempt("load", "decimal").done
    assert nursery.attempt("load", "numpy.polynomial").done


@pytest.mark.parametrize("user", USERS)
def test_memory_ends_at_the_limit(nursery: Nursery, user: str) -> None:
    bomb = {"user": user, "memory": 512 * MIB}
    assert nursery.attempt("allocate", 1024 * MIB, **bomb).error == "MemoryError"
    assert nursery.attempt("allocate_shared", 1024 * MIB, **bomb).error == "OSError"
    assert nursery.attempt("allocate", 128 * MIB, **bomb).done
    assert nursery.attempt("allocate_shared", 1024 * MIB, **bomb, without={"rlimits"}).done


def test_cpu_ends_at_the_limit(nursery: Nursery) -> None:
    assert nursery.attempt("spin", 3.0, cpu=1).status == -signal.SIGXCPU
    assert nursery.attempt("ignore_and_spin", 4.0, cpu=1).status == -signal.SIGKILL
    assert nursery.attempt("spin", 1.2, cpu=1, without={"rlimits"}).done


@pytest.mark.parametrize("user", USERS)
def test_descriptors_end_at_the_limit_and_no_limit_is_raised(nursery: Nursery, user: str) -> None:
    assert nursery.attempt("open_many", 40, user=user, files=32).value == "[Errno 24] Too many open files"
    assert nursery.attempt("open_many", 40, user=user, files=32, without={"rlimits"}).done
    assert nursery.attempt("raise_limit", 0, user=user).error in ("ValueError", "PermissionError")


def test_the_limits(nursery: Nursery) -> None:
    found = nursery.attempt("limits", 0, memory=512 * MIB, cpu=30, files=32).value
    del found["DATA"]
    assert found == {"AS": 512 * MIB, "CPU": 31, "NOFILE": 32, "FSIZE": 0, "CORE": 1, "MEMLOCK": 0, "SIGPENDING": 128}


@pytest.mark.parametrize("user", USERS)
def test_the_host_out_of_memory_takes_the_bot_first(nursery: Nursery, user: str) -> None:
    score = nursery.attempt("text", "/proc/self/oom_score_adj", user=user, without={"landlock"})
    assert score.value == "1000"


def test_no_file_grows_even_one_that_was_open(nursery: Nursery) -> None:
    assert nursery.attempt("write_kept", file=True).value == "[Errno 27] File too large"
    assert nursery.attempt("write_kept", file=True, without={"rlimits"}).done


@pytest.mark.skipif(os.getuid() != 0, reason="only root has privileges to lose")
def test_root_has_no_privileges_left(nursery: Nursery) -> None:
    nothing: set[str] = set()
    for without in (nothing, {"seccomp"}, {"capabilities"}):
        assert nursery.attempt("chroot", 0, without=without).denied
    assert nursery.attempt("chroot", 0, without={"seccomp", "capabilities"}).done


def test_only_the_kept_descriptors_are_open(nursery: Nursery) -> None:
    found = nursery.attempt("descriptors", 0).value
    assert found[:3] == [0, 1, 2]
    assert len(found) == 4  # and the one for the answer


def test_a_group_of_its_own_that_dies_with_its_parent(nursery: Nursery) -> None:
    outcome = nursery.attempt("place", 0)
    assert outcome.value == {"group": True, "no_new_privs": 1, "dies": signal.SIGKILL}


@pytest.mark.parametrize("abi", range(1, landlock.abi() + 1))
def test_files_are_safe_with_the_abi_of_an_older_kernel(nursery: Nursery, abi: int) -> None:
    assert nursery.attempt("read", "/etc/passwd", abi=abi, without={"seccomp"}).denied
    assert nursery.attempt("create", "/tmp/league-sandbox-new", abi=abi, without={"seccomp"}).denied
    outcome = nursery.attempt("tcp_refused", 9, abi=abi, without={"seccomp"})
    assert outcome.denied if abi >= 4 else outcome.error == "ConnectionRefusedError"


def test_the_rights_of_each_abi() -> None:
    assert [landlock.file_rights(abi) for abi in (1, 2, 3, 4, 5, 6, 7, 20)] == [
        *(0x1FFF, 0x3FFF, 0x7FFF, 0x7FFF),
        *(0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF),
    ]


def test_a_kernel_without_landlock_is_refused(nursery: Nursery) -> None:
    outcome = nursery.attempt("threads", 1, abi=0)
    assert outcome.error == "ConfinementError"
    assert outcome.value.startswith("landlock: ")
    assert nursery.attempt("threads", 1, abi=0, without={"landlock"}).done


@pytest.mark.skipif(kernel.MACHINE != "x86_64", reason="x32 is an ABI of x86_64")
def test_the_x32_abi_ends_the_process(nursery: Nursery) -> None:
    assert nursery.attempt("raw", 0x40000000 + 39).status == -signal.SIGSYS
    assert nursery.attempt("raw", 0x40000000 + 39, without={"seccomp"}).status == 0


CALLS = {  # numbers on x86_64, with arguments that are wrong, so that nothing happens where they are allowed
    "ptrace": 101,
    "process_vm_readv": 310,
    "process_vm_writev": 311,
    "memfd_create": 319,
    "kcmp": 312,
    "io_uring_setup": 425,
    "pidfd_open": 434,
    "pidfd_getfd": 438,
    "keyctl": 250,
    "shmget": 29,
    "msgget": 68,
    "semget": 64,
    "execveat": 322,
    "sched_setscheduler": 144,
    "splice": 275,
    "inotify_init1": 294,
    "flock": 73,
    "sendmsg": 46,
    "connect": 42,
    "bind": 49,
    "unshare": 272,
    "landlock_create_ruleset": 444,
}


@pytest.mark.skipif(kernel.MACHINE != "x86_64", reason="the numbers are those of x86_64")
@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_no_bot_needs_is_denied(nursery: Nursery, call: str) -> None:
    arguments = [-1, -1, -1, -1, -1, -1]
    assert nursery.attempt("raw", CALLS[call], *arguments).value == "[Errno 1] Operation not permitted"
    without = nursery.attempt("raw", CALLS[call], *arguments, without={"seccomp", "landlock"})
    assert without.value != "[Errno 1] Operation not permitted"


@pytest.mark.skipif(kernel.MACHINE != "x86_64", reason="the numbers are those of x86_64")
def test_a_call_from_the_future_is_unknown_not_forbidden(nursery: Nursery) -> None:
    for number in (435, 471, 600):  # clone3, and two that no kernel of 2026 has
        assert nursery.attempt("raw", number, 0, 0).value == "[Errno 38] Function not implemented"


def test_several_threads_are_refused() -> None:
    done = script("""
        import threading
        from agents.bots.sandbox.confine import ConfinementError, confine, plan_for
        stop = threading.Event()
        thread = threading.Thread(target=stop.wait); thread.start()
        try:
            confine(plan_for("/nowhere", command=False, memory=1 << 30, cpu=9, files=32))
        except ConfinementError as error:
            print(error)
        stop.set()
    """)
    assert "several threads" in done.stdout, done


def test_a_layer_that_is_switched_off_is_not_told_as_on() -> None:
    done = script("""
        from agents.bots.sandbox.confine import confine, plan_for
        plan = plan_for("/nowhere", command=False, memory=1 << 30, cpu=9, files=32, without=frozenset({"landlock"}))
        print(*confine(plan), sep=",")
    """)
    assert done.stdout.strip() == "rlimits,capabilities,seccomp", done


def test_an_orphan_ends() -> None:
    """Its parent died before the kernel was told to end it with its parent."""
    done = script("""
        from agents.bots.sandbox.confine import confine, plan_for
        confine(plan_for("/nowhere", command=False, memory=1 << 30, cpu=9, files=32), parent=1 << 22)
        print("goes on")
    """)
    assert (done.returncode, done.stdout) == (1, "")


def test_the_module_loads_without_numpy_pydantic_or_torch() -> None:
    done = script("""
        before = set(sys.modules)
        import agents.bots.sandbox.confine
        print(*sorted({name.split(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)))
    """)
    assert done.stdout.split() == ["agents"], done


def test_a_plan_crosses_as_json() -> None:
    plan = plan_for(
        "/a b", command=True, memory=1, cpu=2, files=3, tasks=4, keep=(0, 9), without=frozenset({"seccomp"})
    )
    assert Confinement.from_json(plan.to_json()) == plan
    assert "\n" not in plan.to_json()
    assert "/a b" in plan.execute
    assert not any(Path(ROOT) == Path(path) for path in (*plan.read, *plan.execute))


def test_the_tasks_of_a_user_leave_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert rlimits.tasks_limit(32) is None
    monkeypatch.undo()
    if os.getuid() != 0:
        assert (rlimits.tasks_limit(32) or 0) > 1024


@pytest.mark.skipif(os.getuid() != 0, reason="needs another user")
def test_a_thread_bomb_ends_at_the_users_tasks(nursery: Nursery) -> None:
    outcome = nursery.attempt("bomb", 50, user="nobody", tasks=20)
    assert outcome.error == "RuntimeError"
    assert "can't start new thread" in outcome.value
    assert nursery.attempt("bomb", 50, user="nobody", tasks=20, without={"rlimits"}).done
