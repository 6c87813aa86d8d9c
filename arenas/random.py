"""Counter-based randomness: uniforms as a pure function of a seed, a counter and a stream, the same on every device.

There is no state to save, to pass around or to get out of step: match i of a batch draws the same numbers whether it is
played alone or among thousands. The mixing function is the finaliser of SplitMix64 (Steele, Lea and Flood, "Fast
splittable pseudorandom number generators", OOPSLA 2014, with Stafford's constants, variant 13); each row of uniforms is
the SplitMix64 sequence that starts from the mixed key.
"""

from __future__ import annotations

import torch
from torch import Tensor

GOLDEN = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio, made odd: SplitMix64's step
MULTIPLIERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
SHIFTS = (30, 27, 31)
WORD = (1 << 64) - 1
MANTISSA = 24  # bits that a float32 in [0, 1) holds exactly


def _signed(value: int) -> int:
    """A 64-bit word as the int64 with the same bits."""
    value &= WORD
    return value - (1 << 64) if value >> 63 else value


def _mix_word(value: int) -> int:
    value &= WORD
    for shift, multiplier in zip(SHIFTS, MULTIPLIERS, strict=False):
        value = ((value ^ (value >> shift)) * multiplier) & WORD
    return value ^ (value >> SHIFTS[-1])


def _shifted(values: Tensor, shift: int) -> Tensor:
    """Logical shift to the right: torch's shift of int64 copies the sign bit."""
    return (values >> shift) & ((1 << (64 - shift)) - 1)


def mix(values: Tensor) -> Tensor:
    """SplitMix64's finaliser: a bijection of int64 of any shape in which every input bit moves every output bit."""
    for shift, multiplier in zip(SHIFTS, MULTIPLIERS, strict=False):
        values = (values ^ _shifted(values, shift)) * _signed(multiplier)
    return values ^ _shifted(values, SHIFTS[-1])


def _hashed(seeds: Tensor, counter: int, width: int, stream: int) -> Tensor:
    key = _signed(_mix_word(_mix_word(stream + GOLDEN) + counter * GOLDEN))
    start = mix(mix(seeds + _signed(GOLDEN)) ^ key)
    places = torch.arange(1, width + 1, device=seeds.device) * _signed(GOLDEN)
    return mix(start[:, None] + places)


def uniforms(seeds: Tensor, counter: int, width: int, stream: int = 0) -> Tensor:
    """Independent uniforms for a batch of seeds.

    Args:
        seeds: int64 [B]; any values, also consecutive ones.
        counter: the step at which they are drawn.
        width: W, how many a seed.
        stream: what they are drawn for; streams of one seed are independent.

    Returns:
        float32 [B, W] in [0, 1): multiples of 2^-24, never 1. A wider draw begins with the narrower one.
    """
    high = _shifted(_hashed(seeds, counter, width, stream), 64 - MANTISSA)
    return high.to(torch.float32) * 2.0**-MANTISSA


def derive_seeds(seed: int, count: int, first: int = 0, device: torch.device | None = None) -> Tensor:
    """The `count` seeds (int64 [count]) numbered from `first` that follow from one seed."""
    numbers = torch.arange(first + 1, first + count + 1, device=device)
    return mix(numbers * _signed(GOLDEN) + _signed(_mix_word(seed + GOLDEN)))
