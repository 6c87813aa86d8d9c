"""Saved states of team learners, looked at before anything of them is taken back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def check_saved(who: str, tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Make sure that a saved state has what a learner has.

    Args:
        who: the learner, for the message.
        tensors: what was saved.
        own: the learner's own, by name; those that were saved beside them are not looked at.

    Raises:
        ValueError: one is missing or has another shape or type, or `counters` are no numbers.
    """
    for name, tensor in own.items():
        saved = tensors.get(name)
        fits = saved is not None and (saved.shape, saved.dtype) == (tensor.shape, tensor.dtype)
        if saved is None or not fits or (name == "counters" and not saved.isfinite().all()):
            raise ValueError(
                f"saved {who}: {name} does not fit {list(tensor.shape)} of {tensor.dtype}; was it saved by another?"
            )


def restore(generator: torch.Generator, state: Tensor) -> None:
    """Put a generator back to where it was.

    Raises:
        ValueError: the state is none.
    """
    try:
        generator.set_state(state.cpu())
    except RuntimeError as error:
        raise ValueError(f"saved learner: generator does not fit ({error})") from error
