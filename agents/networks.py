"""Networks whose weights are stacked: one call evaluates P policies of the same shape.

Weights live outside of the network, in a flat buffer [P, D] a stack (`Layout`), so that a snapshot, a lane's change of
opponent, a cast of the precision and an optimiser's step are each one operation on a row or on the whole buffer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from agents.core import Output, Parameters
from agents.settings import NetworkConfig, Trunk

POLICY_GAIN = 0.01  # of the policy's columns of the head: play starts nearly uniform
ALIGNMENT = 32  # elements; rows of a flat buffer keep every tensor on a 64-byte border in bf16


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a tensor stands in a row of the flat buffer, and the gain of its orthogonal start (0: zeros)."""

    start: int
    shape: tuple[int, ...]
    gain: float

    @property
    def size(self) -> int:
        return math.prod(self.shape)


class Layout:
    """Names and places of a network's tensors in a row of a flat buffer [P, D]."""

    def __init__(self) -> None:
        self.slots: dict[str, Slot] = {}
        self.width = 0

    def add(self, name: str, shape: tuple[int, ...], gain: float) -> None:
        slot = Slot(self.width, shape, gain)
        self.slots[name] = slot
        self.width += math.ceil(slot.size / ALIGNMENT) * ALIGNMENT

    def shapes(self, *stack: int) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor, behind the dimensions of a stack."""
        return {name: (*stack, *slot.shape) for name, slot in self.slots.items()}

    def views(self, flat: Tensor) -> Parameters:
        """The tensors [P, *shape] as views of `flat` [P, D]."""
        return {
            name: flat[:, slot.start : slot.start + slot.size].view(len(flat), *slot.shape)
            for name, slot in self.slots.items()
        }

    def pack(self, parameters: Parameters, out: Tensor) -> None:
        """Write tensors [P, *shape] into the flat buffer `out` [P, D]; the padding between them is left alone."""
        for name, view in self.views(out).items():
            view.copy_(parameters[name])


class Network:
    """An actor-critic network over a discrete action space.

    Args:
        config: its shape.
        observation_shape: shape of one observation.
        num_actions: A.

    Raises:
        ValueError: when a convolution is asked for and the observation is not [planes, rows, columns].
    """

    def __init__(self, config: NetworkConfig, observation_shape: tuple[int, ...], num_actions: int) -> None:
        self.config = config
        self.observation_shape = tuple(observation_shape)
        self.num_actions = num_actions
        self.layout = Layout()
        relu = math.sqrt(2.0)
        if config.trunk is Trunk.CONV:
            width = self._add_convolutions(relu)
        elif config.channels:
            raise ValueError("network.channels: an mlp trunk has none; set network.trunk = 'conv' or leave them out")
        else:
            width = math.prod(observation_shape)
        for index, hidden in enumerate(config.hidden):
            self._add_dense(f"dense{index}", width, hidden, relu)
            width = hidden
        if config.memory:
            self._add_dense("gru_input", width, 3 * config.memory, 1.0)
            self._add_dense("gru_hidden", config.memory, 3 * config.memory, 1.0)
            width = config.memory
        # Policy and value are columns of one layer: two skinny products cost nearly twice as much as one.
        self._add_dense("head", width, num_actions + 1, 1.0)

    @property
    def recurrent(self) -> bool:
        return self.config.memory > 0

    def _add_dense(self, name: str, inputs: int, outputs: int, gain: float) -> None:
        self.layout.add(f"{name}.weight", (inputs, outputs), gain)
        self.layout.add(f"{name}.bias", (1, outputs), 0.0)

    def _add_convolutions(self, gain: float) -> int:
        if len(self.observation_shape) != 3:
            raise ValueError(
                f"network.trunk: 'conv' needs observations of shape [planes, rows, columns], this arena's are "
                f"{list(self.observation_shape)}; use 'mlp'"
            )
        if not self.config.channels:
            raise ValueError("network.trunk: 'conv' needs network.channels, one number a layer")
        if self.config.padding and self.config.kernel % 2 == 0:
            raise ValueError("network.kernel: an even kernel cannot keep the board's size; set network.padding = false")
        planes, rows, columns = self.observation_shape
        kernel = self.config.kernel
        for index, channels in enumerate(self.config.channels):
            self.layout.add(f"conv{index}.weight", (channels, planes, kernel, kernel), gain)
            self.layout.add(f"conv{index}.bias", (channels,), 0.0)
            planes = channels
            if not self.config.padding:
                rows, columns = rows - kernel + 1, columns - kernel + 1
        if min(rows, columns) < 1:
            raise ValueError(
                f"network.kernel: {len(self.config.channels)} layers of {kernel} x {kernel} without padding leave "
                f"nothing of a board of {self.observation_shape[1]} x {self.observation_shape[2]}"
            )
        return planes * rows * columns

    def initial(self, generator: torch.Generator, stack: int = 1) -> Tensor:
        """Fresh weights: float32 [P, D] on the CPU; orthogonal (Saxe et al. 2014), biases zero."""
        flat = torch.zeros(stack, self.layout.width)
        for name, view in self.layout.views(flat).items():
            gain = self.layout.slots[name].gain
            if gain:
                for row in view:
                    rows = row.flatten(1) if row.dim() > 2 else row  # convolutions: [out, in * k * k]
                    torch.nn.init.orthogonal_(rows, gain, generator=generator)
        self.layout.views(flat)["head.weight"][..., :-1] *= POLICY_GAIN
        return flat

    def initial_memory(self, stack: int, batch: int, dtype: torch.dtype, device: torch.device) -> Tensor | None:
        """Zeros [P, S, M], or None where the network has no memory."""
        if not self.recurrent:
            return None
        return torch.zeros(stack, batch, self.config.memory, dtype=dtype, device=device)

    def apply(self, parameters: Parameters, observation: Tensor, memory: Tensor | None = None) -> Output:
        """Evaluate a stack of policies.

        Args:
            parameters: tensors [P, ...] in the compute dtype.
            observation: [P, S, *observation_shape] in the same dtype.
            memory: [P, S, M] for a recurrent network.

        Returns:
            Logits and values in float32, and the next memory.
        """
        stack, batch = observation.shape[:2]
        if self.config.trunk is Trunk.CONV:
            hidden = self._convolve(parameters, observation)
        else:
            hidden = observation.reshape(stack, batch, -1)
        for index in range(len(self.config.hidden)):
            hidden = functional.relu(_dense(parameters, f"dense{index}", hidden))
        if self.recurrent:
            assert memory is not None, "a recurrent network is called with its memory"
            hidden = memory = self._remember(parameters, hidden, memory)
        head = _dense(parameters, "head", hidden).float()
        return Output(head[..., :-1], head[..., -1], memory)

    def _convolve(self, parameters: Parameters, observation: Tensor) -> Tensor:
        """[P, S, C, H, W] -> [P, S, H * W * C']: the stack is the groups of one grouped convolution."""
        stack, batch, planes, rows, columns = observation.shape
        images = observation.transpose(0, 1).reshape(batch, stack * planes, rows, columns)
        images = images.contiguous(memory_format=torch.channels_last)
        padding = self.config.kernel // 2 if self.config.padding else 0
        for index in range(len(self.config.channels)):
            weight = parameters[f"conv{index}.weight"].flatten(0, 1)
            bias = parameters[f"conv{index}.bias"].flatten()
            images = functional.relu(functional.conv2d(images, weight, bias, padding=padding, groups=stack))
        rows, columns = images.shape[2:]
        pixels = images.permute(0, 2, 3, 1).reshape(batch, rows * columns, stack, -1)
        return pixels.permute(2, 0, 1, 3).reshape(stack, batch, -1)

    def _remember(self, parameters: Parameters, hidden: Tensor, memory: Tensor) -> Tensor:
        """A GRU cell (Cho et al. 2014), batched over the stack."""
        reset_in, update_in, new_in = _dense(parameters, "gru_input", hidden).chunk(3, dim=-1)
        reset_mem, update_mem, new_mem = _dense(parameters, "gru_hidden", memory).chunk(3, dim=-1)
        update = torch.sigmoid(update_in + update_mem)
        new = torch.tanh(new_in + torch.sigmoid(reset_in + reset_mem) * new_mem)
        return new + update * (memory - new)


def _dense(parameters: Parameters, name: str, hidden: Tensor) -> Tensor:
    weight, bias = parameters[f"{name}.weight"], parameters[f"{name}.bias"]
    if len(weight) == 1:  # a stack of one: the plain product is faster than a batched one, forward and backward
        return torch.addmm(bias[0], hidden[0], weight[0]).unsqueeze(0)
    return torch.baddbmm(bias, hidden, weight)
