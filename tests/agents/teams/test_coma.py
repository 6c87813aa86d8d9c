"""COMA: the counterfactual baseline, the critic's blindness to its agent's action, death, and that it learns."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.algorithms import coma
from agents.algorithms.coma import COMA, counterfactual_advantages
from agents.algorithms.coma_settings import PRESETS, COMAConfig
from agents.algorithms.mappo import living
from agents.teams.settings import TeamNetworkConfig
from tests.agents.teams.claims import (
    collected,
    goes_on_as_if_it_had_not_stopped,
    learns_to_name_the_cue,
    told_of_the_dead,
)
from tests.agents.teams.cues import Cues

CPU = torch.device("cpu")
GRU = TeamNetworkConfig(hidden=(32,), memory=32)
FLAT = TeamNetworkConfig(hidden=(32,), memory=0)


def learner(arena: Cues, **changes: Any) -> COMA:
    config = COMAConfig(
        **{"actor_network": FLAT, "critic_network": FLAT, "learning_rate": 1e-2, "target_interval": 10, **changes}
    )
    return coma.build(arena, config, environments=config.environments, seed=0, device=CPU)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.booleans())
def test_the_baseline_has_no_gradient_in_expectation(seed: int, actions: int, masked: bool) -> None:
    """Over what the agent might do, by its own policy: the expected gradient is that of Q alone (Lemma 1)."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(actions, generator=generator, dtype=torch.float64)
    values = torch.randn(actions, generator=generator, dtype=torch.float64) * 5 - 20
    logits[0] = -1e9 if masked else logits[0]
    logits.requires_grad_()
    log_policy = logits.log_softmax(0)
    probability = log_policy.detach().exp()
    every = torch.arange(actions)
    advantage = counterfactual_advantages(values.expand(actions, -1), log_policy.detach().expand(actions, -1), every)
    (found,) = torch.autograd.grad((probability * log_policy * advantage).sum(), logits, retain_graph=True)
    (plain,) = torch.autograd.grad((probability * log_policy * values).sum(), logits)
    torch.testing.assert_close(found, plain)
    assert abs(float((probability * advantage).sum())) < 1e-9


def test_what_the_critic_is_told_does_not_hold_its_agents_own_action() -> None:
    subject = learner(Cues())
    episodes = collected(subject)
    state, joint, lives = episodes.state[:, :-1], episodes.action, living(episodes)[:, :-1]
    parameters = subject.critic.parameters["critic"]
    before = subject.values(parameters, subject.critic_inputs(state, joint, lives))
    other = joint.clone()
    other[..., 2] = (other[..., 2] + 1) % 4
    after = subject.values(parameters, subject.critic_inputs(state, other, lives))
    assert torch.equal(before[:, :, 2], after[:, :, 2])
    assert (before[:, :, 0] != after[:, :, 0]).any(dim=-1).all()


def test_targets_by_the_definition() -> None:
    """y_t = r_t + gamma ((1 - lambda) Q(s', u') + lambda y_t+1), nothing behind the rules' end of an episode."""
    subject = learner(Cues(), value_norm=False, td_lambda=0.6, discount=0.9)
    episodes = collected(subject)
    joint, found = subject._targets(episodes)
    assert torch.equal(joint[:, :-1][episodes.filled], episodes.action[episodes.filled])
    lives = living(episodes)
    inputs = subject.critic_inputs(episodes.state, joint, lives)
    values = subject.values(subject.critic.parameters["critic"], inputs).gather(3, joint.unsqueeze(3)).squeeze(3)
    for row, length in enumerate(episodes.lengths.tolist()):
        later = torch.zeros(3)
        for step in reversed(range(length)):
            following = torch.zeros(3)
            if step < length - 1:
                alive = lives[row, step + 1]
                value = torch.where(alive, values[row, step + 1], values[row, step + 1][alive].mean())
                following = 0.4 * value + 0.6 * later
            later = episodes.reward[row, step].sum() + 0.9 * following
            torch.testing.assert_close(found[row, step], later)


def test_a_truncated_episode_is_bootstrapped_from_its_true_final_state() -> None:
    subject = learner(Cues(truncates=True))
    episodes = collected(subject)
    rows = torch.arange(len(episodes.lengths))
    wrong = episodes.state.clone()
    wrong[rows, episodes.lengths] += 1.0
    generator = subject.generator.get_state()
    results = []
    for told in (episodes, episodes._replace(state=wrong)):
        subject.generator.set_state(generator)
        subject.norm = type(subject.norm)(0.99999)
        results.append(subject._targets(told)[1][rows, episodes.lengths - 1])
    assert (results[0] - results[1]).abs().min() > 0


def test_the_dead_are_in_no_loss_and_no_statistic() -> None:
    results = []
    for noise in (0, 1):
        subject = learner(Cues(), environments=16)
        subject.learn(told_of_the_dead(collected(subject), noise))
        results.append(
            (subject.actor.weights.detach(), subject.critic.weights.detach(), *subject.norm.state().values())
        )
    for first, second in zip(*results, strict=True):
        assert torch.equal(first, second)


def test_the_statistics_are_those_of_the_living() -> None:
    """After one update the normalised returns of the living have mean 0, and those of all have not."""
    subject = learner(Cues(), environments=16)
    episodes = collected(subject)
    _, returns = subject._targets(episodes)
    lived = living(episodes)[:, :-1] & episodes.filled.unsqueeze(2)
    assert abs(float(returns[lived].mean())) < 1e-5
    assert abs(float(returns.mean())) > 1e-2


@pytest.mark.parametrize("variant", [{}, {"sharing": False}, {"actor_network": GRU}])
def test_it_learns_to_name_the_cue(variant: dict[str, Any]) -> None:
    subject = learner(Cues(deadly=False, truncates=True), environments=32, critic_steps=4, **variant)
    learns_to_name_the_cue(subject, iterations=150, share=0.95)


@pytest.mark.parametrize("name", list(PRESETS))
def test_it_goes_on_as_if_it_had_not_stopped(name: str) -> None:
    config = COMAConfig.model_validate({**PRESETS[name], "target_interval": 2})
    goes_on_as_if_it_had_not_stopped(lambda: coma.build(Cues(), config, environments=8, seed=1, device=CPU))
