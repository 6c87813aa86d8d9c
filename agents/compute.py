"""How to compute on this machine: device, precision, compilation; each is decided once, at the start, and said."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import Any

import torch

from agents.networks import Network

Compiler = Callable[[Any], Any]

PROBE_REPEATS = 3
PROBE_MARGIN = 1.15  # bf16 must win by this factor: it costs accuracy


def pick_device(name: str) -> torch.device:
    """`auto` takes a CUDA GPU where there is one.

    Raises:
        ValueError: `cuda` was asked for and there is none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device cuda: torch sees no CUDA GPU here; use --device cpu, or auto to take what there is")
    return torch.device(name)


def pick_precision(name: str, network: Network, batch: int, device: torch.device) -> torch.dtype:
    """float32, bfloat16, or whichever of the two is faster here for this network and batch."""
    if name != "auto":
        return {"fp32": torch.float32, "bf16": torch.bfloat16}[name]
    slow, fast = (_probe(network, batch, dtype, device) for dtype in (torch.float32, torch.bfloat16))
    return torch.bfloat16 if fast * PROBE_MARGIN < slow else torch.float32


def _probe(network: Network, batch: int, dtype: torch.dtype, device: torch.device) -> float:
    """Seconds of a forward and backward pass, the best of a few."""
    flat = network.initial(torch.Generator().manual_seed(0)).to(device, dtype)
    leaves = {name: view.detach().requires_grad_() for name, view in network.layout.views(flat).items()}
    observation = torch.rand(1, batch, *network.observation_shape, device=device).to(dtype)
    memory = network.initial_memory(1, batch, dtype, device)
    best = float("inf")
    for _ in range(PROBE_REPEATS + 1):  # the first one warms up
        start = time.perf_counter()
        output = network.apply(leaves, observation, memory)
        torch.autograd.grad(output.logits.sum() + output.value.sum(), list(leaves.values()))
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - start)
    return best


def pick_compiler(name: str, device: torch.device) -> tuple[Compiler, str]:
    """`torch.compile` or the identity, and a line that says which and why.

    Args:
        name: `off`; `on`, which insists; `auto`, which compiles where a compiler is found.
        device: where the programs will run.

    Raises:
        ValueError: `on`, and there is no compiler.
    """

    def compiled(function: Any) -> Any:
        return torch.compile(function, dynamic=False)

    if name == "off":
        return _eager, "eager: compilation is off"
    if device.type == "cpu" and shutil.which("c++") is None and shutil.which("g++") is None:
        if name == "on":
            raise ValueError("learners.compile: torch.compile needs a C++ compiler on the PATH, and there is none")
        return _eager, "eager: no C++ compiler on the PATH"
    return compiled, "torch.compile"


def _eager(function: Any) -> Any:
    return function
