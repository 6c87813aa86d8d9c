"""Inputs by the thousand through every door, in processes that are watched."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.core import Failure

SILENCE = 120.0
"""Seconds, of sleep or of CPU, without an input that has ended: then a process hangs where no signal reaches it."""
CHILD = "tests.fuzz.child"
ROOT = Path(__file__).parents[2]


@dataclass(slots=True)
class Result:
    """What came of a door's inputs."""

    door: str
    inputs: int = 0
    taken: int = 0
    failed: int = 0
    failures: list[Failure] = field(default_factory=list)


def run(
    inputs: Mapping[str, int],
    seed: int,
    *,
    first: int = 0,
    tell: Callable[[Result], None] = lambda result: None,
    together: bool = False,
) -> list[Result]:
    """Put inputs through doors.

    Args:
        inputs: by door, how many.
        seed: of the inputs.
        first: number of the first input.
        tell: is told of each door that is done.
        together: one process for all doors, where loading the program is dear beside few inputs.
    """
    results = []
    for group in [list(inputs)] if together else [[name] for name in inputs]:
        ways = dict.fromkeys(group, first)
        found = {name: Result(name) for name in group}
        while ways:
            broke = _child(seed, [f"{name}:{start}:{first + inputs[name]}" for name, start in ways.items()], found)
            if broke is None:
                break
            name, number, problem = broke
            if number < 0:
                raise RuntimeError(f"{name} could not be opened: {problem}")
            done = group[: group.index(name)]
            result = found[name]
            result.inputs += number + 1 - ways[name]
            result.failed += 1
            result.failures.append(Failure(number=number, problem=problem))
            ways = {each: start for each, start in ways.items() if each not in done}
            ways[name] = number + 1
            if ways[name] >= first + inputs[name]:
                del ways[name]
        for result in found.values():
            tell(result)
            results.append(result)
    return results


def _child(seed: int, parts: list[str], found: dict[str, Result]) -> tuple[str, int, str] | None:
    """Run one process; where it broke off, at which input and how."""
    with tempfile.TemporaryDirectory(prefix="league-fuzz-", ignore_cleanup_errors=True) as scratch:
        errors = Path(scratch, "errors")
        with (
            errors.open("wb") as log,
            subprocess.Popen(
                [sys.executable, "-m", CHILD, str(seed), *parts],
                cwd=scratch,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=_environment(scratch),
            ) as child,
        ):
            hung = _listen(child, Path(scratch, "current"), found)
            if hung:
                child.kill()
            code = child.wait()
        if code == 0 and not hung:
            return None
        current = Path(scratch, "current")
        told = current.read_text() if current.exists() else ""
        number, taken, name = told.split(maxsplit=2) if told else ("-1", "0", parts[0].rsplit(":", 2)[0])
        found[name.strip()].taken += int(taken)
        said = errors.read_bytes()[-2000:].decode("utf-8", "replace")
        how = f"no answer for {SILENCE:g} s" if hung else f"the process ended with status {code}"
        return name.strip(), int(number), f"{how}: {said}"


def _listen(child: subprocess.Popen[bytes], current: Path, found: dict[str, Result]) -> bool:
    """Take what a process says until it ends; whether it hangs."""
    assert child.stdout is not None
    seen, asleep, since = "", 0.0, 0.0
    rest = b""
    while True:
        ready, _, _ = select.select([child.stdout], [], [], 1.0)
        if ready:
            piece = os.read(child.stdout.fileno(), 1 << 16)
            if not piece:
                return False
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                _take(json.loads(line), found)
        now = current.read_text() if current.exists() else ""
        state, used = _state(child.pid)
        if now != seen:
            seen, asleep, since = now, 0.0, used
        asleep += (state == "S") * (not ready)  # a second each; who waits for a busy machine does not sleep
        if asleep > SILENCE or used - since > SILENCE:
            return True


def _state(pid: int) -> tuple[str, float]:
    """A process's state (R: it runs, or would) and seconds of CPU, as proc(5) tells them."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return fields[0], (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _take(said: dict[str, object], found: dict[str, Result]) -> None:
    result = found[str(said["door"])]
    if "failure" in said:
        result.failures.append(Failure.model_validate(said["failure"]))
        result.failed += 1
    else:
        result.inputs += int(str(said["inputs"]))
        result.taken += int(str(said["taken"]))
        result.failed += int(str(said["untold"]))


def _environment(scratch: str) -> dict[str, str]:
    keep = {key: value for key, value in os.environ.items() if not key.startswith("LEAGUE_")}
    return keep | {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "LEAGUE_RUNS": scratch + "/runs",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
