"""PPO for a stack of learners: the equations, and that the learners have nothing to do with each other."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import arenas
from agents.algorithms.ppo import PPO, Minibatch, advantages
from agents.networks import Network
from agents.rollout import Experience, Rollout
from agents.settings import NetworkConfig, PPOConfig, RolloutConfig

CPU = torch.device("cpu")


def setup(
    arena_name: str, learners: int, config: PPOConfig, memory: int = 0, dtype: torch.dtype = torch.float32
) -> tuple[PPO, Rollout]:
    arena = arenas.make(arena_name)
    network = Network(NetworkConfig(hidden=(16,), memory=memory), arena.spec.observation_shape, arena.spec.num_actions)
    generator = torch.Generator().manual_seed(0)
    weights = network.initial(generator, learners)
    for view in network.layout.views(weights).values():
        view.add_(torch.randn(view.shape, generator=generator), alpha=0.2)
    ppo = PPO(network, weights, config, dtype, CPU, arena.spec.symmetries)
    sizes = RolloutConfig(lanes=2, environments=32, horizon=16)
    rollout = Rollout(arena, network, learners, sizes, dtype, CPU, generator)
    for row in range(learners * sizes.lanes):
        rollout.assign(row, weights[0])
    return ppo, rollout


def one_learner(experience: Experience, index: int) -> Experience:
    fields: dict[str, Any] = {
        name: None if field is None else field[index : index + 1].clone()
        for name, field in experience._asdict().items()
    }
    return Experience(**fields)


@pytest.mark.parametrize("memory", [0, 5])
def test_stacked_learners_update_as_each_would_alone(memory: int) -> None:
    config = PPOConfig(minibatch=128, epochs=2, shuffle=False, learning_rate=1e-2)
    ppo, rollout = setup("tic_tac_toe", 3, config, memory)
    before = ppo.masters.clone()
    experience = rollout.collect(ppo.policies)
    ppo.update(experience, torch.Generator().manual_seed(1))
    for index in range(3):
        alone = PPO(ppo.network, before[index : index + 1], config, torch.float32, CPU)
        alone.update(one_learner(experience, index), torch.Generator().manual_seed(1))
        torch.testing.assert_close(ppo.masters[index], alone.masters[0], rtol=1e-4, atol=2e-5)
        assert not torch.equal(ppo.masters[index], before[index])


@pytest.mark.parametrize("memory", [0, 5])
@pytest.mark.parametrize("arena", ["connect_four", "leduc_poker", "rock_paper_scissors"])
def test_nothing_has_changed_before_the_first_step(arena: str, memory: int) -> None:
    """The ratio is 1 on the first pass: what a sequence gives at once is what it gave step by step, resets included."""
    config = PPOConfig(minibatch=10_000, learning_rate=1e-9)
    ppo, rollout = setup(arena, 2, config, memory)
    for _ in range(3):
        experience = rollout.collect(ppo.policies)
        figures = ppo.update(experience, torch.Generator().manual_seed(1))
        assert figures["approx_kl"].abs().max() < 1e-6
        assert figures["clip_fraction"].max() == 0


def discounted(experience: Experience, gamma: float, lam: float) -> Tensor:
    """Advantages by the definition: the sum over later turns k of (gamma lambda)^k times the TD error of that turn."""
    _, horizon, environments = experience.ended.shape
    result = torch.zeros(horizon, environments)
    for env in range(environments):
        turns: list[tuple[int, float, float | None]] = []  # step, reward up to the next turn, value there (None: end)
        for step in range(horizon):
            if not experience.valid[0, step, env]:
                continue
            reward, later, following = 0.0, step, None
            while True:
                reward += float(experience.reward[0, later, env])
                if experience.ended[0, later, env]:
                    reward += gamma * float(experience.bootstrap[0, later, env])
                    break
                later += 1
                if later == horizon or experience.valid[0, later, env]:
                    following = float(experience.value[0, later, env])
                    break
            turns.append((step, reward, following))
        for number, (step, _, _) in enumerate(turns):
            weight = 1.0
            for at, reward, following in turns[number:]:
                error = reward + gamma * (following or 0.0) - float(experience.value[0, at, env])
                result[step, env] += weight * error
                weight *= gamma * lam
                if following is None:
                    break
    return result


def test_advantages_by_the_definition() -> None:
    generator = torch.Generator().manual_seed(0)
    shape = (1, 12, 50)

    def uniform(*size: int) -> Tensor:
        return torch.rand(*size, generator=generator)

    ended = uniform(*shape) < 0.2
    truncated = ended & (uniform(*shape) < 0.5)
    experience = Experience(
        observation=torch.zeros(*shape, 1),
        action_mask=torch.ones(*shape, 2, dtype=torch.bool),
        action=torch.zeros(shape, dtype=torch.int64),
        log_probability=torch.zeros(shape),
        value=uniform(1, 13, 50),
        reward=uniform(*shape),
        ended=ended,
        bootstrap=torch.where(truncated, uniform(*shape), 0.0),
        valid=uniform(*shape) < 0.7,
        memory=None,
    )
    found = advantages(experience, 0.9, 0.8)
    expected = discounted(experience, 0.9, 0.8)
    valid = experience.valid[0]
    torch.testing.assert_close(found.advantage[0][valid], expected[valid])
    torch.testing.assert_close(found.returns[0][valid], expected[valid] + experience.value[0, :12][valid])


def test_restart_touches_one_learner_only() -> None:
    ppo, rollout = setup("tic_tac_toe", 3, PPOConfig(minibatch=128))
    ppo.update(rollout.collect(ppo.policies), torch.Generator().manual_seed(0))
    before = {name: tensor.clone() for name, tensor in ppo.state().items()}
    fresh = torch.full_like(ppo.masters[1], 0.5)
    ppo.restart(1, fresh)
    for name, tensor in ppo.state().items():
        assert torch.equal(tensor[[0, 2]], before[name][[0, 2]]), f"{name} of another learner changed"
    assert torch.equal(ppo.masters[1], fresh)
    assert ppo.updates[1] == ppo.steps[1] == 0
    assert bool((ppo.first_moment[1] == 0).all())


def test_snapshot_shares_no_memory() -> None:
    """ray#35393."""
    ppo, rollout = setup("tic_tac_toe", 2, PPOConfig(minibatch=128))
    snapshot = ppo.snapshot(0)
    before = snapshot.clone()
    ppo.update(rollout.collect(ppo.policies), torch.Generator().manual_seed(0))
    assert torch.equal(snapshot, before)
    assert not torch.equal(ppo.masters[0], before)


