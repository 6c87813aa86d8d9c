"""Rows for the lanes: a checkpoint fits into one only where its tensors are those of the league's network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from agents.checkpoint import CheckpointError, CheckpointStore, Manifest
from agents.core import Parameters
from agents.networks import Network
from agents.settings import NetworkConfig
from league.weights import LiveWeights, OpponentWeights
from matchmaking.records import Kind, Player

NETWORK = Network(NetworkConfig(hidden=(16,)), (3,), 2)
WEIGHTS = torch.randn(1, NETWORK.layout.width, generator=torch.Generator().manual_seed(0))


def tensors() -> Parameters:
    return {name: view[0].clone() for name, view in NETWORK.layout.views(WEIGHTS).items()}


def opponents(folder: Path, parameters: Parameters) -> tuple[OpponentWeights, CheckpointStore, str]:
    """The source of weights of a league with one frozen player, `p_1`."""
    store = CheckpointStore(folder)
    manifest = Manifest(arena="toy", observation_shape=(3,), num_actions=2, network={})
    sha = store.save(parameters, manifest)
    frozen = Player(id="p_1", name="main_agent-1.v0", kind=Kind.FROZEN, checkpoint=sha)
    initial = torch.zeros(NETWORK.layout.width)
    return OpponentWeights(NETWORK, store, LiveWeights(folder / "live"), lambda _: frozen, initial), store, sha


def test_a_checkpoint_becomes_the_row_that_it_was_frozen_from(tmp_path: Path) -> None:
    source, store, sha = opponents(tmp_path, tensors())
    for name, view in NETWORK.layout.views(source("p_1").unsqueeze(0)).items():
        assert torch.equal(view[0], tensors()[name])
    store.path(sha).unlink()
    assert source("p_1").any()  # kept: the file is read once


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"head.bias": None}, r"tensor head\.bias is missing; the network has it in shape \[1, 3\]"),
        (
            {"dense0.weight": torch.zeros(3, 17)},
            r"tensor dense0\.weight has shape \[3, 17\]; the network has it in \[3, 16\]",
        ),
        # Each of these would be spread over the row without a word.
        ({"dense0.bias": torch.zeros(1, 1)}, r"tensor dense0\.bias has shape \[1, 1\]; .* in \[1, 16\]"),
        ({"dense0.bias": torch.zeros(16)}, r"tensor dense0\.bias has shape \[16\]; .* in \[1, 16\]"),
        ({"dense1.bias": torch.zeros(1, 4)}, r"tensor dense1\.bias of shape \[1, 4\] has no place in the network"),
    ],
)
def test_tensors_of_another_network_are_named(
    change: dict[str, torch.Tensor | None], message: str, tmp_path: Path
) -> None:
    changed = tensors() | change
    source, store, sha = opponents(tmp_path, {name: tensor for name, tensor in changed.items() if tensor is not None})
    with pytest.raises(CheckpointError, match=message) as raised:
        source("p_1")
    assert raised.value.path == store.path(sha)
