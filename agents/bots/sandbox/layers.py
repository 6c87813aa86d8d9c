"""Which layers of the sandbox this machine has: tried for real, told in a line each, and required."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from agents.bots.core import InfraError, Isolation
from agents.bots.sandbox import bwrap, docker

_TRIAL = Path(__file__).with_name("trial.py")
_PATIENCE = 60.0  # seconds for the trials on a loaded machine
_PROTECTS = {
    "rlimits": "bounds what a bot uses",
    "capabilities": "takes root's privileges away",
    "landlock": "protects the host's files",
    "seccomp": "protects the network and other processes",
    "bwrap": "keeps a bot in namespaces of its own",
    "docker": "keeps a bot in a container",
}
_NEEDED = {
    Isolation.AUTO: ("rlimits", "capabilities", "landlock", "seccomp"),
    Isolation.STRICT: ("bwrap", "rlimits"),
    Isolation.DOCKER: ("docker",),
    Isolation.NONE: (),
}
"""Strict uses Landlock and seccomp where they are, and holds files and network without them."""
_USED = {
    Isolation.AUTO: _NEEDED[Isolation.AUTO],
    Isolation.STRICT: (*_NEEDED[Isolation.AUTO], "bwrap"),
    Isolation.DOCKER: ("docker",),
    Isolation.NONE: ("rlimits",),
}


class SandboxUnavailableError(InfraError):
    """This machine cannot isolate a bot in the way that was asked for. One line: what is missing, why, what to do."""


@dataclass(frozen=True)
class Layer:
    """One layer on this machine.

    Attributes:
        name: `rlimits`, `capabilities`, `landlock`, `seccomp`, `bwrap` or `docker`.
        active: it was tried, and it holds.
        detail: what it covers, or why it is missing.
    """

    name: str
    active: bool
    detail: str

    def __str__(self) -> str:
        return f"{self.name:<13} {'active' if self.active else 'MISSING':<8} {self.detail}"


@dataclass(frozen=True)
class Layers:
    """What an isolation is made of on this machine.

    Attributes:
        isolation: which.
        layers: those that it uses.
    """

    isolation: Isolation
    layers: tuple[Layer, ...]

    @property
    def missing(self) -> tuple[Layer, ...]:
        """Those that it cannot do without and that are not there."""
        return tuple(layer for layer in self.layers if not layer.active and layer.name in _NEEDED[self.isolation])

    @property
    def without(self) -> frozenset[str]:
        """What `Confinement.without` has to be."""
        if self.isolation is Isolation.NONE:
            return frozenset({"capabilities", "landlock", "seccomp"})
        return frozenset(layer.name for layer in self.layers if not layer.active) - {"bwrap", "docker"}

    def describe(self) -> str:
        """For people: one line a layer."""
        lines = [str(layer) for layer in self.layers]
        if self.isolation is Isolation.NONE:
            lines.append("files, network and other processes are OPEN to the bot: only for bots of your own")
        return "\n".join(lines)


@cache
def _kernel_layers() -> dict[str, Layer]:
    """The layers that a process puts on itself, each tried in a process that ends."""
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(_TRIAL)], capture_output=True, text=True, timeout=_PATIENCE, check=True
        )
        found = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise InfraError(f"the layers of the sandbox could not be tried: {error}") from error
    return {name: Layer(name, works, detail) for name, (works, detail) in found.items()}


@cache
def _bwrap_layer() -> Layer:
    why = bwrap.trouble()
    return Layer("bwrap", not why, why or "namespaces: files, network, processes, users")


@cache
def _docker_layer() -> Layer:
    why = docker.trouble()
    return Layer("docker", not why, why or "an engine answers")


def probe(isolation: Isolation = Isolation.AUTO) -> Layers:
    """Tries the layers of an isolation, each once a process.

    Raises:
        InfraError: not even a process for the trial could be started.
    """
    special = {"bwrap": _bwrap_layer, "docker": _docker_layer}
    layers = (special[name]() if name in special else _kernel_layers()[name] for name in _USED[isolation])
    return Layers(isolation, tuple(layers))


def require(isolation: Isolation) -> Layers:
    """The layers of an isolation, all that it needs among them.

    Raises:
        SandboxUnavailableError: one is missing.
    """
    found = probe(isolation)
    if not found.missing:
        return found
    layer = found.missing[0]
    others = [name for name in ("strict", "docker") if name != isolation.value]
    raise SandboxUnavailableError(
        f"isolation {isolation.value!r}: {layer.name}, which {_PROTECTS[layer.name]}, is missing ({layer.detail}); "
        f"use {' or '.join(repr(name) for name in others)}, or 'none' for bots of your own only"
    )
