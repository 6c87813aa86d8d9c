"""Device, precision and compilation are decided once, and what cannot be had is refused in words."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from agents import compute
from agents.compute import pick_compiler, pick_device, pick_precision
from agents.networks import Network
from agents.settings import NetworkConfig

CPU = torch.device("cpu")
NETWORK = Network(NetworkConfig(hidden=(8,)), (4,), 3)


def has_gpu(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)


def has_compilers(monkeypatch: pytest.MonkeyPatch, *programs: str) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: f"/usr/bin/{program}" if program in programs else None)


def test_cuda_without_a_gpu_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    has_gpu(monkeypatch, False)
    with pytest.raises(ValueError, match="torch sees no CUDA GPU here; use --device cpu"):
        pick_device("cuda")


@pytest.mark.parametrize(("there", "expected"), [(True, "cuda"), (False, "cpu")])
def test_auto_takes_the_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch, there: bool, expected: str) -> None:
    has_gpu(monkeypatch, there)
    assert pick_device("auto").type == expected
    assert pick_device("cpu").type == "cpu"


def test_a_precision_that_is_named_is_taken_without_a_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(compute, "_probe")
    assert pick_precision("fp32", NETWORK, 4, CPU) is torch.float32
    assert pick_precision("bf16", NETWORK, 4, CPU) is torch.bfloat16


@pytest.mark.parametrize("memory", [0, 4])
def test_auto_measures_and_takes_one_of_the_two(memory: int) -> None:
    network = Network(NetworkConfig(hidden=(8,), memory=memory), (4,), 3)
    assert pick_precision("auto", network, 16, CPU) in (torch.float32, torch.bfloat16)


@pytest.mark.parametrize(("gain", "expected"), [(1.1, torch.float32), (1.3, torch.bfloat16)])
def test_bf16_has_to_win_clearly(monkeypatch: pytest.MonkeyPatch, gain: float, expected: torch.dtype) -> None:
    seconds = {torch.float32: 1.0, torch.bfloat16: 1.0 / gain}
    monkeypatch.setattr(compute, "_probe", lambda network, batch, dtype, device: seconds[dtype])
    assert pick_precision("auto", NETWORK, 16, CPU) is expected


def double(tensor: Tensor) -> Tensor:
    return 2 * tensor


def test_compilation_that_is_off_gives_the_function_itself() -> None:
    compiler, line = pick_compiler("off", CPU)
    assert compiler(double) is double
    assert line == "eager: compilation is off"


def test_auto_without_a_compiler_is_eager_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    has_compilers(monkeypatch)
    compiler, line = pick_compiler("auto", CPU)
    assert compiler(double) is double
    assert line == "eager: there is no C++ compiler on the PATH"


def test_on_without_a_compiler_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    has_compilers(monkeypatch)
    with pytest.raises(ValueError, match=r"torch\.compile does not work here: there is no C\+\+ compiler on the PATH"):
        pick_compiler("on", CPU)


@pytest.mark.parametrize("program", ["c++", "g++", "clang++"])
@pytest.mark.parametrize("name", ["auto", "on"])
def test_a_compiler_that_works_is_used(monkeypatch: pytest.MonkeyPatch, name: str, program: str) -> None:
    tried = []

    def compiled(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        tried.append(function)
        return partial(function)

    has_compilers(monkeypatch, program)
    monkeypatch.setattr(compute, "_compiled", compiled)
    compiler, line = pick_compiler(name, CPU)
    assert line == "torch.compile"
    assert len(tried) == 1  # a program of its own was tried first
    assert compiler(double) is not double
    assert tried[1] is double


def test_a_compiler_that_does_not_work_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        raise RuntimeError("Python.h: no such file\nand much more")

    has_compilers(monkeypatch, "g++")
    monkeypatch.setattr(compute, "_compiled", broken)
    compiler, line = pick_compiler("auto", CPU)
    assert compiler(double) is double
    assert line == "eager: a small program does not compile (RuntimeError: Python.h: no such file)"
    with pytest.raises(ValueError, match="set it to auto or off"):
        pick_compiler("on", CPU)


FAULTS = """
import ctypes, resource, sys, torch
from agents.compute import M_MMAP_THRESHOLD, keep_memory
torch.set_num_threads(1)
# glibc's threshold at a program's start, held there: glibc raises its own with what it sees freed, and a small block
# above the others may then keep all of them, so that the usual case has no faults either, now and then
assert ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 128 << 10)
if sys.argv[1] == "kept":
    assert keep_memory()
def work():
    for _ in range(5):
        blocks = [torch.ones(1 << 20) for _ in range(32)]
        del blocks
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library is not glibc")
def test_memory_that_is_kept_is_not_made_of_fresh_pages_again() -> None:
    faults = {
        case: int(subprocess.run([sys.executable, "-c", FAULTS, case], capture_output=True, check=True).stdout)
        for case in ("usual", "kept")
    }
    assert faults["kept"] < 200 < faults["usual"], faults
