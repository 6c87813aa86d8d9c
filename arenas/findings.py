"""What a conformance check finds: each finding says what is wrong, where, and what would be right."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Finding:
    """A defect of an arena."""

    what: str
    where: str
    right: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; right would be: {self.right}"


class BrokenArenaError(Exception):
    """What was found makes it pointless to look further; the finding is in the report."""


@dataclass(slots=True)
class Report:
    """The findings so far. A defect that shows at every step is reported where it first shows."""

    findings: list[Finding] = field(default_factory=list)

    def add(self, where: str, what: str, right: str) -> None:
        if all(known.right != right for known in self.findings):
            self.findings.append(Finding(what, where, right))

    def expect(self, holds: bool | Tensor, where: str, what: str, right: str) -> None:
        if not bool(holds):
            self.add(where, what, right)

    def expect_tensor(self, name: str, tensor: object, shape: tuple[int, ...], dtype: torch.dtype, where: str) -> None:
        """Shape and type, or the end of the check: nothing that comes after could be trusted."""
        right = f"{name} is {dtype} {list(shape)}"
        if not isinstance(tensor, Tensor):
            self.add(where, f"{name} is a {type(tensor).__name__}", right)
            raise BrokenArenaError
        if tensor.dtype != dtype or tuple(tensor.shape) != shape:
            self.add(where, f"{name} is {tensor.dtype} {list(tensor.shape)}", right)
            raise BrokenArenaError


def agree(one: Tensor, other: Tensor) -> Tensor:
    """bool [B]: in which rows two tensors hold the same values; floats up to the rounding of another batch size."""
    same = torch.isclose(one, other, equal_nan=True) if one.is_floating_point() else one == other
    return same.flatten(1).all(dim=1) if same.dim() > 1 else same


def first(rows: Tensor) -> int:
    """The index of the first true row."""
    return int(torch.nonzero(rows)[0, 0])
