"""Nothing is ever unpickled: no module that can is imported, and no loader that does is called.

What crosses a process or a file is JSON, TOML, safetensors, or bytes of a fixed layout: `arenas.env_pool` speaks with
its workers in single bytes over a socket and in one memory mapping, the nursery and the bots in lines of JSON and
frames. Outside of this project's own code one program keeps pickles for itself: `torch.compile` caches what it has
compiled in the user's own temporary folder, as it does for every program.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("league", "agents", "arenas", "matchmaking")
MODULES = frozenset(
    {
        "pickle", "cPickle", "_pickle", "pickletools", "cloudpickle", "dill", "shelve", "marshal", "joblib",
        "jsonpickle", "copyreg", "multiprocessing", "torch.multiprocessing", "concurrent.futures", "yaml", "dbm",
    }
)  # fmt: skip
"""Modules that unpickle, or whose objects travel as pickles (`multiprocessing`, process pools)."""
LOADERS = frozenset(
    {
        "torch.load", "torch.save", "torch.jit.load", "torch.hub.load", "torch.package.PackageImporter", "numpy.load",
        "np.load", "pandas.read_pickle", "pd.read_pickle",
    }
)  # fmt: skip
BY_NAME = frozenset({"__import__", "importlib.import_module", "import_module"})


def found(source: str) -> Iterator[str]:
    """What in a program's text can unpickle."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
            yield from (name for name in names if name in LOADERS)
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            first = node.args[0] if node.args else None
            text = first.value if isinstance(first, ast.Constant) else None
            names = [text] if called in BY_NAME and isinstance(text, str) else []
            pickles = any(word.arg == "allow_pickle" for word in node.keywords)
            if called in LOADERS or pickles:
                yield called
        else:
            continue
        yield from (name for name in names if any(name == each or name.startswith(f"{each}.") for each in MODULES))


@pytest.mark.parametrize("package", PACKAGES)
def test_no_package_can_unpickle(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    guilty = {str(path.relative_to(ROOT)): list(found(path.read_text(encoding="utf-8"))) for path in files}
    assert {path: names for path, names in guilty.items() if names} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import torch.multiprocessing as mp",
        "from multiprocessing import Pool",
        "from concurrent.futures import ProcessPoolExecutor",
        "from torch import load",
        "torch.load('x', weights_only=True)",
        "np.load('x')",
        "anything.load('x', allow_pickle=True)",
        "importlib.import_module('dill')",
        "__import__('shelve')",
    ],
)
def test_the_search_finds_what_can(source: str) -> None:
    assert list(found(f"def f():\n    {source}\n"))


def test_the_search_lets_others_be() -> None:
    assert not list(found("import json\nfrom safetensors.torch import load\nsafetensors.torch.load(b'')\n"))
