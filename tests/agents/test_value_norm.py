"""ValueNorm against its definition: exponentially weighted, debiased moments of the returns that carry weight."""

from __future__ import annotations

import math

import torch

from agents.value_norm import ValueNorm


def batches(count: int) -> list[tuple[list[float], list[float]]]:
    generator = torch.Generator().manual_seed(3)
    values = torch.randn(count, 40, generator=generator) * 7 - 30
    weight = (torch.rand(count, 40, generator=generator) < 0.6).float()
    return list(zip(values.tolist(), weight.tolist(), strict=True))


def test_moments_by_the_definition() -> None:
    """The batch of i updates ago weighs (1 - beta) beta^i, and the sum of the weights is divided out."""
    beta, data = 0.9, batches(12)
    norm = ValueNorm(beta)
    for values, weight in data:
        norm.update(torch.tensor(values), torch.tensor(weight))
    total = mean = square = 0.0
    for age, (values, weight) in enumerate(reversed(data)):
        kept = [value for value, flag in zip(values, weight, strict=True) if flag]
        share = (1 - beta) * beta**age
        total += share
        mean += share * math.fsum(kept) / len(kept)
        square += share * math.fsum(value * value for value in kept) / len(kept)
    mean, square = mean / total, square / total
    found_mean, found_deviation = norm.moments()
    assert math.isclose(float(found_mean), mean, rel_tol=1e-6)
    assert math.isclose(float(found_deviation), math.sqrt(square - mean * mean), rel_tol=1e-5)


def test_the_published_beta_keeps_a_large_mean_and_a_small_deviation_apart() -> None:
    norm = ValueNorm(0.99999)
    values = torch.tensor([1000.0, 1001.0])
    for _ in range(5):
        norm.update(values, torch.ones(2))
    mean, deviation = norm.moments()
    assert math.isclose(float(mean), 1000.5, rel_tol=1e-6)
    assert math.isclose(float(deviation), 0.5, rel_tol=1e-3)


def test_there_and_back() -> None:
    norm = ValueNorm(0.99)
    values = torch.tensor([-3.0, 0.5, 12.0])
    norm.update(values, torch.ones(3))
    torch.testing.assert_close(norm.denormalise(norm.normalise(values)), values)
    assert abs(float(norm.normalise(values).mean())) < 1e-6


def test_nothing_of_weight_changes_nothing() -> None:
    norm = ValueNorm(0.99)
    norm.update(torch.tensor([4.0, 8.0]), torch.ones(2))
    before = norm.state()
    norm.update(torch.tensor([100.0, 100.0]), torch.zeros(2))
    assert all(torch.equal(norm.state()[name], tensor) for name, tensor in before.items())


def test_state_goes_on() -> None:
    norm, other = ValueNorm(0.9), ValueNorm(0.9)
    norm.update(torch.tensor([4.0, 8.0]), torch.ones(2))
    other.load_state(norm.state())
    for each in (norm, other):
        each.update(torch.tensor([1.0, 2.0]), torch.ones(2))
    assert torch.equal(norm.moments()[1], other.moments()[1])
