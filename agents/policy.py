"""A trained policy as a player of matches."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from agents.checkpoint import CheckpointError, CheckpointMisfitError, check_tensors, read_checkpoint
from agents.core import Parameters
from agents.networks import Network
from agents.play import sample
from agents.settings import NetworkConfig
from arenas.core import Arena, ArenaSpec, Observation

LARGEST = 1e8
"""Of a logit that is played by. Weights may be such that it is infinite, and an action is legal all the same."""


class PolicyAgent:
    """Plays one policy; every environment of the batch has its own memory.

    Args:
        spec: the arena.
        network: the policy's shape.
        parameters: its weights, without the stack's dimension.
        temperature: of the softmax; 0 plays the most likely legal action, 1 the policy as it was trained.
    """

    def __init__(self, spec: ArenaSpec, network: Network, parameters: Parameters, temperature: float = 1.0) -> None:
        if temperature < 0:
            raise ValueError(f"temperature: {temperature} is negative; 0 plays the most likely action")
        self.spec, self.network, self.temperature = spec, network, temperature
        self._parameters = {name: tensor.float().unsqueeze(0) for name, tensor in parameters.items()}
        self._memory: Tensor | None = None

    def begin(self, batch: int, device: torch.device) -> None:
        self._parameters = {name: tensor.to(device) for name, tensor in self._parameters.items()}
        self._memory = self.network.initial_memory(1, batch, torch.float32, device)

    @torch.inference_mode()
    def act(self, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
        seen, mask = observation
        output = self.network.apply(self._parameters, seen.float().unsqueeze(0), self._memory)
        if self._memory is not None and output.memory is not None:
            self._memory = torch.where(live.view(1, -1, 1), output.memory, self._memory)
        logits = (output.logits[0] / (self.temperature or 1.0)).clamp(-LARGEST, LARGEST)
        if self.temperature == 0:
            return torch.where(mask, logits, -torch.inf).argmax(-1)
        return sample(logits, mask, uniforms)[0]

    @torch.inference_mode()
    def probabilities(self, observation: Observation) -> Tensor:
        """The policy itself, float32 [B, A], without the temperature; for networks without memory."""
        output = self.network.apply(self._parameters, observation.observation.float().unsqueeze(0))
        return torch.where(observation.action_mask, output.logits[0], -torch.inf).softmax(-1)


def load_agent(
    path: Path, arena: Arena, device: torch.device | str = "cpu", temperature: float | None = None
) -> PolicyAgent:
    """The agent in a checkpoint.

    Args:
        path: the file; one that carries a checkpoint's name must also have its content.
        arena: the arena that it is to play.
        device: where it computes.
        temperature: overrides the checkpoint's own.

    Raises:
        CheckpointMisfitError: made for another arena.
        CheckpointError: missing or damaged, or its tensors are not those of its network.
    """
    parameters, manifest = read_checkpoint(path)
    spec = arena.spec
    if (manifest.arena, tuple(manifest.observation_shape), manifest.num_actions) != (
        spec.name, spec.observation_shape, spec.num_actions,
    ):  # fmt: skip
        raise CheckpointMisfitError(
            path,
            f"plays {manifest.arena} (observation {list(manifest.observation_shape)}, "
            f"{manifest.num_actions} actions), not {spec.name} (observation {list(spec.observation_shape)}, "
            f"{spec.num_actions} actions)",
        )
    try:
        network = Network(NetworkConfig.model_validate(manifest.network), spec.observation_shape, spec.num_actions)
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(path, f"its manifest describes no network for {spec.name}: {reason}") from error
    check_tensors(parameters, network.layout.shapes(), path)
    placed = {name: tensor.to(device) for name, tensor in parameters.items()}
    return PolicyAgent(spec, network, placed, manifest.temperature if temperature is None else temperature)
