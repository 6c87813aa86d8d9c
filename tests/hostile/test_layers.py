"""The suite can fail: with a layer switched off, the same bots get what they want, and their records are gone."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from agents.bots.channel import Channel
from agents.bots.core import FailureCode, FailureRecord
from agents.bots.nursery import Nursery
from tests.agents.bots.bots import acting
from tests.hostile import ground, test_files, test_limits, test_network, test_processes
from tests.hostile.ground import CLOCKS, LIMITS, Attack, Host


def named(attacks: list[Attack], name: str) -> Attack:
    """One of a list."""
    (found,) = (attack for attack in attacks if attack.name == name)
    return found


def without(*layers: str) -> Nursery:
    """A referee's nursery with layers switched off."""
    return Nursery(limits=LIMITS, without=layers)


def outcome(nursery: Nursery, host: Host, attack: Attack) -> FailureRecord | None:
    """The record of an attack, None where nobody minded."""
    words = {"NURSERY": str(ground.interpreter(nursery))}
    return ground.play(nursery, host.source(attack, **words), CLOCKS).record


@pytest.fixture(scope="module")
def open_files(host: Host) -> Iterator[Nursery]:
    """Without Landlock."""
    with without("landlock") as nursery:
        ground.good_bot(host, nursery)
        yield nursery


@pytest.fixture(scope="module")
def open_calls(host: Host) -> Iterator[Nursery]:
    """Without seccomp."""
    with without("seccomp") as nursery:
        ground.good_bot(host, nursery)
        yield nursery


@pytest.fixture(scope="module")
def unlimited(host: Host) -> Iterator[Nursery]:
    """Without limits of the kernel's, and root where the referee is."""
    with without("rlimits") as nursery:
        ground.good_bot(host, nursery)
        yield nursery


READS = ["passwd", "league_toml", "run_folder", "another_bot", "replays", "repository", "own_environ", "root_folder"]
"""Reads that the files' own rights allow to everybody."""


@pytest.mark.parametrize("name", READS)
def test_without_landlock_files_are_read(host: Host, open_files: Nursery, name: str) -> None:
    assert outcome(open_files, host, named(test_files.READS, name)) is None


@pytest.mark.parametrize("name", ["processes", "referee_command_line", "path_descriptor_opened_again"])
def test_without_landlock_proc_is_open(host: Host, open_files: Nursery, name: str) -> None:
    assert outcome(open_files, host, named(test_files.READS, name)) is None


def test_without_landlock_files_are_written(host: Host, open_files: Nursery) -> None:
    owned = host.folder / "owned"
    assert outcome(open_files, host, named(test_files.WRITES, "run_folder")) is None
    assert owned.exists()
    owned.unlink()


SOCKETS = ["redis", "tcp", "udp", "abstract", "netlink", "listening"]


@pytest.mark.parametrize("name", SOCKETS)
def test_without_seccomp_and_landlock_sockets_open(host: Host, name: str) -> None:
    with without("seccomp", "landlock") as nursery:
        ground.good_bot(host, nursery)
        before = host.connections()
        assert outcome(nursery, host, named(test_network.SOCKETS, name)) is None
        assert host.connections() - before == (1 if name == "redis" else 0)


def test_without_seccomp_landlock_still_holds_tcp(host: Host, open_calls: Nursery) -> None:
    record = outcome(open_calls, host, named(test_network.SOCKETS, "tcp"))
    assert record is not None
    assert record.code is FailureCode.SANDBOX_DENIED
    assert "Errno 13" in record.message  # Landlock's answer, not that of seccomp


def test_without_seccomp_redis_and_udp_are_open(host: Host, open_calls: Nursery) -> None:
    before = host.connections()
    assert outcome(open_calls, host, named(test_network.SOCKETS, "redis")) is None
    assert host.connections() - before == 1
    assert outcome(open_calls, host, named(test_network.SOCKETS, "udp")) is None


FORKS = acting(
    "if self.moves == 2:\n    pid = os.fork()\n    if pid == 0:\n        os._exit(0)\n    os.waitpid(pid, 0)\n"
    "return int(action_mask.nonzero()[0][0])",
    head="import os\n",
)


def test_without_seccomp_processes_start(host: Host, open_calls: Nursery) -> None:
    fork = named(test_processes.STARTS, "fork")
    assert outcome(open_calls, host, ground.quick(fork, code=FORKS)) is None
    assert outcome(open_calls, host, named(test_processes.STARTS, "posix_spawn")) is None


def test_without_seccomp_modes_and_times_change(host: Host, open_calls: Nursery) -> None:
    before, file = host.prints(), host.folder / "league.toml"
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    for name in ("times", "truncation"):
        record = outcome(open_calls, host, named(test_files.WRITES, name))
        assert (record is None) == (name == "times")  # Landlock has no right for times, but one for contents
    changed = {path for path, each in host.prints().items() if before[path] != each}
    assert changed == {file}
    os.utime(file, ns=times)


def test_without_seccomp_and_landlock_others_are_signalled(host: Host) -> None:
    victim = subprocess.Popen(["/bin/sleep", "60"])
    with without("seccomp", "landlock", "capabilities") as nursery:
        ground.good_bot(host, nursery)
        attack = named(test_processes.REACHES, "referee")
        assert (
            outcome(nursery, host, ground.quick(attack, code=attack.code.replace("$REFEREE", str(victim.pid)))) is None
        )
    assert victim.wait(10) == -signal.SIGKILL


def test_without_rlimits_a_bot_has_memory_and_is_still_watched(host: Host, unlimited: Nursery) -> None:
    mapped = outcome(unlimited, host, named(test_limits.MEMORY, "mapping"))
    assert mapped is not None
    assert mapped.message.startswith("action 1073741824 is none of")  # it has a GiB, and says so
    kept = acting("self.kept = bytearray(b'x') * (600 << 20)\nimport time; time.sleep(3)\nreturn 0")
    record = outcome(unlimited, host, Attack("kept", kept, FailureCode.OOM, ""))
    assert record is not None
    assert record.code is FailureCode.OOM
    assert record.message.startswith("uses ")


def test_without_limits_and_watch_nothing_bounds_a_bot(
    host: Host, unlimited: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Channel, "_look", lambda channel: None)
    threads = named(test_limits.THREADING, "threads")
    assert outcome(unlimited, host, threads) is None


def test_without_capabilities_root_opens_what_its_user_id_does_not(host: Host) -> None:
    if os.getuid() != 0:
        pytest.skip("has none to begin with")
    attack = ground.tries("another_user", "os.setuid(1)", "", head="import os\n")
    with without("seccomp", "capabilities") as nursery:
        ground.good_bot(host, nursery)
        assert outcome(nursery, host, attack) is None
    with without("seccomp") as nursery:
        ground.good_bot(host, nursery)
        record = outcome(nursery, host, attack)
        assert record is not None
        assert "Operation not permitted" in record.message
