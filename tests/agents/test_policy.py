"""A trained policy as a player: what it plays, what it says of itself, and checkpoints that cannot be it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

import arenas
from agents.checkpoint import CheckpointError, CheckpointStore, Manifest
from agents.core import Parameters
from agents.networks import Network
from agents.policy import PolicyAgent, load_agent
from agents.settings import NetworkConfig
from agents.stack import PolicyStack
from arenas.core import Arena, Observation
from arenas.match import play_matches

CPU = torch.device("cpu")
CONFIG = NetworkConfig(hidden=(16, 8))
BATCH = 512


def live_weights(arena: Arena, config: NetworkConfig = CONFIG) -> tuple[Network, Tensor]:
    """A network and weights [1, D] whose policy is far from uniform."""
    network = Network(config, arena.spec.observation_shape, arena.spec.num_actions)
    generator = torch.Generator().manual_seed(0)
    weights = network.initial(generator)
    return network, weights + 0.5 * torch.randn(weights.shape, generator=generator)


def one_policy(network: Network, weights: Tensor) -> Parameters:
    return {name: view[0] for name, view in network.layout.views(weights).items()}


def manifest(arena: Arena, config: NetworkConfig = CONFIG, temperature: float = 1.0) -> Manifest:
    return Manifest(
        arena=arena.spec.name,
        observation_shape=arena.spec.observation_shape,
        num_actions=arena.spec.num_actions,
        network=config.model_dump(mode="json"),
        temperature=temperature,
    )


def agent(arena: Arena, temperature: float = 1.0, config: NetworkConfig = CONFIG) -> PolicyAgent:
    network, weights = live_weights(arena, config)
    made = PolicyAgent(arena.spec, network, one_policy(network, weights), temperature)
    made.begin(BATCH, CPU)
    return made


def midgame(arena: Arena, batch: int = BATCH) -> Observation:
    """Tic-tac-toe after three random moves: different boards, six legal actions each."""
    generator = torch.Generator().manual_seed(1)
    state = arena.reset(torch.zeros(batch, 0))
    for _ in range(3):
        legal = arena.observe(state).action_mask
        state = arena.step(state, torch.multinomial(legal.float(), 1, generator=generator)[:, 0]).state
    return arena.observe(state)


def uniforms(seed: int, batch: int = BATCH, actions: int = 9) -> Tensor:
    return torch.rand(batch, actions, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def board() -> Arena:
    return arenas.make("tic_tac_toe")


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    return CheckpointStore(tmp_path / "checkpoints")


EVERYWHERE = torch.ones(BATCH, dtype=torch.bool)


def test_temperature_zero_plays_the_most_likely_legal_action(board: Arena) -> None:
    observation = midgame(board)
    player = agent(board, temperature=0.0)
    chosen = player.act(observation, uniforms(0), EVERYWHERE)
    assert torch.equal(chosen, player.probabilities(observation).argmax(-1))
    assert observation.action_mask.gather(1, chosen[:, None]).all()
    assert torch.equal(chosen, player.act(observation, uniforms(1), EVERYWHERE))  # chance plays no part
    assert len(set(chosen.tolist())) > 3


def test_the_same_uniforms_give_the_same_actions_and_others_give_others(board: Arena) -> None:
    observation, player = midgame(board), agent(board)
    first = player.act(observation, uniforms(0), EVERYWHERE)
    assert torch.equal(first, agent(board).act(observation, uniforms(0), EVERYWHERE))
    assert not torch.equal(first, player.act(observation, uniforms(1), EVERYWHERE))
    part = Observation(observation.observation[:7], observation.action_mask[:7])
    alone = player.act(part, uniforms(0)[:7], EVERYWHERE[:7])
    assert torch.equal(alone, first[:7])  # whatever else is in the batch


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_actions_follow_the_policy_at_its_temperature(board: Arena, temperature: float) -> None:
    one = midgame(board, 1)
    many = Observation(one.observation.expand(40_000, -1, -1, -1), one.action_mask.expand(40_000, -1))
    player = agent(board, temperature)
    chosen = player.act(many, uniforms(3, 40_000), torch.ones(40_000, dtype=torch.bool))
    sharpened = player.probabilities(one)[0] ** (1 / temperature)
    found = torch.bincount(chosen, minlength=9) / 40_000
    torch.testing.assert_close(found, sharpened / sharpened.sum(), atol=0.01, rtol=0)
    assert (
        found.max() - found[one.action_mask[0]].min() > 0.1
    )  # far from uniform, so that the comparison says something


def test_probabilities_are_a_distribution_over_the_legal_actions(board: Arena) -> None:
    observation = midgame(board)
    found = agent(board).probabilities(observation)
    torch.testing.assert_close(found.sum(-1), torch.ones(BATCH))
    assert (found[~observation.action_mask] == 0).all()
    assert (found[observation.action_mask] > 0).all()


def test_a_negative_temperature_is_refused(board: Arena) -> None:
    with pytest.raises(ValueError, match=r"temperature: -1\.0 is negative"):
        agent(board, -1.0)


def test_memory_belongs_to_an_environment_stands_still_with_it_and_begins_empty() -> None:
    arena = arenas.make("rock_paper_scissors", rounds=5)
    observation = arena.observe(arena.reset(torch.zeros(BATCH, 0)), agent=0)
    player = agent(arena, 0.0, NetworkConfig(hidden=(8,), memory=4))
    live = torch.arange(BATCH) % 2 == 0
    player.act(observation, uniforms(0, actions=3), live)
    memory = player._memory
    assert memory is not None
    assert (memory[0, ~live] == 0).all()
    assert (memory[0, live] != 0).any(dim=-1).all()
    player.begin(BATCH, CPU)
    assert player._memory is not None
    assert (player._memory == 0).all()


def test_a_checkpoint_plays_as_the_live_network_does(board: Arena, store: CheckpointStore) -> None:
    network, weights = live_weights(board)
    sha = store.save(one_policy(network, weights), manifest(board, temperature=0.5))
    stack = PolicyStack(network, 1, torch.float32, CPU)
    stack.load(0, weights[0])
    weights.zero_()  # the file shares nothing with the live weights
    observation = midgame(board)
    logits = stack.evaluate(observation.observation).logits[0]
    expected = logits.masked_fill(~observation.action_mask, -torch.inf).softmax(-1)
    loaded = load_agent(store.path(sha), board)
    assert torch.equal(loaded.probabilities(observation), expected)
    assert loaded.temperature == 0.5
    assert load_agent(store.path(sha), board, temperature=0.0).temperature == 0.0


def test_a_checkpoint_of_another_arena_says_both(board: Arena, store: CheckpointStore) -> None:
    network, weights = live_weights(board)
    sha = store.save(one_policy(network, weights), manifest(board))
    with pytest.raises(CheckpointError, match=r"plays tic_tac_toe .*9 actions\), not connect_four .*7 actions\)"):
        load_agent(store.path(sha), arenas.make("connect_four"))


def test_tensors_that_are_not_the_networks_own_are_named(board: Arena, store: CheckpointStore) -> None:
    network, weights = live_weights(board)
    good = one_policy(network, weights)
    inputs = good["dense0.weight"].shape[0]
    cases: dict[str, Parameters] = {
        r"tensor head\.bias is missing; the network has it in shape \[1, 10\]": {
            name: tensor for name, tensor in good.items() if name != "head.bias"
        },
        rf"tensor dense0\.weight has shape \[{inputs}, 17\]; the network has it in \[{inputs}, 16\]": good
        | {"dense0.weight": torch.zeros(inputs, 17)},
        r"tensor dense9\.bias of shape \[1, 4\] has no place in the network": good | {"dense9.bias": torch.zeros(1, 4)},
        r"tensor head\.bias is torch\.int64; weights are saved as torch\.float32": good
        | {"head.bias": torch.zeros(1, 10, dtype=torch.int64)},
    }
    for message, tensors in cases.items():
        sha = store.save(tensors, manifest(board))
        with pytest.raises(CheckpointError, match=message) as raised:
            load_agent(store.path(sha), board)
        assert raised.value.path == store.path(sha)


def test_a_manifest_without_a_network_is_an_error_of_the_checkpoint(board: Arena, store: CheckpointStore) -> None:
    network, weights = live_weights(board)
    strange = manifest(board).model_copy(update={"network": {"hidden": "many"}})
    sha = store.save(one_policy(network, weights), strange)
    with pytest.raises(CheckpointError, match=r"describes no network for tic_tac_toe: .*hidden"):
        load_agent(store.path(sha), board)


@pytest.mark.parametrize("value", [torch.inf, -torch.inf, torch.nan, 3e38, -3e38])
@pytest.mark.parametrize("temperature", [0.0, 1e-300, 1.0, torch.inf])
def test_whatever_its_weights_are_it_plays_by_the_rules(
    board: Arena, store: CheckpointStore, value: float, temperature: float
) -> None:
    network, weights = live_weights(board)
    strange = {name: torch.full_like(each, value) for name, each in one_policy(network, weights).items()}
    sha = store.save(strange, manifest(board))
    agent = load_agent(store.path(sha), board, temperature=temperature)
    play_matches(board, [agent, agent], torch.arange(4))  # the referee refuses an illegal action
