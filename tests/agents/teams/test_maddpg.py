"""MADDPG: the straight-through draw, the critic's target, whose action carries whose gradient, and that it learns."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from agents.algorithms import maddpg
from agents.algorithms.maddpg import MADDPG, straight_through
from agents.algorithms.maddpg_settings import MADDPGConfig
from agents.algorithms.mappo import living
from agents.teams.q_settings import Reward
from agents.teams.settings import TeamNetworkConfig
from tests.agents.teams.claims import (
    collected,
    goes_on_as_if_it_had_not_stopped,
    learns_to_name_the_cue,
    told_of_the_dead,
)
from tests.agents.teams.cues import Cues

CPU = torch.device("cpu")
FLAT = TeamNetworkConfig(hidden=(32,), memory=0)
GRU = TeamNetworkConfig(hidden=(32,), memory=16)


def learner(arena: Cues, **changes: Any) -> MADDPG:
    config = MADDPGConfig(
        **{
            "actor_network": FLAT, "critic_network": FLAT, "learning_rate": 5e-3, "environments": 16, "batch": 16,
            "buffer": 400, "target_rate": 0.05, "discount": 0.9, **changes,
        }
    )  # fmt: skip
    return maddpg.build(arena, config, environments=config.environments, seed=0, device=CPU)


def test_a_straight_through_draw_is_a_legal_one_hot_with_the_softmaxs_gradient() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2000, 4, generator=generator)
    logits = logits[:1].expand(2000, -1).clone().requires_grad_()
    mask = torch.tensor([True, True, False, True]).expand(2000, -1)
    uniforms = torch.rand(2000, 4, generator=generator)
    drawn = straight_through(logits, mask, uniforms, 0.7)
    assert torch.equal(drawn.detach().round(), torch.nn.functional.one_hot(drawn.argmax(1), 4).float())
    assert not drawn.detach()[:, 2].round().any()
    expected = torch.where(mask[0], logits[0], -torch.inf).softmax(0)
    assert (drawn.detach().mean(0) - expected).abs().max() < 0.04
    weight = torch.randn(4, generator=generator)
    (found,) = torch.autograd.grad((drawn * weight).sum(), logits, retain_graph=True)
    noise = -(-uniforms.clamp(1e-9, 1 - 1e-7).log()).log()
    soft = torch.where(mask, (logits + noise) / 0.7, -1e9).softmax(1)
    (plain,) = torch.autograd.grad((soft * weight).sum(), logits)
    torch.testing.assert_close(found, plain)


@pytest.mark.parametrize("truncates", [False, True])
def test_the_critics_loss_by_the_definition(truncates: bool) -> None:
    subject = learner(Cues(truncates=truncates), standardise_rewards=False)
    for _ in range(3):
        subject.train_step()
    episodes = collected(subject)
    lives = living(episodes)
    online = subject.critic.parameters["critic"]
    target, target_actor = subject.critic.views(subject.target_critic), subject.actor.views(subject.target_actor)

    def one(action: Tensor, alive: Tensor) -> Tensor:
        """The joint action [N] as each of three critics is told it, [1, 1, 3, 3 * 4]."""
        told = torch.zeros(3, 4)
        for agent in range(3):
            if alive[agent]:
                told[agent, action[agent]] = 1.0
        return told.flatten().expand(1, 1, 3, -1)

    errors = []
    with torch.no_grad():
        logits = subject.logits(target_actor["actor"], episodes.observation)
        for row, length in enumerate(episodes.lengths.tolist()):
            for step in range(length):
                here, ahead = episodes.state[row, step].view(1, 1, -1), episodes.state[row, step + 1].view(1, 1, -1)
                best = torch.where(episodes.action_mask[row, step + 1], logits[row, step + 1], -torch.inf).argmax(1)
                following = subject.values(target["critic"], ahead, one(best, lives[row, step + 1]))[0, 0]
                value = subject.values(online, here, one(episodes.action[row, step], lives[row, step]))[0, 0]
                alive = lives[row, step + 1]
                following = torch.where(alive, following, following[alive].mean())
                if step == length - 1 and not truncates:
                    following = torch.zeros(3)
                aim = episodes.reward[row, step].sum() + 0.9 * following
                errors += ((aim - value).square())[lives[row, step]].tolist()
        found = float(subject.critic_loss(episodes))
    assert abs(found - sum(errors) / len(errors)) < 1e-4 * abs(found)


def test_each_critic_is_told_its_own_agents_draw_and_the_others_actions_from_the_buffer() -> None:
    subject = learner(Cues())
    actions, own = torch.rand(2, 3, 3, 4), torch.rand(2, 3, 3, 4)
    joint = subject._joint(actions, own).view(2, 3, 3, 3, 4)
    for agent in range(3):
        for other in range(3):
            assert torch.equal(joint[:, :, agent, other], (own if agent == other else actions)[:, :, other])


def test_the_dead_are_in_no_loss() -> None:
    results = []
    for noise in (0, 1):
        subject = learner(Cues())
        subject.update(told_of_the_dead(collected(subject), noise))
        results.append((subject.actor.weights.detach(), subject.critic.weights.detach()))
    for first, second in zip(*results, strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize("variant", [{}, {"sharing": False}, {"reward": Reward.AGENT}, {"actor_network": GRU}])
def test_it_learns_to_name_the_cue(variant: dict[str, Any]) -> None:
    learns_to_name_the_cue(learner(Cues(deadly=False, truncates=True), **variant), iterations=40, share=0.9)


def test_it_goes_on_as_if_it_had_not_stopped() -> None:
    goes_on_as_if_it_had_not_stopped(lambda: learner(Cues()))
