"""The pool when things go wrong: workers that raise, die or hang, and a parent that is killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
import torch

from arenas.core import State
from arenas.env_pool import ArenaFault
from arenas.pettingzoo import PettingZooArena, from_pettingzoo


def faulty(fault: str, timeout: float = 20.0) -> PettingZooArena:
    return from_pettingzoo("toys/corridor", lives=[0, 0], fault=fault, workers=2, timeout=timeout)


def begin(arena: PettingZooArena) -> State:
    return arena.reset(torch.zeros(4, 1))


def two_steps(arena: PettingZooArena, state: State) -> None:
    for _ in range(2):
        state = arena.step(state, torch.zeros(4, 2, dtype=torch.int64)).state


def gone(pids: list[int]) -> bool:
    """Whether the processes have ended; one that nobody has waited for yet has ended too."""
    states = [Path(f"/proc/{pid}/stat") for pid in pids]
    return all(not path.exists() or path.read_text().rsplit(")", 1)[1].split()[0] == "Z" for path in states)


def await_gone(pids: list[int], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not gone(pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    return gone(pids)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("raise", r"(?s)worker \d+ of toys/corridor \(environments 0 to 1\) failed in environment 0.*_break.*fell in"),
        ("exit", r"worker \d+ of toys/corridor \(environments 0 to 1\) died \(exit status 7\)"),
        ("kill", r"worker \d+ of toys/corridor \(environments 0 to 1\) died \(SIGKILL\)"),
    ],
)
@pytest.mark.usefixtures("toys")
def test_a_worker_that_fails_is_a_fault_and_takes_the_pool_with_it(fault: str, message: str) -> None:
    with closing(faulty(fault)) as arena:
        state = begin(arena)
        pids = arena.pool.pids
        with pytest.raises(ArenaFault, match=message):
            two_steps(arena, state)
        assert gone(pids)
        with pytest.raises(ArenaFault, match="call reset first"):
            arena.step(state, torch.zeros(4, 2, dtype=torch.int64), live=torch.zeros(4, dtype=torch.bool))


@pytest.mark.usefixtures("toys")
def test_after_a_fault_the_arena_can_start_again() -> None:
    with closing(faulty("raise")) as arena:
        for _ in range(2):
            state = begin(arena)
            with pytest.raises(ArenaFault):
                two_steps(arena, state)


@pytest.mark.usefixtures("toys")
def test_a_worker_that_hangs_is_a_fault() -> None:
    with closing(faulty("hang", timeout=1.5)) as arena:
        state = begin(arena)
        pids = arena.pool.pids
        before = time.monotonic()
        with pytest.raises(ArenaFault, match=r"did not answer for 1.5 s"):
            two_steps(arena, state)
        assert time.monotonic() - before < 15
        assert gone(pids)


@pytest.mark.usefixtures("toys")
def test_a_worker_killed_from_outside_is_a_fault() -> None:
    with closing(faulty("")) as arena:
        state = begin(arena)
        os.kill(arena.pool.pids[1], signal.SIGKILL)
        with pytest.raises(ArenaFault, match=r"environments 2 to 3\) died \(SIGKILL\)"):
            two_steps(arena, state)


@pytest.mark.usefixtures("toys")
def test_an_environment_that_cannot_be_made_in_a_worker_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    arena = faulty("")
    monkeypatch.setattr(sys, "path", [path for path in sys.path if not path.endswith("tests/arenas")])
    with pytest.raises(ArenaFault, match="No module named 'toys'"):
        begin(arena)


@pytest.mark.usefixtures("toys")
def test_close_and_collection_leave_no_process_and_no_shared_memory() -> None:
    named = set(Path("/dev/shm").iterdir())
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        arena = faulty("")
        begin(arena)
        pids = arena.pool.pids
        arena.close()
        arena.close()
        assert gone(pids)
    arena = faulty("")
    begin(arena)
    pids = arena.pool.pids
    del arena
    assert gone(pids)
    assert set(Path("/dev/shm").iterdir()) <= named
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


@pytest.mark.usefixtures("toys")
def test_an_interrupt_in_the_middle_of_a_step_ends_the_pool(request: pytest.FixtureRequest) -> None:
    """An answer is left unread then: the next command would take it for its own."""
    # Python leaves SIGINT alone where it was started with the signal ignored, as a shell does with what runs behind it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    with closing(faulty("hang")) as arena:
        state = begin(arena)
        pids = arena.pool.pids
        timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            two_steps(arena, state)
        assert gone(pids)


def test_another_batch_size_starts_another_pool() -> None:
    with closing(from_pettingzoo("classic/tictactoe-v3", workers=2)) as arena:
        begin(arena)
        first = arena.pool.pids
        begin(arena)
        assert arena.pool.pids == first
        arena.reset(torch.zeros(1, 1))
        assert gone(first)
        assert len(arena.pool.pids) == 1  # no more workers than environments


PARENT = """
import sys, torch
from arenas.pettingzoo import from_pettingzoo
arena = from_pettingzoo("toys/corridor", lives=[0, 0], fault=sys.argv[1], workers=2)
state = arena.reset(torch.zeros(4, 1))
print(*arena.pool.pids, flush=True)
sys.stdin.readline()
for _ in range(2):
    state = arena.step(state, torch.zeros(4, 2, dtype=torch.int64)).state
"""


@pytest.mark.parametrize("fault", ["", "hang"])
@pytest.mark.usefixtures("toys")
def test_workers_end_when_their_parent_is_killed_even_in_the_middle_of_a_step(fault: str) -> None:
    """The lifeline: a worker that is inside an environment's step does not look at its socket."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([entry for entry in sys.path if entry])}
    command = [sys.executable, "-c", PARENT, fault]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        pids = [int(pid) for pid in re.findall(rb"\d+", parent.stdout.readline())]
        assert len(pids) == 2
        if fault:
            parent.stdin.write(b"go\n")
            parent.stdin.flush()
            time.sleep(0.5)
        assert not gone(pids)
        parent.kill()
    assert await_gone(pids)
