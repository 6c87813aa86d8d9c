"""The layers are tried for real, told in a line each, and required."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from agents.bots.core import InfraError, Isolation
from agents.bots.sandbox import bwrap, docker, landlock, layers, trial
from agents.bots.sandbox.layers import Layer, Layers, SandboxUnavailableError

GOOD = {name: Layer(name, True, "holds") for name in ("rlimits", "capabilities", "landlock", "seccomp")}


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """What another test pretended."""
    yield
    for found in (layers._kernel_layers, layers._bwrap_layer, layers._docker_layer):
        getattr(found, "cache_clear", lambda: None)()


def pretend(monkeypatch: pytest.MonkeyPatch, **missing: str) -> None:
    """A machine on which some layers are missing, and why."""
    found = {name: Layer(name, False, missing[name]) if name in missing else layer for name, layer in GOOD.items()}
    monkeypatch.setattr(layers, "_kernel_layers", lambda: found)
    for name in ("bwrap", "docker"):
        layer = Layer(name, name not in missing, missing.get(name, "works"))
        monkeypatch.setattr(layers, f"_{name}_layer", lambda layer=layer: layer)


def test_the_layers_of_this_machine() -> None:
    found = layers.probe()
    assert [layer.name for layer in found.layers] == ["rlimits", "capabilities", "landlock", "seccomp"]
    abi = landlock.abi()
    by_name = {layer.name: layer for layer in found.layers}
    assert by_name["rlimits"].active
    assert by_name["landlock"].active == (abi > 0)
    assert abi == 0 or by_name["landlock"].detail.startswith(f"ABI {abi}: files")


def test_a_line_a_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, landlock="Linux 5.10 has none")
    assert layers.probe().describe().splitlines() == [
        "rlimits       active   holds",
        "capabilities  active   holds",
        "landlock      MISSING  Linux 5.10 has none",
        "seccomp       active   holds",
    ]


@pytest.mark.parametrize("layer", ["landlock", "seccomp", "capabilities", "rlimits"])
def test_auto_refuses_where_a_layer_is_missing(monkeypatch: pytest.MonkeyPatch, layer: str) -> None:
    pretend(monkeypatch, **{layer: "a container forbids it"})
    with pytest.raises(SandboxUnavailableError) as raised:
        layers.require(Isolation.AUTO)
    text = str(raised.value)
    assert f"isolation 'auto': {layer}, which" in text
    assert "(a container forbids it)" in text
    assert "use 'strict' or 'docker', or 'none' for bots of your own only" in text
    assert "\n" not in text


def test_auto_is_there_where_all_are(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, bwrap="not installed", docker="no engine")
    assert layers.require(Isolation.AUTO).without == frozenset()


def test_strict_needs_bwrap_and_stands_without_landlock(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, landlock="too old")
    assert layers.require(Isolation.STRICT).without == {"landlock"}
    pretend(monkeypatch, bwrap=bwrap.INSTALL)
    with pytest.raises(SandboxUnavailableError, match=r"apt install bubblewrap.*use 'docker', or 'none'"):
        layers.require(Isolation.STRICT)


def test_none_is_told_as_open() -> None:
    found = layers.require(Isolation.NONE)
    assert found.without == {"capabilities", "landlock", "seccomp"}
    assert "OPEN" in found.describe()


def test_a_missing_sandbox_is_no_fault_of_the_bots() -> None:
    assert issubclass(SandboxUnavailableError, InfraError)
    assert Layers(Isolation.AUTO, ()).missing == ()


def test_a_layer_that_does_nothing_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that accepts the calls and holds nothing."""
    monkeypatch.setattr("agents.bots.sandbox.landlock.restrict", lambda *_: 7)
    monkeypatch.setattr("agents.bots.sandbox.seccomp.restrict", lambda **_: None)
    monkeypatch.setattr("agents.bots.sandbox.seccomp.set_no_new_privs", lambda: None)
    monkeypatch.setattr("agents.bots.sandbox.rlimits.limit", lambda **_: None)
    with pytest.raises(OSError, match="accepts the rules and does not hold them"):
        trial.try_landlock()
    with pytest.raises(OSError, match="a socket opens"):
        trial.try_seccomp()
    with pytest.raises(OSError, match="does not hold RLIMIT_AS"):
        trial.try_rlimits()


def test_a_filter_that_lets_processes_start_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.bots.sandbox.seccomp.restrict", lambda **_: None)
    monkeypatch.setattr("agents.bots.sandbox.seccomp.set_no_new_privs", lambda: None)
    monkeypatch.setattr(trial, "denied", lambda action: action is not os.fork)
    with pytest.raises(OSError, match="a process starts"):
        trial.try_seccomp()


def test_privileges_that_stay_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.bots.sandbox.rlimits.drop_capabilities", lambda: None)
    monkeypatch.setattr("agents.bots.sandbox.seccomp.set_no_new_privs", lambda: None)
    monkeypatch.setattr(trial, "denied", lambda _: False)
    with pytest.raises(OSError, match="still count"):
        trial.try_capabilities()


def test_a_trial_that_cannot_run_is_the_hosts_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(layers, "_TRIAL", tmp_path / "none.py")
    layers._kernel_layers.cache_clear()
    with pytest.raises(InfraError, match="could not be tried"):
        layers.probe()


def test_docker_is_not_there_without_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert docker.trouble() == docker.INSTALL
    assert "apt install bubblewrap" in bwrap.trouble()


def test_an_engine_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\necho 'Cannot connect to the daemon' >&2\nexit 1\n", encoding="ascii")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert docker.trouble() == "Cannot connect to the daemon"
    with pytest.raises(SandboxUnavailableError, match=r"docker.*missing \(Cannot connect to the daemon\)"):
        layers.require(Isolation.DOCKER)
    program.write_text("#!/bin/sh\necho 28.1\n", encoding="ascii")
    assert docker.trouble() == ""


def test_the_command_line_of_a_container(tmp_path: Path) -> None:
    folder = tmp_path / "bot"
    bounds = {"memory": 1 << 28, "cpu": 60, "files": 64, "threads": 32}
    known = {"image": "debian:12", "name": "league-1", "label": "mine=1", "environment": {"A": "b"}}
    line = docker.run_command(folder, ["./bot", "-x"], **known, **bounds)  # type: ignore[arg-type]
    assert line[:2] == ["docker", "run"]
    assert line[-4:] == ["--entrypoint", "./bot", "debian:12", "-x"]
    options = dict(pairwise(line))
    wanted = {
        "--network": "none",
        "--cap-drop": "ALL",
        "--security-opt": "no-new-privileges",
        "--user": "65534:65534",
        "--memory": "268435456",
        "--memory-swap": "268435456",
        "--pids-limit": "33",
        "--label": "mine=1",
        "--env": "A=b",
        "--cpus": "1",
        "--pull": "never",
        "--volume": f"{folder}:/bot:ro",
        "--name": "league-1",
    }
    assert wanted.items() <= options.items()
    assert {"--read-only", "--interactive"} <= set(line)


def test_a_container_refuses_what_docker_would_misread() -> None:
    run = partial(
        docker.run_command, image="i", name="n", memory=1, cpu=1, files=8, threads=1, label="l", environment={}
    )
    with pytest.raises(ValueError, match="without a colon"):
        run(Path("/a:b"), ["x"])
    with pytest.raises(ValueError, match="a command is needed"):
        run(Path("/a"), [])
