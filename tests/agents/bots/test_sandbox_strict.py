"""`strict`: inside bubblewrap's namespaces nothing of the host's is there; as root and as an ordinary user."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from agents.bots.sandbox import bwrap

ROOT = Path(__file__).resolve().parents[3]
SYSTEM_PYTHON = Path("/usr/bin/python3")
LOOK = """
import json, os, socket, sys
def attempt(action):
    try:
        action()
        return "done"
    except OSError as error:
        return type(error).__name__
control = socket.socket(fileno=int(sys.argv[1]))
control.sendall(b"hello")
print(json.dumps({
    "uid": os.getuid(),
    "root": sorted(os.listdir("/")),
    "home": os.path.exists(sys.argv[2]),
    "mine": open(sys.argv[3]).read(),
    "proc": os.path.exists("/proc/self"),
    "pid": os.getpid(),
    "write": attempt(lambda: open(sys.argv[3] + ".new", "w")),
    "writable": [path for path in ("/", "/usr") if os.access(path, os.W_OK)],
    "tcp": attempt(lambda: socket.create_connection(("127.0.0.1", int(sys.argv[4])), 2)),
    "interfaces": [name for _, name in socket.if_nameindex() if name != "lo"],
}))
"""
CONFINE = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
from agents.bots.sandbox.confine import confine, plan_for
pid = os.fork()
if pid == 0:
    layers = confine(plan_for("/nowhere", command=False, memory=1 << 30, cpu=9, files=32), os.getppid())
    os.write(1, json.dumps(layers).encode())
    os._exit(0)
os.waitpid(pid, 0)
"""


@cache
def hindrance() -> str:
    """Why no bwrap works here at all; asked without our own command line, whose faults must not be skipped."""
    program = shutil.which("bwrap")
    if program is None:
        return "bwrap is not installed"
    line = [program, "--unshare-user", "--unshare-net", "--unshare-pid", "--ro-bind", "/", "/", "/bin/true"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    return "" if done.returncode == 0 else f"no namespaces for this user: {done.stderr.strip()}"


@pytest.fixture(autouse=True)
def there() -> None:
    if hindrance():
        pytest.skip(hindrance())


def test_it_works_where_bwrap_does() -> None:
    assert bwrap.trouble() == ""


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        Path(place).chmod(0o755)
        (Path(place) / "mine").mkdir()
        (Path(place) / "mine" / "bot.py").write_text("mine", encoding="ascii")
        (Path(place) / "other").mkdir()
        yield Path(place)


def inside(prefix: list[str], python: str, *words: str, user: int | None = None, **keywords: Any) -> str:
    command = [*prefix, python, "-I", "-c", *words]
    groups: dict[str, Any] = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={}, **groups, **keywords
    )
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def look(prefix: list[str], python: str, folder: Path, user: int | None = None) -> dict[str, Any]:
    """What a process sees from inside, and that its control socket works."""
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.create_server(("127.0.0.1", 0)) as server:
        words = [str(theirs.fileno()), str(folder / "other"), str(folder / "mine" / "bot.py")]
        port = str(server.getsockname()[1])
        text = inside(prefix, python, LOOK, *words, port, user=user, pass_fds=(theirs.fileno(),))
        assert ours.recv(5) == b"hello"
    seen: dict[str, Any] = json.loads(text)
    return seen


def assert_alone(seen: dict[str, Any]) -> None:
    assert seen["uid"] == 65534
    assert seen["mine"] == "mine"
    assert not seen["home"]
    assert not seen["proc"]
    assert seen["pid"] < 10
    assert seen["write"] == "OSError"  # a read-only file system
    assert seen["writable"] == []
    assert seen["tcp"] == "ConnectionRefusedError"  # by a loopback of its own, on which nobody listens
    assert seen["interfaces"] == []
    assert {"home", "var", "proc", "sys", "run"}.isdisjoint(seen["root"])


def test_nothing_of_the_hosts_is_there(folder: Path) -> None:
    assert_alone(look(bwrap.prefix([folder / "mine"]), sys.executable, folder))


def test_without_it_the_host_is_there(folder: Path) -> None:
    seen = look([], sys.executable, folder)
    assert seen["home"]
    assert seen["write"] == seen["tcp"] == "done"
    assert "proc" in seen["root"]


def test_the_other_layers_go_on_top() -> None:
    assert json.loads(inside(bwrap.prefix([]), sys.executable, CONFINE, str(ROOT))) == [
        *("rlimits", "capabilities", "landlock", "seccomp")
    ]


@pytest.mark.skipif(os.getuid() != 0, reason="needs another user")
@pytest.mark.skipif(not SYSTEM_PYTHON.exists(), reason="needs a Python that everybody can read")
def test_an_ordinary_user_has_it_too(folder: Path) -> None:
    """With the system's Python and a copy of the package: root's own may be closed to others."""
    copy = folder / "copy"
    shutil.copytree(ROOT / "agents" / "bots" / "sandbox", copy / "agents" / "bots" / "sandbox")
    for package in (copy / "agents", copy / "agents" / "bots"):
        (package / "__init__.py").touch()
    ask = "import sys, json; sys.path.insert(0, sys.argv[1]); from agents.bots.sandbox import bwrap; "
    ask += "print(json.dumps(bwrap.prefix(sys.argv[2:])))"
    python = str(SYSTEM_PYTHON)
    prefix = json.loads(
        subprocess.run(
            [python, "-I", "-c", ask, str(copy), str(folder / "mine")],
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": "/usr/bin:/bin"},
            user=65534,
            group=65534,
        ).stdout
    )
    done = subprocess.run(
        [*prefix, python, "-I", "-c", "pass"], capture_output=True, text=True, check=False, user=65534, group=65534
    )
    if done.returncode != 0:
        pytest.skip(f"user namespaces are forbidden to ordinary users here: {done.stderr.strip()}")
    assert_alone(look(prefix, python, folder, user=65534))
    assert len(json.loads(inside(prefix, python, CONFINE, str(copy), user=65534))) == 4


def test_a_trouble_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n", encoding="ascii")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    text = bwrap.trouble()
    assert text.startswith("bwrap: setting up uid map: Permission denied: user namespaces are forbidden")
    assert "apparmor_restrict_unprivileged_userns" in text
    fake.write_text("#!/bin/sh\nexit 7\n", encoding="ascii")
    assert bwrap.trouble() == "status 7"


def test_folders_lie_where_they_lie_outside(folder: Path) -> None:
    prefix = bwrap.prefix([folder / "mine"])
    at = prefix.index(str(folder / "mine"))
    assert prefix[at - 1 : at + 2] == ["--ro-bind", str(folder / "mine"), str(folder / "mine")]
    assert str(ROOT) not in prefix
    assert prefix[-1] == "--"
