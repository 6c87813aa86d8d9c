"""Unrolled equals stepwise; a stack equals its networks one by one; the optimiser equals torch's."""

from __future__ import annotations

import pytest
import torch

from agents.teams.networks import TeamNetwork, Trained
from agents.teams.settings import Start, TeamNetworkConfig


@pytest.mark.parametrize("stack", [1, 3])
@pytest.mark.parametrize("memory", [0, 8])
@pytest.mark.parametrize("normalise", [False, True])
def test_unrolling_equals_stepping(stack: int, memory: int, normalise: bool) -> None:
    config = TeamNetworkConfig(hidden=(6, 7), memory=memory, normalise=normalise)
    network, generator = TeamNetwork(config, 5, 4), torch.Generator().manual_seed(0)
    views = network.layout.views(network.initial(generator, stack))
    parameters = {name: view.clone().requires_grad_() for name, view in views.items()}
    inputs = torch.randn(stack, 9, 2, 5, generator=generator)
    unrolled = network.unroll(parameters, inputs)
    held = network.initial_memory(stack, 2, torch.device("cpu"))
    steps = []
    for step in inputs.unbind(1):
        out, held = network.apply(parameters, step, held)
        steps.append(out)
    torch.testing.assert_close(unrolled, torch.stack(steps, dim=1))
    leaves = list(parameters.values())  # and so are the gradients, through all the steps
    expected = torch.autograd.grad(torch.stack(steps, dim=1).square().sum(), leaves)
    torch.testing.assert_close(torch.autograd.grad(unrolled.square().sum(), leaves), expected)
    if memory:  # and the memory matters: the last step alone is something else
        alone, _ = network.apply(parameters, inputs[:, -1], network.initial_memory(stack, 2, torch.device("cpu")))
        assert not torch.allclose(unrolled[:, -1], alone, atol=1e-3)


@pytest.mark.parametrize("stack", [1, 3])
@pytest.mark.parametrize("memory", [0, 8])
def test_steps_that_do_not_matter_change_nothing(stack: int, memory: int) -> None:
    network = TeamNetwork(TeamNetworkConfig(hidden=(6, 7), memory=memory), 5, 4)
    generator = torch.Generator().manual_seed(0)
    views = network.layout.views(network.initial(generator, stack))
    parameters = {name: view.clone().requires_grad_() for name, view in views.items()}
    inputs = torch.randn(stack, 9, 4, 5, generator=generator)
    matters = torch.arange(9)[:, None] < torch.tensor([9, 1, 4, 6])
    few, full = (network.unroll(parameters, inputs, given) * matters[..., None] for given in (matters, None))
    torch.testing.assert_close(few, full)
    leaves = list(parameters.values())
    expected = torch.autograd.grad(full.square().sum(), leaves)
    torch.testing.assert_close(torch.autograd.grad(few.square().sum(), leaves), expected)


def test_the_memory_is_torchs_gru() -> None:
    network = TeamNetwork(TeamNetworkConfig(hidden=(), memory=8), 5, 4)
    parameters = network.layout.views(network.initial(torch.Generator().manual_seed(1)))
    cell = torch.nn.GRU(5, 8)
    names = {"weight_ih_l0": "gru_input.weight", "weight_hh_l0": "gru_hidden.weight"}
    names |= {"bias_ih_l0": "gru_input.bias", "bias_hh_l0": "gru_hidden.bias"}
    with torch.no_grad():
        for name, mine in names.items():
            getattr(cell, name).copy_(parameters[mine][0].T.reshape(getattr(cell, name).shape))
    inputs = torch.randn(6, 2, 5)
    memories, _ = cell(inputs)
    expected = memories @ parameters["head.weight"][0] + parameters["head.bias"][0]
    torch.testing.assert_close(network.unroll(parameters, inputs.unsqueeze(0))[0], expected)


def test_a_stack_is_its_networks_one_by_one() -> None:
    network = TeamNetwork(TeamNetworkConfig(hidden=(6,), memory=5), 4, 3)
    flat = network.initial(torch.Generator().manual_seed(2), 3)
    inputs = torch.randn(3, 7, 2, 4)
    together = network.unroll(network.layout.views(flat), inputs)
    for row in range(3):
        alone = network.unroll(network.layout.views(flat[row : row + 1].clone()), inputs[row : row + 1])
        torch.testing.assert_close(together[row], alone[0])


def test_weights_start_as_asked() -> None:
    fan_in = TeamNetwork(TeamNetworkConfig(hidden=(64,)), 16, 4)
    weight = fan_in.layout.views(fan_in.initial(torch.Generator()))["dense0.weight"]
    assert 0.24 < float(weight.detach().abs().max()) <= 0.25
    orthogonal = TeamNetwork(TeamNetworkConfig(hidden=(64,), start=Start.ORTHOGONAL), 16, 4, head_gain=0.01)
    views = orthogonal.layout.views(orthogonal.initial(torch.Generator()))
    torch.testing.assert_close(views["dense0.weight"][0] @ views["dense0.weight"][0].T, 2 * torch.eye(16))
    assert float(views["dense0.bias"].abs().max()) == 0
    assert float(views["head.weight"].norm(dim=1).max()) < 0.011


def test_the_optimiser_is_adam_with_a_clipped_norm_over_all_networks() -> None:
    networks = {"a": TeamNetwork(TeamNetworkConfig(hidden=(4,), memory=0), 3, 2)}
    networks["b"] = TeamNetwork(TeamNetworkConfig(hidden=(5,), memory=0), 2, 1)
    generator = torch.Generator().manual_seed(3)
    initial = {name: network.initial(generator) for name, network in networks.items()}
    trained = Trained({n: each.layout for n, each in networks.items()}, initial, torch.device("cpu"))
    mirror = {n: {k: v.detach().clone().requires_grad_() for k, v in p.items()} for n, p in trained.parameters.items()}
    leaves = [tensor for tensors in mirror.values() for tensor in tensors.values()]
    adam = torch.optim.Adam(leaves, lr=0.01)
    inputs = torch.randn(1, 1, 6, 3, generator=generator)
    for _ in range(5):

        def loss(parameters: dict[str, dict[str, torch.Tensor]]) -> torch.Tensor:
            middle = networks["a"].unroll(parameters["a"], inputs)
            return 20 * networks["b"].unroll(parameters["b"], middle).square().sum()

        norm = trained.step(loss(trained.parameters), 0.01, 0.5)
        adam.zero_grad()
        torch.autograd.backward(loss(mirror))
        expected = torch.nn.utils.clip_grad_norm_(leaves, 0.5)
        adam.step()
        torch.testing.assert_close(norm, expected)
    assert float(norm) > 0.5  # it was clipped
    for name, tensors in mirror.items():
        for key, tensor in tensors.items():
            torch.testing.assert_close(trained.parameters[name][key], tensor)
