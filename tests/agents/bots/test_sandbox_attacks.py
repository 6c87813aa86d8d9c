"""Each attack is stopped, by each of its layers alone, and by nothing else: without them it succeeds."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agents.bots.sandbox import landlock
from agents.bots.sandbox.confine import LAYERS
from tests.agents.bots.confined import NOBODY, Nursery

USERS = ("root", "nobody") if os.getuid() == 0 else ("itself",)
YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")
TRACEABLE = not YAMA.exists() or YAMA.read_text(encoding="ascii").strip() == "0"
TCP = {"landlock"} if landlock.abi() >= 4 else set()
SCOPES = {"landlock"} if landlock.abi() >= 6 else set()


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as started:
        yield started


@dataclass(frozen=True)
class Host:
    """Things of the host's that nobody may touch, though everybody's rights allow it."""

    file: Path
    folder: Path
    port: int
    path: str
    datagrams: str
    name: str


@pytest.fixture
def host(user: str) -> Iterator[Host]:
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        folder = Path(place)
        folder.chmod(0o777)
        file = folder / "secret"
        file.write_text("secret", encoding="ascii")
        file.chmod(0o666)
        if user == "nobody":
            os.chown(file, NOBODY, NOBODY)
        name = f"league-{os.getpid()}"
        with (
            socket.create_server(("127.0.0.1", 0)) as tcp,
            socket.socket(socket.AF_UNIX) as unix,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams,
            socket.socket(socket.AF_UNIX) as abstract,
        ):
            unix.bind(str(folder / "redis.sock"))
            datagrams.bind(str(folder / "log.sock"))
            abstract.bind("\0" + name)
            unix.listen()
            abstract.listen()
            for path in (folder / "redis.sock", folder / "log.sock"):
                path.chmod(0o777)
            yield Host(file, folder, tcp.getsockname()[1], str(folder / "redis.sock"), str(folder / "log.sock"), name)


ATTACKS: dict[str, tuple[str, set[str]]] = {
    # what is tried: (its argument, the layers each of which stops it)
    "read": ("file", {"landlock"}),
    "listing": ("folder", {"landlock"}),
    "create": ("new", {"landlock"}),
    "temporary": ("folder", {"landlock"}),
    "overwrite": ("file", {"landlock"}),
    "truncate": ("file", {"landlock", "seccomp"} if landlock.abi() >= 3 else {"seccomp"}),
    "remove": ("file", {"landlock", "seccomp"}),
    "rename": ("file", {"landlock", "seccomp"}),
    "chmod": ("file", {"seccomp"}),
    "touch": ("file", {"seccomp"}),
    "attributes": ("file", {"seccomp"}),
    "tcp": ("port", {"seccomp"} | TCP),
    "udp": ("port", {"seccomp"}),
    "unix": ("path", {"seccomp"}),
    "unix_datagram_by_pair": ("datagrams", {"seccomp"}),
    "abstract": ("name", {"seccomp"} | SCOPES),
    "out_of_band": ("port", {"seccomp"}),
    "lower_limit": ("port", {"seccomp"}),
    "netlink": ("port", {"seccomp"}),
    "fork": ("port", {"seccomp"}),
    "spawn": ("port", {"seccomp"}),
    "posix_spawn": ("port", {"seccomp"}),
    "execute": ("port", {"seccomp"}),
    "kill": ("victim", {"seccomp"} | SCOPES),
    "kill_by_pidfd": ("victim", {"seccomp"} | SCOPES),
    "kill_by_descriptor": ("victim", {"seccomp"}),
    "ptrace": ("victim", {"seccomp", "landlock"}),
    "peek": ("victim", {"seccomp", "landlock"}),
    "renice": ("victim", {"seccomp"}),
    "pin": ("victim", {"seccomp"}),
    "throttle": ("victim", {"seccomp"}),
}


def _arguments(kind: str, host: Host) -> tuple[list[Any], dict[str, Any]]:
    if kind == "victim":
        return [], {"victim": True}
    if kind == "new":
        return [str(host.folder / "new")], {}
    value = getattr(host, kind)
    return [value if isinstance(value, int) else str(value)], {}


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_stopped_by_each_of_its_layers(nursery: Nursery, host: Host, attack: str, user: str) -> None:
    kind, stopping = ATTACKS[attack]
    arguments, request = _arguments(kind, host)
    assert nursery.attempt(attack, *arguments, user=user, **request).denied
    for layer in sorted(stopping):
        alone = nursery.attempt(attack, *arguments, user=user, without=set(LAYERS) - {layer}, **request)
        assert alone.denied, f"{layer} alone lets it through: {alone}"


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_succeeds_without_them(nursery: Nursery, host: Host, attack: str, user: str) -> None:
    if attack in ("ptrace", "peek") and not TRACEABLE:
        pytest.skip("this kernel (Yama) forbids tracing to everybody")
    kind, stopping = ATTACKS[attack]
    arguments, request = _arguments(kind, host)
    outcome = nursery.attempt(attack, *arguments, user=user, without=stopping, **request)
    assert outcome.done, outcome
