"""The generator against its published sequence, and its numbers against chance."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from arenas.random import GOLDEN, WORD, derive_seeds, mix, uniforms

SEEDS = torch.arange(2000)  # consecutive ones: the hardest for a hash


def test_mix_gives_the_published_sequence() -> None:
    """The first five outputs from seed 1234567 (rosettacode.org/wiki/Pseudo-random_numbers/Splitmix64)."""
    expected = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    words = [(1234567 + (place + 1) * GOLDEN) & WORD for place in range(5)]
    states = torch.tensor([word - (1 << 64) if word >> 63 else word for word in words])
    assert [value & WORD for value in mix(states).tolist()] == expected


def test_range_and_type() -> None:
    draws = uniforms(SEEDS, 0, 500)
    assert draws.dtype == torch.float32
    assert draws.shape == (2000, 500)
    assert 0 <= draws.min() < 1e-5
    assert 1 - 1e-5 < draws.max() < 1
    assert torch.equal(draws * 2**24, (draws * 2**24).round())  # 24 bits, exactly


def test_the_largest_word_is_not_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounding a word of 64 ones to a float32 would give 1."""
    monkeypatch.setattr("arenas.random._hashed", lambda *_: torch.full((1, 1), -1))
    assert uniforms(torch.tensor([0]), 0, 1).item() == 1 - 2.0**-24


def finaliser(value: int) -> int:
    """SplitMix64's finaliser on Python's integers."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & WORD
    return value ^ (value >> 31)


@pytest.mark.parametrize("seed", [0, 1, -1, 2**63 - 1, -(2**63)])
def test_definition(seed: int) -> None:
    """Matches are replayed from their seeds: the numbers may never change."""
    key = finaliser((finaliser((3 + GOLDEN) & WORD) + 7 * GOLDEN) & WORD)
    start = finaliser(finaliser((seed + GOLDEN) & WORD) ^ key)
    expected = [(finaliser((start + place * GOLDEN) & WORD) >> 40) / 2**24 for place in (1, 2, 3)]
    assert uniforms(torch.tensor([seed]), 7, 3, stream=3)[0].tolist() == expected


def test_pure_function_of_its_arguments() -> None:
    assert torch.equal(uniforms(SEEDS, 3, 5, 7), uniforms(SEEDS, 3, 5, 7))


def test_a_row_depends_on_its_own_seed_alone() -> None:
    whole = uniforms(SEEDS, 3, 5)
    assert torch.equal(uniforms(SEEDS[700:900], 3, 5), whole[700:900])
    assert torch.equal(uniforms(SEEDS.flip(0), 3, 5), whole.flip(0))


def test_a_wider_draw_begins_with_the_narrower_one() -> None:
    assert torch.equal(uniforms(SEEDS, 1, 9)[:, :4], uniforms(SEEDS, 1, 4))


def test_no_width() -> None:
    assert uniforms(SEEDS, 0, 0).shape == (2000, 0)


@pytest.mark.parametrize("stream", [0, 1, 2, 1_000_000])
@pytest.mark.parametrize("counter", [0, 1, 41])
def test_uniform(counter: int, stream: int) -> None:
    draws = uniforms(SEEDS, counter, 50, stream).double().numpy().ravel()
    assert abs(draws.mean() - 0.5) < 5 * np.sqrt(1 / 12 / draws.size)
    assert abs(draws.var() - 1 / 12) < 5 * np.sqrt(1 / 180 / draws.size)
    counts, _ = np.histogram(draws, bins=256, range=(0, 1))
    assert stats.chisquare(counts).pvalue > 1e-5


def test_low_bits_are_uniform_too() -> None:
    low = (uniforms(SEEDS, 0, 50) * 2**24).long() % 64
    assert stats.chisquare(torch.bincount(low.flatten(), minlength=64).numpy()).pvalue > 1e-5


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (uniforms(SEEDS, 0, 50), uniforms(SEEDS, 1, 50)),  # the next step
        (uniforms(SEEDS, 0, 50), uniforms(SEEDS, 0, 50, 1)),  # another stream
        (uniforms(SEEDS, 0, 50), uniforms(SEEDS + 1, 0, 50)),  # the next seed
        (uniforms(SEEDS, 1, 50), uniforms(SEEDS + 1, 0, 50)),  # an earlier step of the next seed
        (uniforms(SEEDS, 1, 50), uniforms(SEEDS, 0, 50, 1)),  # step and stream exchanged
        (uniforms(SEEDS, 0, 50)[:, :-1], uniforms(SEEDS, 0, 50)[:, 1:]),  # the next place
        (uniforms(SEEDS, 0, 50), uniforms(SEEDS << 32, 0, 50)),  # other bits of the seed
        (uniforms(SEEDS, 0, 50), uniforms(-SEEDS - 1, 0, 50)),  # negative seeds
    ],
    ids=["counter", "stream", "seed", "diagonal", "exchanged", "place", "high", "negative"],
)
def test_independent(one: torch.Tensor, other: torch.Tensor) -> None:
    """No correlation, and a uniform joint distribution on an 8 by 8 grid."""
    a, b = one.double().numpy().ravel(), other.double().numpy().ravel()
    assert abs(np.corrcoef(a, b)[0, 1]) < 5 / np.sqrt(a.size)
    counts, _, _ = np.histogram2d(a, b, bins=8, range=((0, 1), (0, 1)))
    assert stats.chisquare(counts.ravel()).pvalue > 1e-5


def test_all_counters_and_streams_differ() -> None:
    draws = {float(uniforms(torch.tensor([5]), c, 1, s) * 2**24) for c in range(50) for s in range(50)}
    assert len(draws) > 2495  # 2500 draws of 2^24 values: a collision or two at most


def test_derived_seeds() -> None:
    seeds = derive_seeds(11, 1000)
    assert len(set(seeds.tolist())) == 1000
    assert torch.equal(derive_seeds(11, 300, first=500), seeds[500:800])
    assert not set(derive_seeds(12, 1000).tolist()) & set(seeds.tolist())


def test_derived_seeds_do_not_repeat_across_neighbouring_seeds() -> None:
    known: set[int] = set()
    for seed in range(200):
        known.update(derive_seeds(seed, 100).tolist())
    assert len(known) == 20_000
