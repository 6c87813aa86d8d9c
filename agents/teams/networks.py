"""Networks of a team's agents, stacked, and the flat buffer that weights of several networks are trained in.

A network's weights lie outside of it, in flat rows [P, D] (`agents.networks.Layout`): P is 1 where the agents share
one network and N where each has its own. Either way one call evaluates all agents.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from agents.core import Parameters
from agents.networks import Layout
from agents.teams.settings import Start, TeamNetworkConfig


class TeamNetwork:
    """Dense layers, a GRU (Cho et al. 2014) or not, and a linear head.

    Args:
        config: its shape.
        inputs: I.
        outputs: X, columns of the head.
        head_gain: scale of the head's first weights.
    """

    def __init__(self, config: TeamNetworkConfig, inputs: int, outputs: int, head_gain: float = 1.0) -> None:
        self.config, self.inputs, self.outputs = config, inputs, outputs
        self.layout = Layout()
        width = inputs
        if config.normalise:
            self.layout.add("norm.weight", (1, inputs), 0.0)
            self.layout.add("norm.bias", (1, inputs), 0.0)
        for index, hidden in enumerate(config.hidden):
            add_dense(self.layout, f"dense{index}", width, hidden, math.sqrt(2.0))
            width = hidden
        if config.memory:
            add_dense(self.layout, "gru_input", width, 3 * config.memory, 1.0)
            add_dense(self.layout, "gru_hidden", config.memory, 3 * config.memory, 1.0)
            width = config.memory
        add_dense(self.layout, "head", width, outputs, head_gain)

    @property
    def recurrent(self) -> bool:
        return self.config.memory > 0

    def initial(self, generator: torch.Generator, stack: int = 1) -> Tensor:
        """Fresh weights: float32 [P, D] on the CPU."""
        flat = initial_weights(self.layout, self.config.start, generator, stack)
        if self.config.normalise:
            self.layout.views(flat)["norm.weight"].fill_(1.0)
        return flat

    def initial_memory(self, stack: int, rows: int, device: torch.device) -> Tensor | None:
        """Zeros [P, S, M], or None where the network has no memory."""
        return torch.zeros(stack, rows, self.config.memory, device=device) if self.recurrent else None

    def apply(
        self, parameters: Parameters, inputs: Tensor, memory: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """One step.

        Args:
            parameters: tensors [P, ...].
            inputs: [P, S, I].
            memory: [P, S, M] for a recurrent network.

        Returns:
            [P, S, X], and the next memory.
        """
        hidden = self._encode(parameters, inputs)
        if self.recurrent:
            assert memory is not None, "a recurrent network is called with its memory"
            hidden = memory = _remember(parameters, dense(parameters, "gru_input", hidden), memory)
        return dense(parameters, "head", hidden), memory

    def unroll(self, parameters: Parameters, inputs: Tensor, matters: Tensor | None = None) -> Tensor:
        """Whole episodes from their first step on, the same as T times `apply`.

        Args:
            parameters: tensors [P, ...].
            inputs: [P, T, S, I].
            matters: bool [T, S]; elsewhere, such as behind an episode's end, any answer will do, and a network without
                a memory saves itself the work.

        Returns:
            [P, T, S, X].
        """
        stack, horizon, rows, _ = inputs.shape
        if matters is not None and not self.recurrent:
            picked = matters.flatten().nonzero()[:, 0]
            outputs, _ = self.apply(parameters, inputs.flatten(1, 2).index_select(1, picked))
            blank = outputs.new_zeros(stack, horizon * rows, self.outputs)
            return blank.index_copy(1, picked, outputs).view(stack, horizon, rows, -1)
        hidden = self._encode(parameters, inputs.flatten(1, 2))
        if self.recurrent:
            driven = dense(parameters, "gru_input", hidden).view(stack, horizon, rows, -1)
            memory = driven.new_zeros(stack, rows, self.config.memory)
            memories = []
            for step in driven.unbind(1):
                memory = _remember(parameters, step, memory)
                memories.append(memory)
            hidden = torch.stack(memories, dim=1).flatten(1, 2)
        return dense(parameters, "head", hidden).view(stack, horizon, rows, -1)

    def _encode(self, parameters: Parameters, hidden: Tensor) -> Tensor:
        if self.config.normalise:
            hidden = functional.layer_norm(hidden, hidden.shape[-1:])
            hidden = hidden * parameters["norm.weight"] + parameters["norm.bias"]
        for index in range(len(self.config.hidden)):
            hidden = functional.relu_(dense(parameters, f"dense{index}", hidden))  # its gradient needs the result only
        return hidden


def _remember(parameters: Parameters, driven: Tensor, memory: Tensor) -> Tensor:
    """A GRU's next memory from `driven` [P, S, 3 M], the part of its input, and the memory [P, S, M]."""
    width = memory.shape[-1]
    recalled = dense(parameters, "gru_hidden", memory)
    reset, update = torch.sigmoid(driven[..., : 2 * width] + recalled[..., : 2 * width]).chunk(2, dim=-1)
    new = torch.tanh(torch.addcmul(driven[..., 2 * width :], reset, recalled[..., 2 * width :]))
    return torch.lerp(new, memory, update)


