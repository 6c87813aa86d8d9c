"""Rollouts over lanes: what is stored is what was played, and only whole episodes against one opponent count."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import arenas
from agents.networks import Network
from agents.rollout import Rollout
from agents.settings import NetworkConfig, RolloutConfig
from agents.stack import PolicyStack
from arenas.core import Arena, State, Step
from arenas.games.tic_tac_toe import TicTacToe

CPU = torch.device("cpu")
NATIVE = ("connect_four", "tic_tac_toe", "kuhn_poker", "leduc_poker", "rock_paper_scissors")


def make(
    game: str | Arena = "tic_tac_toe", learners: int = 2, memory: int = 0, seed: int = 0, **options: object
) -> tuple[Rollout, PolicyStack]:
    """A rollout of learners with random weights against opponents with other random weights."""
    arena = arenas.make(game) if isinstance(game, str) else game
    network = Network(NetworkConfig(hidden=(16,), memory=memory), arena.spec.observation_shape, arena.spec.num_actions)
    sizes = {"lanes": 4, "environments": 32, "horizon": 24} | options
    config = RolloutConfig.model_validate(sizes)
    generator = torch.Generator().manual_seed(seed)
    rollout = Rollout(arena, network, learners, config, torch.float32, CPU, generator)
    stack = PolicyStack(network, learners, torch.float32, CPU)
    weights = network.initial(generator, learners + learners * config.lanes)
    weights += 0.3 * torch.randn(weights.shape, generator=generator)
    for row in range(learners):
        stack.load(row, weights[row])
    for row in range(learners * config.lanes):
        rollout.assign(row, weights[learners + row])
    return rollout, stack


@pytest.mark.parametrize("memory", [0, 6])
@pytest.mark.parametrize("arena", NATIVE)
def test_stored_probabilities_are_those_of_the_policy(arena: str, memory: int) -> None:
    rollout, stack = make(arena, memory=memory)
    for _ in range(2):
        experience = rollout.collect(stack)
    for step in range(rollout.config.horizon):
        held = None if experience.memory is None else experience.memory[:, step]
        output = rollout.network.apply(stack.parameters, experience.observation[:, step], held)
        policy = torch.where(experience.action_mask[:, step], output.logits, -1e9).log_softmax(-1)
        chosen = policy.gather(-1, experience.action[:, step].unsqueeze(-1)).squeeze(-1)
        valid = experience.valid[:, step]
        torch.testing.assert_close(experience.log_probability[:, step][valid], chosen[valid])
        torch.testing.assert_close(experience.value[:, step], output.value)
        legal = experience.action_mask[:, step].gather(-1, experience.action[:, step].unsqueeze(-1)).squeeze(-1)
        assert bool(legal[valid].all())


@pytest.mark.parametrize("arena", NATIVE)
def test_every_ended_episode_is_counted_once(arena: str) -> None:
    rollout, stack = make(arena)
    rollout.collect(stack)  # the first episodes began before their opponents came
    for _ in range(4):
        rollout.collect(stack)
    rewards = ended = games = score = 0.0
    pending = rollout.games.margin.sum().item() / 2
    for _ in range(20):
        experience = rollout.collect(stack)
        counts = rollout.counts()
        rewards += experience.reward.sum().item()
        ended += experience.ended.sum().item()
        games += counts.sum().item()
        score += (counts[..., 0] - counts[..., 2]).sum().item()
    assert games >= ended > 100
    if arena in ("connect_four", "tic_tac_toe", "rock_paper_scissors"):  # games that pay 1, 0 or -1
        assert games == ended
        assert rewards + pending - rollout.games.margin.sum().item() / 2 == pytest.approx(score)


def test_the_higher_return_wins_where_the_sum_is_not_zero() -> None:
    class Generous(TicTacToe):
        """Both get two points more: even the loser's return is positive."""

        def step(
            self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None
        ) -> Step:
            after = super().step(state, actions, uniforms, live)
            return after._replace(rewards=after.rewards + 2.0 * after.terminated[:, None])

    plain, stack = make("tic_tac_toe")
    generous, _ = make(Generous())
    for _ in range(3):
        plain.collect(stack)
        generous.collect(stack)
        assert torch.equal(plain.counts(), generous.counts())
    assert plain.counts()[..., 2].sum() > 0


def test_seats_alternate() -> None:
    rollout, stack = make("connect_four")
    for _ in range(30):
        rollout.collect(stack)
    total = torch.zeros(2)
    for _ in range(30):
        rollout.collect(stack)
        total += rollout.counts().sum((0, 2))
    assert total.min() / total.max() > 0.9


def test_a_change_of_opponent_voids_what_is_under_way() -> None:
    rollout, stack = make("connect_four", horizon=1)
    for _ in range(30):
        rollout.collect(stack)
    changed = 5
    rollout.assign(changed, rollout.lanes.packed()[0])
    assert not rollout.games.fresh.view(-1, rollout.config.lane_size)[changed].any()
    counted = torch.zeros(rollout.lanes.rows)
    for _ in range(3):  # no game of Connect Four that starts now can end within three of the learner's moves
        rollout.collect(stack)
        counted += rollout.counts().sum((1, 2))
    assert counted[changed] == 0
    assert counted.sum() > 0
    for _ in range(40):
        rollout.collect(stack)
        counted += rollout.counts().sum((1, 2))
    assert counted[changed] > 0


def test_partly_random_opponents_never_count() -> None:
    rollout, stack = make("tic_tac_toe", noisy_environments=1.0, noise=0.5)
    for _ in range(5):
        assert rollout.collect(stack).ended.any()
        assert rollout.counts().sum() == 0


def test_same_seed_same_games() -> None:
    first, second, other = (make("leduc_poker", seed=seed) for seed in (3, 3, 4))
    results = [rollout.collect(stack) for rollout, stack in (first, second, other)]
    assert torch.equal(results[0].observation, results[1].observation)
    assert torch.equal(results[0].reward, results[1].reward)
    assert not torch.equal(results[0].observation, results[2].observation)


@pytest.mark.parametrize("memory", [0, 6])
def test_saved_games_go_on_as_if_never_interrupted(memory: int) -> None:
    whole, stack = make("leduc_poker", memory=memory)
    whole.collect(stack)
    saved = {name: tensor.clone() for name, tensor in whole.state_tensors().items()}
    stream = whole.generator.get_state()
    expected = [tensor.clone() for tensor in whole.collect(stack) if tensor is not None]
    resumed, _ = make("leduc_poker", memory=memory, seed=99)
    resumed.load_state_tensors(saved)
    resumed.generator.set_state(stream)
    found = [tensor for tensor in resumed.collect(stack) if tensor is not None]
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))


def test_sizes_must_divide() -> None:
    with pytest.raises(ValueError, match=r"rollout\.environments: 10 is not a multiple of rollout\.lanes \(4\)"):
        make(environments=10)
