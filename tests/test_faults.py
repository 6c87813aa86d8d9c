"""The table of known faults names tests that there are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROWS = [
    line.split(" | ")
    for line in (ROOT / "docs" / "faults.md").read_text(encoding="utf-8").partition("\n## ")[0].splitlines()
    if line.startswith("| ") and not line.startswith(("| fault ", "| --- "))
]


@pytest.mark.parametrize("row", ROWS, ids=[row[0].removeprefix("| ")[:40] for row in ROWS])
def test_every_fault_has_tests_and_they_exist(row: list[str]) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row[2])
    assert named
    assert len(named) == row[2].count("`") / 2, "each is written `file::name`"
    for file, name in named:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, f"{file} has no {name}"


def test_the_table_is_not_empty() -> None:
    assert len(ROWS) == 16