def add_dense(layout: Layout, name: str, inputs: int, outputs: int, gain: float) -> None:
    """Give a linear layer its place."""
    layout.add(f"{name}.weight", (inputs, outputs), gain)
    layout.add(f"{name}.bias", (1, outputs), 0.0)


def dense(parameters: Parameters, name: str, hidden: Tensor) -> Tensor:
    """A linear layer: [P, S, I] -> [P, S, X]."""
    weight, bias = parameters[f"{name}.weight"], parameters[f"{name}.bias"]
    if len(weight) == 1:  # a plain product is faster than a batched one; the backward pass of `[0]` would copy
        return torch.addmm(bias.squeeze(0), hidden.squeeze(0), weight.squeeze(0)).unsqueeze(0)
    return torch.baddbmm(bias, hidden, weight)


def initial_weights(layout: Layout, start: Start, generator: torch.Generator, stack: int = 1) -> Tensor:
    """Fresh weights of every linear layer in `layout`: float32 [P, D] on the CPU."""
    flat = torch.zeros(stack, layout.width)
    views = layout.views(flat)
    for name, weight in views.items():
        gain = layout.slots[name].gain
        if not name.endswith(".weight") or not gain:
            continue
        if start is Start.FAN_IN:
            bound = 1 / math.sqrt(weight.shape[1])
            for tensor in (weight, views[name.removesuffix("weight") + "bias"]):
                tensor.uniform_(-bound, bound, generator=generator)
        else:
            for row in weight:
                torch.nn.init.orthogonal_(row, gain, generator=generator)
    return flat


class Trained:
    """Weights of one or more networks in one flat buffer, their gradients and Adam (Kingma & Ba 2015).

    Args:
        layouts: of the networks, by name.
        initial: float32 [P, D] of each; copied.
        device: where.

    Attributes:
        weights: float32 [D of all], the networks one after the other.
        parameters: for each network its tensors [P, *shape] as views of `weights`, which gradients are taken of.
        updates: int64 [], steps of the optimiser so far.
    """

    def __init__(self, layouts: Mapping[str, Layout], initial: Mapping[str, Tensor], device: torch.device) -> None:
        self._layouts, self._stacks = dict(layouts), {name: len(initial[name]) for name in layouts}
        self.weights = torch.cat([initial[name].flatten() for name in layouts]).to(device)
        self.gradient = torch.zeros_like(self.weights)
        self.first_moment = torch.zeros_like(self.weights)
        self.second_moment = torch.zeros_like(self.weights)
        self.updates = torch.zeros((), dtype=torch.int64)
        self.parameters = self.views(self.weights)
        gradients = self.views(self.gradient)
        self._leaves = [
            (tensor.requires_grad_(), gradients[name][key])
            for name, tensors in self.parameters.items()
            for key, tensor in tensors.items()
        ]

    def views(self, flat: Tensor) -> dict[str, Parameters]:
        """The networks' tensors as detached views of a buffer of the same size as `weights`."""
        found, start = {}, 0
        for name, layout in self._layouts.items():
            size = self._stacks[name] * layout.width
            found[name] = layout.views(flat.detach()[start : start + size].view(self._stacks[name], layout.width))
            start += size
        return found

    @torch.no_grad()
    def step(self, loss: Tensor, learning_rate: float, max_norm: float, epsilon: float = 1e-8) -> Tensor:
        """Go down the gradient of `loss`, clipped to a norm over all networks; the norm [] before clipping."""
        # Copied into their places: accumulated there, rows that do not lie side by side make autograd warn.
        gradients = torch.autograd.grad(loss, [leaf for leaf, _ in self._leaves])
        for (_, place), gradient in zip(self._leaves, gradients, strict=True):
            place.copy_(gradient)
        norm: Tensor = self.gradient.square().sum().sqrt()
        self.gradient.mul_((max_norm / (norm + 1e-6)).clamp(max=1.0))
        self.updates += 1
        count = int(self.updates)
        self.first_moment.lerp_(self.gradient, 0.1)
        self.second_moment.mul_(0.999).addcmul_(self.gradient, self.gradient, value=0.001)
        denominator = (self.second_moment.sqrt() / math.sqrt(1 - 0.999**count)).add_(epsilon)
        self.weights.addcdiv_(self.first_moment, denominator, value=-learning_rate / (1 - 0.9**count))
        return norm

    def tensors(self, prefix: str) -> dict[str, Tensor]:
        """What has to be saved, by name; views."""
        names = ("weights", "first_moment", "second_moment", "updates")
        return {f"{prefix}.{name}": getattr(self, name) for name in names}

    def load_tensors(self, prefix: str, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `tensors` gave.

        Raises:
            ValueError: it was saved for other shapes.
        """
        for name, tensor in self.tensors(prefix).items():
            if name not in tensors or tensors[name].shape != tensor.shape:
                raise ValueError(f"saved learner: {name} does not fit {list(tensor.shape)}; was the network changed?")
            tensor.copy_(tensors[name])
