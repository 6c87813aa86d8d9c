"""Makes the toy environments importable as `toys.<name>`, for the tests and, through sys.path, for the workers."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
