"""Networks for sequences: input normalisation, dense layers, an optional GRU, one linear head; weights stacked.

What centralised training with decentralised execution is built of: an agent's policy, its Q-values and a critic are
each one of these with an output of their own. A stack holds P networks of one shape: 1 where agents share parameters,
one an agent where they do not, or one a player where many frozen teams are evaluated together.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from agents.core import Parameters
from agents.networks import Layout
from agents.team_settings import Activation, SequenceConfig

GAINS = {Activation.RELU: math.sqrt(2.0), Activation.TANH: 5 / 3}


class SequenceNetwork:
    """A stack of networks that map sequences to sequences.

    Args:
        inputs: F, numbers of one input.
        outputs: K, numbers of one output.
        config: what stands between.
        head_gain: of the head's orthogonal start; 0.01 lets a policy begin nearly uniform.
    """

    def __init__(self, inputs: int, outputs: int, config: SequenceConfig, head_gain: float = 1.0) -> None:
        self.inputs, self.outputs, self.config = inputs, outputs, config
        self.layout = Layout()
        gain = GAINS[config.activation]
        if config.normalise:
            self._add_norm("input_norm", inputs)
        width = inputs
        for index, hidden in enumerate(config.hidden):
            self._add_dense(f"dense{index}", width, hidden, gain)
            if config.normalise:
                self._add_norm(f"norm{index}", hidden)
            width = hidden
        if config.memory:
            self._add_dense("gru_input", width, 3 * config.memory, 1.0)
            self._add_dense("gru_hidden", config.memory, 3 * config.memory, 1.0)
            if config.normalise:
                self._add_norm("memory_norm", config.memory)
            width = config.memory
        self._add_dense("head", width, outputs, head_gain)

    def _add_dense(self, name: str, inputs: int, outputs: int, gain: float) -> None:
        self.layout.add(f"{name}.weight", (inputs, outputs), gain)
        self.layout.add(f"{name}.bias", (1, outputs), 0.0)

    def _add_norm(self, name: str, width: int) -> None:
        self.layout.add(f"{name}.weight", (1, width), 0.0)
        self.layout.add(f"{name}.bias", (1, width), 0.0)

    def initial(self, generator: torch.Generator, stack: int = 1) -> Tensor:
        """Fresh weights: float32 [P, D] on the CPU; orthogonal (Saxe et al. 2014), biases zero, scales one."""
        flat = torch.zeros(stack, self.layout.width)
        for name, view in self.layout.views(flat).items():
            if "norm" in name and name.endswith(".weight"):
                view.fill_(1.0)
            elif gain := self.layout.slots[name].gain:
                # Each gate of a GRU is a matrix of its own.
                parts = view.chunk(3, dim=-1) if name.startswith("gru") else (view,)
                for row in (row for part in parts for row in part):
                    row.copy_(torch.nn.init.orthogonal_(torch.empty_like(row), gain, generator=generator))
        return flat

    def initial_memory(self, stack: int, batch: int, device: torch.device | str = "cpu") -> Tensor:
        """Zeros [P, S, M]; 0 wide where the network has no memory."""
        return torch.zeros(stack, batch, self.config.memory, device=device)

    def step(self, parameters: Parameters, inputs: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """One step of every sequence.

        Args:
            parameters: tensors [P, ...].
            inputs: [P, S, F].
            memory: [P, S, M].

        Returns:
            [P, S, K] and the next memory [P, S, M].
        """
        hidden = self._before_memory(parameters, inputs)
        if self.config.memory:
            memory = _gru(parameters, _dense(parameters, "gru_input", hidden), memory)
            hidden = self._norm(parameters, "memory_norm", memory)
        return _dense(parameters, "head", hidden), memory

    def unroll(self, parameters: Parameters, inputs: Tensor, memory: Tensor, ended: Tensor) -> Tensor:
        """T steps at once, which is what T calls of `step` give.

        Args:
            parameters: tensors [P, ...].
            inputs: [P, T, S, F].
            memory: [P, S, M], before the first step.
            ended: bool [T, S]: the sequence's episode ends after this step, and the memory begins anew.

        Returns:
            [P, T, S, K].
        """
        stack, horizon, batch = inputs.shape[:3]
        hidden = self._before_memory(parameters, inputs.flatten(1, 2))
        if self.config.memory:
            # Only what depends on the step before is left to the loop.
            gates = _dense(parameters, "gru_input", hidden).view(stack, horizon, batch, -1)
            keep = (~ended).to(inputs.dtype).unsqueeze(-1)
            memories = []
            for step in range(horizon):
                memory = _gru(parameters, gates[:, step], memory)
                memories.append(memory)
                memory = memory * keep[step]
            hidden = self._norm(parameters, "memory_norm", torch.stack(memories, dim=1).flatten(1, 2))
        return _dense(parameters, "head", hidden).view(stack, horizon, batch, -1)

    def _before_memory(self, parameters: Parameters, hidden: Tensor) -> Tensor:
        """[P, S, F] -> [P, S, width of the last dense layer]."""
        hidden = self._norm(parameters, "input_norm", hidden)
        for index in range(len(self.config.hidden)):
            hidden = _dense(parameters, f"dense{index}", hidden)
            hidden = functional.relu(hidden) if self.config.activation is Activation.RELU else torch.tanh(hidden)
            hidden = self._norm(parameters, f"norm{index}", hidden)
        return hidden

    def _norm(self, parameters: Parameters, name: str, hidden: Tensor) -> Tensor:
        if not self.config.normalise:
            return hidden
        weight, bias = parameters[f"{name}.weight"], parameters[f"{name}.bias"]
        if len(weight) == 1:
            return functional.layer_norm(hidden, hidden.shape[-1:], weight[0, 0], bias[0, 0])
        return torch.addcmul(bias, functional.layer_norm(hidden, hidden.shape[-1:]), weight)


def _dense(parameters: Parameters, name: str, hidden: Tensor) -> Tensor:
    weight, bias = parameters[f"{name}.weight"], parameters[f"{name}.bias"]
    if len(weight) == 1:  # a stack of one: the plain product is faster than a batched one, forward and backward
        return torch.addmm(bias[0], hidden[0], weight[0]).unsqueeze(0)
    return torch.baddbmm(bias, hidden, weight)


def _gru(parameters: Parameters, gates: Tensor, memory: Tensor) -> Tensor:
    """A GRU cell (Cho et al. 2014) from its input's share of the gates [P, S, 3 M] and the memory [P, S, M]."""
    reset_in, update_in, new_in = gates.chunk(3, dim=-1)
    reset_mem, update_mem, new_mem = _dense(parameters, "gru_hidden", memory).chunk(3, dim=-1)
    update = torch.sigmoid(update_in + update_mem)
    new = torch.tanh(new_in + torch.sigmoid(reset_in + reset_mem) * new_mem)
    return new + update * (memory - new)
