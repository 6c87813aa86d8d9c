"""What was made at some cost and is kept for a while."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class RecentlyUsed(Generic[Value]):
    """Values by name, the least recently used given up first.

    Args:
        capacity: how many are kept.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._values: OrderedDict[str, Value] = OrderedDict()

    def get(self, name: str, make: Callable[[], Value]) -> Value:
        """The value of a name, made where it is not here."""
        if name not in self._values:
            self._values[name] = make()
            if len(self._values) > self.capacity:
                self._values.popitem(last=False)
        self._values.move_to_end(name)
        return self._values[name]
