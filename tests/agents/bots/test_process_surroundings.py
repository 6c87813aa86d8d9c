"""What a bot's process has around it, and what it is denied."""

from __future__ import annotations

import os
import sys

import pytest

from agents.bots.core import FailureCode
from tests.agents.bots.bots import acting
from tests.agents.bots.refereed import Referee


def test_what_the_sandbox_denies_is_named_with_the_line(referee: Referee) -> None:
    record = referee.failure(acting("open('/etc/passwd')"))
    assert record.code is FailureCode.SANDBOX_DENIED
    assert "PermissionError: [Errno 13] Permission denied: '/etc/passwd'" in record.message
    assert "open('/etc/passwd')" in record.traceback


def test_a_denial_behind_another_exception_is_one_too(referee: Referee) -> None:
    body = "try:\n    open('/etc/passwd')\nexcept OSError as error:\n    raise ValueError('no book') from error"
    record = referee.failure(acting(body))
    assert (record.code, record.message) == (
        FailureCode.SANDBOX_DENIED,
        "ValueError: no book (the sandbox does not allow it)",
    )


def test_the_process_s_descriptors_and_environment_are_its_own(referee: Referee) -> None:
    os.environ["LEAGUE_SECRET"] = "hidden"
    body = """
        import os
        fds = []
        for fd in range(64):
            try:
                os.fstat(fd)
                fds.append(fd)
            except OSError: pass
        raise ValueError(f"{fds} {sorted(os.environ)} {os.getcwd() == os.path.dirname(__file__)}")
    """
    try:
        record = referee.failure(acting(body))
    finally:
        del os.environ["LEAGUE_SECRET"]
    assert record.message.startswith("ValueError: [0, 1, 2, 3] ['HOME', 'LANG', 'MALLOC_ARENA_MAX', 'MKL_NUM_THREADS'")
    assert "SECRET" not in record.message
    assert record.message.endswith(" True")


@pytest.mark.parametrize("name", ["agents.bots.process", "league", "matchmaking.store", "arenas"])
def test_our_own_packages_are_not_there(referee: Referee, name: str) -> None:
    record = referee.failure(f"import {name}\n")
    assert record.message.startswith(f"ModuleNotFoundError: No module named '{name.split('.', maxsplit=1)[0]}'")


def test_the_interpreter_is_the_referee_s(referee: Referee) -> None:
    record = referee.failure("import sys; raise ValueError(sys.version_info[:2])")
    assert record.message == f"ValueError: {sys.version_info[:2]}"
