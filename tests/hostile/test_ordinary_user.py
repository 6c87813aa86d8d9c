"""The suite holds for an ordinary user too: root runs it again as nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
QUICK = ["test_network.py", "test_layers.py", "test_commands.py::test_call"]


def run_as_nobody(*files: str) -> str:
    """What pytest says at its end."""
    if os.getuid() != 0:
        pytest.skip("this is an ordinary user")
    probe = ["unshare", "--mount", "true"]
    if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        pytest.skip("no mount namespaces here")
    tests = [f"tests/hostile/{file}" for file in files]
    pytest_words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile.ordinary", *pytest_words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout.strip().splitlines()[-1]


def test_quick_part() -> None:
    assert " passed" in run_as_nobody(*QUICK)


@pytest.mark.slow
def test_all() -> None:
    files = sorted(path.name for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__))
    assert " passed" in run_as_nobody(*files)
