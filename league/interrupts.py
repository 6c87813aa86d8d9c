"""Ctrl-C, once and twice: the first asks for an orderly end, the second ends things at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopAtOnceError(BaseException):
    """The second Ctrl-C. Like KeyboardInterrupt it is no `Exception`: nobody catches it by mistake."""


class Interrupts:
    """Counts SIGINT and SIGTERM while its block lasts, and raises `StopAtOnceError` at the second one.

    Outside of the main thread, where Python delivers no signals, it counts nothing.

    Attributes:
        asked: whether an orderly end was asked for.
    """

    def __init__(self) -> None:
        self._count = 0
        self._shielded = False
        self._previous: dict[signal.Signals, Callable[[int, FrameType | None], Any] | int | None] = {}

    @property
    def asked(self) -> bool:
        return self._count > 0

    def shield(self) -> None:
        """Raise nothing from now on: what is left to do is short and has to be done."""
        self._shielded = True

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._previous[number] = signal.signal(number, self._count_one)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _count_one(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._count >= 2 and not self._shielded:
            self._shielded = True
            raise StopAtOnceError
