"""Stacked networks: a stack is nothing but its policies side by side."""

from __future__ import annotations

import pytest
import torch

from agents.networks import ALIGNMENT, Network
from agents.settings import NetworkConfig, Trunk
from agents.stack import PolicyStack

SHAPE, ACTIONS = (2, 6, 7), 7
CONFIGS = {
    "mlp": NetworkConfig(hidden=(24, 16)),
    "conv": NetworkConfig(trunk=Trunk.CONV, channels=(8, 4), hidden=(16,)),
    "gru": NetworkConfig(hidden=(16,), memory=12),
    "conv_gru": NetworkConfig(trunk=Trunk.CONV, channels=(4,), kernel=5, hidden=(16,), memory=8),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_stack_equals_each_policy_alone(name: str) -> None:
    network = Network(CONFIGS[name], SHAPE, ACTIONS)
    flat = network.initial(torch.Generator().manual_seed(0), stack=3)
    flat += 0.1 * torch.randn(flat.shape, generator=torch.Generator().manual_seed(1))
    observation = torch.rand(3, 5, *SHAPE, generator=torch.Generator().manual_seed(2))
    memory = network.initial_memory(3, 5, torch.float32, torch.device("cpu"))
    if memory is not None:
        memory = torch.rand(memory.shape, generator=torch.Generator().manual_seed(3))
    together = network.apply(network.layout.views(flat), observation, memory)
    for policy in range(3):
        row = slice(policy, policy + 1)
        alone = network.apply(
            network.layout.views(flat[row]), observation[row], None if memory is None else memory[row]
        )
        torch.testing.assert_close(together.logits[row], alone.logits)
        torch.testing.assert_close(together.value[row], alone.value)
        if memory is not None:
            assert together.memory is not None
            assert alone.memory is not None
            torch.testing.assert_close(together.memory[row], alone.memory)


@pytest.mark.parametrize("name", CONFIGS)
def test_starts_nearly_uniform_and_reproducibly(name: str) -> None:
    network = Network(CONFIGS[name], SHAPE, ACTIONS)
    flat = network.initial(torch.Generator().manual_seed(5))
    assert torch.equal(flat, network.initial(torch.Generator().manual_seed(5)))
    assert not torch.equal(flat, network.initial(torch.Generator().manual_seed(6)))
    memory = network.initial_memory(1, 64, torch.float32, torch.device("cpu"))
    observation = torch.rand(1, 64, *SHAPE, generator=torch.Generator().manual_seed(2))
    policy = network.apply(network.layout.views(flat), observation, memory).logits.softmax(-1)
    assert (policy - 1 / ACTIONS).abs().max() < 0.02


def test_layout_keeps_tensors_apart_and_aligned() -> None:
    layout = Network(CONFIGS["conv_gru"], SHAPE, ACTIONS).layout
    flat = torch.zeros(2, layout.width)
    views = layout.views(flat)
    for number, view in enumerate(views.values(), start=1):
        view.fill_(number)
    for number, (name, view) in enumerate(views.items(), start=1):
        assert bool((view == number).all()), f"{name} was written over"
        assert layout.slots[name].start % ALIGNMENT == 0
    copy = torch.zeros(2, layout.width)
    layout.pack(views, copy)
    assert torch.equal(copy, flat)


def test_conv_wants_planes() -> None:
    with pytest.raises(ValueError, match=r"needs observations of shape \[planes, rows, columns\].*\[11\]"):
        Network(CONFIGS["conv"], (11,), 2)
    with pytest.raises(ValueError, match=r"network\.channels"):
        Network(NetworkConfig(trunk=Trunk.CONV), SHAPE, ACTIONS)
    with pytest.raises(ValueError, match="an mlp trunk has none"):
        Network(NetworkConfig(channels=(8,)), SHAPE, ACTIONS)


def test_a_row_is_a_copy() -> None:
    """ray#35393: a snapshot that shares memory with the live weights follows them."""
    network = Network(CONFIGS["mlp"], SHAPE, ACTIONS)
    weights = network.initial(torch.Generator().manual_seed(0))[0]
    stack = PolicyStack(network, 4, torch.float32, torch.device("cpu"))
    stack.load(2, weights)
    before = stack.packed()[2]
    weights.add_(1.0)
    assert torch.equal(stack.packed()[2], before)
    assert bool((stack.packed()[[0, 1, 3]] == 0).all())
