"""How to compute on this machine: device, precision, compilation; each is decided once, at the start, and said."""

from __future__ import annotations

import ctypes
import shutil
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from agents.networks import Network

Compiler = Callable[[Any], Any]

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
KEPT_MEMORY = 1 << 30  # bytes of free memory that a learner keeps for its next iteration
HEAP_BLOCK = 1 << 25  # bytes, the most that glibc allows; larger blocks come straight from the system

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


def keep_memory() -> bool:
    """Let this process keep the memory that it frees; False where the C library is not glibc.

    By default glibc gives blocks of 128 KiB and more back to the system, so every large temporary of every iteration is
    made of fresh pages, zeroed by the kernel: 4 to 5 % of a learner's time on a CPU.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, HEAP_BLOCK) and mallopt(M_TRIM_THRESHOLD, KEPT_MEMORY))


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
        name: `off`; `on`, which insists; `auto`, which compiles where a small program can be compiled and run.
        device: where the programs will run.

    Raises:
        ValueError: `on`, and compiling does not work here.
    """
    if name == "off":
        return _eager, "eager: compilation is off"
    trouble = _why_not(device)
    if trouble is None:
        return _compiled, "torch.compile"
    if name == "on":
        raise ValueError(f"learners.compile: torch.compile does not work here: {trouble}; set it to auto or off")
    return _eager, f"eager: {trouble}"


def _why_not(device: torch.device) -> str | None:
    """What keeps torch.compile from working on a device, or None where a small program compiles and runs."""
    if device.type == "cpu" and not any(map(shutil.which, ("c++", "g++", "clang++"))):
        return "there is no C++ compiler on the PATH"
    try:
        _compiled(_tiny)(torch.ones(8, device=device))
    except Exception as error:  # a compiler, its headers, Triton: whatever is missing, the programs run without it
        return f"a small program does not compile ({type(error).__name__}: {str(error).splitlines()[0][:200]})"
    return None


def _tiny(tensor: Tensor) -> Tensor:
    return torch.where(tensor > 0, tensor.log(), tensor)


def _compiled(function: Any) -> Any:
    return torch.compile(function, dynamic=False)


def _eager(function: Any) -> Any:
    return function
