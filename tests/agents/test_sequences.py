"""Networks for sequences: unrolled is stepwise, a stack is its members, and the start is what it is said to be."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from agents.sequences import SequenceNetwork
from agents.team_settings import Activation, SequenceConfig


def network(memory: int, stack: int, normalise: bool = True) -> tuple[SequenceNetwork, Tensor]:
    shape = SequenceNetwork(6, 4, SequenceConfig(hidden=(16, 12), memory=memory, normalise=normalise))
    generator = torch.Generator().manual_seed(5)
    flat = shape.initial(generator, stack)
    for view in shape.layout.views(flat).values():
        view.add_(torch.randn(view.shape, generator=generator), alpha=0.3)
    return shape, flat


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("stack", [1, 3])
@pytest.mark.parametrize("memory", [0, 8])
def test_unrolled_is_stepwise_also_where_episodes_end(memory: int, stack: int, normalise: bool) -> None:
    shape, flat = network(memory, stack, normalise)
    parameters = shape.layout.views(flat)
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(stack, 9, 5, 6, generator=generator)
    ended = torch.rand(9, 5, generator=generator) < 0.3
    before = torch.randn(stack, 5, memory, generator=generator)
    found = shape.unroll(parameters, inputs, before, ended)
    now, expected = before, []
    for step in range(9):
        out, now = shape.step(parameters, inputs[:, step], now)
        now = torch.where(ended[step].view(1, 5, 1), 0.0, now)
        expected.append(out)
    torch.testing.assert_close(found, torch.stack(expected, dim=1))


def test_nothing_of_an_episode_reaches_the_next_one() -> None:
    shape, flat = network(8, 1)
    inputs = torch.randn(1, 6, 2, 6, generator=torch.Generator().manual_seed(1)).requires_grad_()
    ended = torch.zeros(6, 2, dtype=torch.bool)
    ended[2, 0] = True
    out = shape.unroll(shape.layout.views(flat), inputs, shape.initial_memory(1, 2), ended)
    (slope,) = torch.autograd.grad(out[0, 5].sum(), inputs)
    assert not slope[0, :3, 0].any()
    assert slope[0, :3, 1].any()


@pytest.mark.parametrize("memory", [0, 8])
def test_a_stack_is_its_members(memory: int) -> None:
    shape, flat = network(memory, 3)
    inputs = torch.randn(3, 7, 5, 6, generator=torch.Generator().manual_seed(2))
    ended = torch.zeros(7, 5, dtype=torch.bool)
    together = shape.unroll(shape.layout.views(flat), inputs, shape.initial_memory(3, 5), ended)
    for index in range(3):
        parameters = shape.layout.views(flat[index : index + 1])
        alone = shape.unroll(parameters, inputs[index : index + 1], shape.initial_memory(1, 5), ended)
        torch.testing.assert_close(together[index : index + 1], alone)


def test_the_memory_is_torchs_gru() -> None:
    shape, flat = network(8, 1, normalise=False)
    parameters = shape.layout.views(flat)
    cell = nn.GRUCell(12, 8)
    with torch.no_grad():
        cell.weight_ih.copy_(parameters["gru_input.weight"][0].T)
        cell.bias_ih.copy_(parameters["gru_input.bias"][0, 0])
        cell.weight_hh.copy_(parameters["gru_hidden.weight"][0].T)
        cell.bias_hh.copy_(parameters["gru_hidden.bias"][0, 0])
    inputs, memory = torch.randn(1, 5, 6), torch.randn(1, 5, 8)
    hidden = inputs[0]
    for index in range(2):
        weight, bias = parameters[f"dense{index}.weight"][0], parameters[f"dense{index}.bias"][0]
        hidden = torch.relu(hidden @ weight + bias)
    _, found = shape.step(parameters, inputs, memory)
    torch.testing.assert_close(found[0], cell(hidden, memory[0]))


def test_the_start_is_orthogonal_with_a_small_head() -> None:
    config = SequenceConfig(hidden=(16,), memory=16, activation=Activation.TANH)
    shape = SequenceNetwork(16, 5, config, head_gain=0.01)
    parameters = shape.layout.views(shape.initial(torch.Generator().manual_seed(0), 2))
    eye = torch.eye(16).expand(2, 16, 16)
    first = parameters["dense0.weight"]
    torch.testing.assert_close(first @ first.transpose(1, 2), eye * (5 / 3) ** 2, rtol=1e-4, atol=1e-5)
    for gate in parameters["gru_hidden.weight"].chunk(3, dim=-1):
        torch.testing.assert_close(gate @ gate.transpose(1, 2), eye, rtol=1e-4, atol=1e-5)
    head = parameters["head.weight"]
    torch.testing.assert_close(head.transpose(1, 2) @ head, torch.eye(5).expand(2, 5, 5) * 1e-4, rtol=1e-4, atol=1e-8)
    assert torch.equal(parameters["norm0.weight"], torch.ones(2, 1, 16))
    assert not torch.equal(first[0], first[1])