def test_each_gradient_is_clipped_by_its_own_norm() -> None:
    ppo, _ = setup("tic_tac_toe", 2, PPOConfig(max_gradient_norm=1.0))
    ppo.gradient[0], ppo.gradient[1] = 0.001, 100.0
    small = ppo.gradient[0].clone()
    rates = torch.tensor([1e-3, 1e-3])
    norms = ppo._adam(ppo.masters, ppo.first_moment, ppo.second_moment, ppo.gradient, ppo.updates, rates)
    assert torch.equal(ppo.gradient[0], small)
    assert ppo.gradient[1].norm() == pytest.approx(1.0, rel=1e-3)
    assert norms[1] == pytest.approx(100.0 * ppo.gradient.shape[1] ** 0.5, rel=1e-3)


def test_schedules_run_by_each_learners_own_samples() -> None:
    config = PPOConfig(learning_rate=1.0, final_learning_rate=0.0, entropy=0.2, final_entropy=0.1, schedule_steps=100)
    ppo, _ = setup("tic_tac_toe", 3, config)
    ppo.steps.copy_(torch.tensor([0, 50, 1000]))
    assert ppo._scheduled("learning_rate").tolist() == pytest.approx([1.0, 0.5, 0.0])
    assert ppo._scheduled("entropy").tolist() == pytest.approx([0.2, 0.15, 0.1])


def test_masters_stay_in_float32() -> None:
    """In bf16 alone, a step of Adam at 1e-4 is lost on a weight of 1."""
    ppo, rollout = setup("tic_tac_toe", 1, PPOConfig(minibatch=512, learning_rate=1e-5), dtype=torch.bfloat16)
    assert ppo.policies.packed().dtype == torch.bfloat16
    before = ppo.masters.clone()
    ppo.update(rollout.collect(ppo.policies), torch.Generator().manual_seed(0))
    assert ppo.masters.dtype == torch.float32
    changed = (ppo.masters - before).abs()
    assert 0 < changed.max() < 1e-4
    assert torch.equal(ppo.policies.packed(), ppo.masters.to(torch.bfloat16))


def test_mirrored_samples_are_the_same_game() -> None:
    ppo, rollout = setup("connect_four", 1, PPOConfig(mirror=True))
    experience = rollout.collect(ppo.policies)
    flat = (field.flatten(1, 2) for field in (experience.observation, experience.action_mask, experience.action))
    batch = Minibatch(*flat, *(experience.reward.flatten(1, 2) for _ in range(4)))
    arena = arenas.make("connect_four")
    pixels, actions = (
        torch.tensor(part) for part in (arena.spec.symmetries[0].observation, arena.spec.symmetries[0].action)
    )
    seen = {0: False, 1: False}
    for seed in range(8):
        mirrored = ppo._mirrored(batch, torch.Generator().manual_seed(seed))
        if torch.equal(mirrored.observation, batch.observation):
            seen[0] = True
            continue
        seen[1] = True
        assert torch.equal(mirrored.observation.flatten(2), batch.observation.flatten(2)[..., pixels])
        assert torch.equal(mirrored.action_mask, batch.action_mask[..., actions])
        assert torch.equal(mirrored.action, 6 - batch.action)
    assert all(seen.values())


@pytest.mark.parametrize("memory", [0, 8])
def test_learns_to_answer_rock_with_paper(memory: int) -> None:
    config = PPOConfig(learning_rate=0.01, minibatch=256, epochs=2)
    ppo, rollout = setup("rock_paper_scissors", 2, config, memory)
    rock = ppo.masters[0].clone()
    views = ppo.network.layout.views(rock.unsqueeze(0))
    views["head.weight"].zero_()
    views["head.bias"].copy_(torch.tensor([[[50.0, 0.0, 0.0, 0.0]]]))
    for row in range(4):
        rollout.assign(row, rock)
    for _ in range(40):
        experience = rollout.collect(ppo.policies)
        ppo.update(experience, torch.Generator().manual_seed(0))
    assert (experience.action == 1).float().mean((1, 2)).min() > 0.9
    assert experience.reward.mean((1, 2)).min() > 0.85
