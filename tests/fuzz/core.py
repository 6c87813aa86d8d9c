"""A door takes what comes from outside; whatever comes, it answers or refuses with an error that it is known for.

Neither a traceback, nor a hang, nor memory without bounds: an input that leads to one of these is a failure.
"""

from __future__ import annotations

import gc
import resource
import signal
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import FrameType

from pydantic import BaseModel

from league.telling import told
from tests.fuzz.mutate import Shape

CPU_SECONDS = 3.0
"""Of one input; what takes longer hangs. Time of the processor: a busy machine does not matter."""
MEMORY = 768 * 2**20
"""Bytes that an input may take beside what the process has when it begins."""


@dataclass(frozen=True, slots=True)
class Door:
    """A way in.

    Attributes:
        samples: valid inputs.
        shape: how they are changed.
        refusals: classes of errors that tell an input that is not taken.
        enter: takes an input; everything that it needs is ready.
    """

    samples: Sequence[bytes]
    shape: Shape
    refusals: tuple[type[BaseException], ...]
    enter: Callable[[bytes], None]

    def draw(self, seed: int, number: int) -> bytes:
        """Input `number` of a seed; number 0 and some others are valid."""
        rng = Random(f"{seed} {number}")
        return rng.choice(self.samples) if number % 50 == 0 else self.shape(rng, self.samples)


OpenDoor = Callable[[Path], AbstractContextManager[Door]]
"""Makes a door ready, in a folder of its own."""


class Failure(BaseModel):
    """An input that got no answer.

    Attributes:
        number: of the input.
        problem: what happened, in one line.
        where: the innermost line of the project, and all that led to it.
    """

    number: int
    problem: str
    where: str = ""
    trace: str = ""


class HangError(BaseException):
    """An input takes too long. No Exception, so that nobody takes it for an answer."""


def enter(door: Door, number: int, data: bytes) -> tuple[bool, Failure | None]:
    """Put one input through a door; whether it was taken, and what went wrong."""
    signal.signal(signal.SIGPROF, _ring)
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    try:
        door.enter(data)
    except door.refusals as error:
        signal.setitimer(signal.ITIMER_PROF, 0)
        return False, _unfit(error, number)
    except (Exception, HangError, SystemExit) as error:
        signal.setitimer(signal.ITIMER_PROF, 0)
        text = traceback.format_exc()
        return False, Failure(
            number=number,
            problem=f"{type(error).__name__}: {str(error)[:200]}",
            where=_where(error),
            trace=text[-4000:],
        )
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return True, None


def _unfit(error: BaseException, number: int) -> Failure | None:
    """Why a refusal cannot be shown to a person."""
    text, _ = told(error)
    try:
        text.encode()
    except UnicodeEncodeError:
        return Failure(number=number, problem=f"its message cannot be written: {text[:200]!r}", where=_where(error))
    return None


def _where(error: BaseException) -> str:
    """The innermost line of the project's packages."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [each for each in frames if any(f"/{name}/" in each.filename for name in PACKAGES)]
    own = [each for each in ours if "site-packages" not in each.filename]
    last = own[-1] if own else frames[-1]
    return f"{Path(last.filename).parent.name}/{Path(last.filename).name}:{last.lineno} {last.name}"


PACKAGES = ("league", "agents", "arenas", "matchmaking")


def _ring(number: int, frame: FrameType | None) -> None:
    raise HangError(f"no answer after {CPU_SECONDS} s of CPU")


def guard() -> None:
    """Bound the memory of this process from here on."""
    gc.collect()
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, resource.RLIM_INFINITY))
