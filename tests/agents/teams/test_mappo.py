"""MAPPO and IPPO: the equations, death, truncation, and that they learn."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from agents.algorithms import ippo, mappo
from agents.algorithms.mappo import (
    MAPPO,
    beyond_death,
    generalised_advantages,
    living,
    n_step_returns,
    normalised,
)
from agents.algorithms.mappo_settings import MAPPO_PRESETS, Critic, IPPOConfig, MAPPOConfig
from agents.teams.core import TeamMisfitError
from agents.teams.episodes import Episodes
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
GRU = TeamNetworkConfig(hidden=(16,), memory=12, normalise=True)
FLAT = TeamNetworkConfig(hidden=(16,), memory=0, normalise=True)


def learner(arena: Cues, seed: int = 0, **settings: Any) -> MAPPO:
    config = MAPPOConfig(**{"actor_network": FLAT, "critic_network": FLAT, "learning_rate": 1e-2, **settings})
    return mappo.build(arena, config, environments=config.environments, seed=seed, device=CPU)


def random_episodes(truncates: bool, seed: int = 0) -> tuple[Episodes, Tensor, Tensor]:
    """Episodes of random play, with random rewards [B, T, 3] and values [B, T + 1, 3]."""
    subject = learner(Cues(truncates=truncates), seed, environments=40)
    episodes = collected(subject)
    generator = torch.Generator().manual_seed(seed)
    reward = torch.randn(episodes.reward.shape, generator=generator) * episodes.filled.unsqueeze(2)
    return episodes, reward, torch.randn(40, 5, 3, generator=generator)


@pytest.mark.parametrize("truncates", [False, True])
def test_advantages_by_the_definition(truncates: bool) -> None:
    """The sum over later steps of (gamma lambda)^k times their TD errors, up to the episode's end."""
    episodes, reward, value = random_episodes(truncates)
    found = generalised_advantages(reward, value, episodes, 0.9, 0.8)
    for row, length in enumerate(episodes.lengths.tolist()):
        for agent in range(3):
            for step in range(length):
                expected = 0.0
                for later in range(step, length):
                    following = 0.9 * value[row, later + 1, agent]
                    if later == length - 1 and not truncates:
                        following = torch.tensor(0.0)
                    error = reward[row, later, agent] + following - value[row, later, agent]
                    expected += float((0.9 * 0.8) ** (later - step) * error)
                assert abs(float(found[row, step, agent]) - expected) < 1e-5
            assert not found[row, length:].any()


@pytest.mark.parametrize("truncates", [False, True])
def test_n_step_returns_by_the_definition(truncates: bool) -> None:
    episodes, reward, value = random_episodes(truncates)
    found = n_step_returns(reward, value, episodes, 0.9, 2)
    for row, length in enumerate(episodes.lengths.tolist()):
        for step in range(length):
            stop = min(step + 2, length)
            expected = sum((0.9 ** (later - step)) * reward[row, later] for later in range(step, stop))
            if stop < length or truncates:
                expected = expected + 0.9 ** (stop - step) * value[row, stop]
            torch.testing.assert_close(found[row, step], expected)
        assert not found[row, length:].any()


def test_a_truncated_episode_is_worth_its_true_final_observation() -> None:
    """Only the critic's word on the final observation differs: the last step's return differs by gamma times that."""
    episodes, reward, value = random_episodes(truncates=True)
    last = episodes.lengths - 1
    rows = torch.arange(len(last))
    other = value.clone()
    other[rows, last + 1] += 7.0
    before = generalised_advantages(reward, value, episodes, 0.9, 0.8)
    after = generalised_advantages(reward, other, episodes, 0.9, 0.8)
    torch.testing.assert_close(after[rows, last] - before[rows, last], torch.full((40, 3), 0.9 * 7.0))
    ended = episodes._replace(terminated=episodes.truncated, truncated=torch.zeros_like(episodes.truncated))
    assert torch.equal(
        generalised_advantages(reward, value, ended, 0.9, 0.8), generalised_advantages(reward, other, ended, 0.9, 0.8)
    )


def test_the_final_observation_reaches_the_returns() -> None:
    """Through the whole preparation: a learner whose final observations are told wrong has other returns."""
    subject = learner(Cues(truncates=True), environments=16)
    episodes = collected(subject)
    rows = torch.arange(16)
    wrong = episodes.state.clone()
    wrong[rows, episodes.lengths] = 0.3
    right, other = subject._prepared(episodes), subject._prepared(episodes._replace(state=wrong))
    assert (right.returns - other.returns).abs()[rows, episodes.lengths - 1].min() > 0


def test_who_has_nothing_left_to_do_at_the_end_has_not_died() -> None:
    """Some arenas offer no action after a time limit: the value of the final observation counts all the same."""
    subject = learner(Cues(deadly=False, truncates=True), environments=16, critic=Critic.OBSERVATION)
    episodes = collected(subject)
    mask = episodes.action_mask.clone()
    mask[torch.arange(16), episodes.lengths] = False
    assert torch.equal(living(episodes._replace(action_mask=mask)), living(episodes))
    returns = subject._prepared(episodes).returns
    subject.norm = type(subject.norm)(0.99999)
    assert torch.equal(subject._prepared(episodes._replace(action_mask=mask)).returns, returns)


def test_beyond_death_is_what_was_still_earned() -> None:
    episodes, reward, value = random_episodes(truncates=False)
    alive = torch.ones(40, 5, 3, dtype=torch.bool)
    alive[:, 2:, 1] = False
    found = beyond_death(value, reward, alive, 0.9)
    assert torch.equal(found[..., [0, 2]], value[..., [0, 2]])
    for row, length in enumerate(episodes.lengths.tolist()):
        earned = sum((0.9 ** (later - 2)) * float(reward[row, later, 1]) for later in range(2, length))
        assert abs(float(found[row, 2, 1]) - earned) < 1e-5


def test_normalisation_is_over_the_living() -> None:
    generator = torch.Generator().manual_seed(0)
    advantage = torch.randn(5, 4, 3, generator=generator) * 3 + 2
    alive = (torch.rand(5, 4, 3, generator=generator) < 0.5).float()
    found = normalised(advantage, alive)
    living = advantage[alive.bool()]
    torch.testing.assert_close(
        found[alive.bool()], (living - living.mean()) / (living.std(correction=0) + 1e-5), rtol=1e-5, atol=1e-6
    )
    assert torch.equal(normalised(torch.where(alive.bool(), advantage, 1e6), alive), found)


@pytest.mark.parametrize("critic", [Critic.TEAM, Critic.AGENT, Critic.OBSERVATION])
def test_the_dead_are_in_no_loss_and_no_statistic(critic: Critic) -> None:
    """Whatever is told of an agent behind its death, the same weights and statistics come of it."""
    results = []
    for noise in (0, 5):
        subject = learner(Cues(), critic=critic, agent_ids=True, epochs=3, environments=16)
        subject.learn(told_of_the_dead(collected(subject), noise))
        results.append(
            (subject.actor.weights.detach(), subject.critic.weights.detach(), *subject.norm.state().values())
        )
    for first, second in zip(*results, strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize("sharing", [True, False])
def test_unrolled_is_stepwise(sharing: bool) -> None:
    """What the update says of a sequence is what the sampler said step by step."""
    subject = learner(Cues(), sharing=sharing, actor_network=GRU, environments=8)
    for _ in range(3):
        subject.train_step()
    episodes = collected(subject)
    setup, parameters = subject.setup, subject.actor.parameters["actor"]
    with torch.no_grad():
        found = subject.log_policy(episodes.observation[:, :-1], episodes.action_mask[:, :-1], episodes.filled)
        memory = subject.actor_network.initial_memory(setup.stack, 8 * 3 // setup.stack, CPU)
        for step in range(4):
            seen, mask = episodes.observation[:, step : step + 1], episodes.action_mask[:, step]
            outputs, memory = subject.actor_network.apply(parameters, setup.inputs(seen)[:, 0], memory)
            logits = setup.by_agent(outputs.unsqueeze(1))[:, 0]
            torch.testing.assert_close(found[:, step], torch.where(mask, logits, -1e9).log_softmax(2))


@pytest.mark.parametrize("settings", [{}, {"actor_network": GRU, "critic_network": GRU}, {"sharing": False}])
def test_nothing_has_changed_before_the_first_step(settings: dict[str, Any]) -> None:
    """The ratio is 1 on the first pass."""
    subject = learner(Cues(), epochs=1, **settings)
    for _ in range(3):
        figures = subject.train_step()
        assert figures["approx_kl"] < 1e-7
        assert figures["clip_fraction"] == 0


def reference(parameters: dict[str, Tensor]) -> nn.Sequential:
    """One of the stack's networks as torch's own modules."""
    inputs, hidden = parameters["dense0.weight"][0].shape
    outputs = parameters["head.weight"].shape[2]
    modules = nn.Sequential(nn.LayerNorm(inputs), nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))
    tensors: dict[str, Tensor] = {}
    for number, name in ((0, "norm"), (1, "dense0"), (3, "head")):
        weight, bias = parameters[f"{name}.weight"][0].detach(), parameters[f"{name}.bias"][0, 0].detach()
        tensors |= {f"{number}.weight": weight[0] if name == "norm" else weight.T, f"{number}.bias": bias}
    modules.load_state_dict(tensors)
    return modules


Sample = tuple[Tensor, Tensor, int, float]
"""What an actor saw, its mask, its action, the advantage."""

Target = tuple[Tensor, float, float]
"""A state, its value before the update in units of the critic, its return."""


@torch.no_grad()
def told(
    subject: MAPPO, episodes: Episodes, critic: nn.Module, gamma: float, lam: float
) -> tuple[list[Sample], list[Target]]:
    """What episodes tell actor and critic, by generalised advantages: loops over episodes, steps and agents."""
    samples: list[Sample] = []
    targets: list[Target] = []
    mean, deviation = (float(number) for number in subject.norm.moments())
    for row, length in enumerate(episodes.lengths.tolist()):
        value = [float(critic(episodes.state[row, step])) for step in range(length + 1)]
        later = 0.0
        for step in reversed(range(length)):
            here, following = (value[at] * deviation + mean for at in (step, step + 1))
            later = float(episodes.reward[row, step].sum()) + gamma * following - here + gamma * lam * later
            targets.append((episodes.state[row, step], value[step], later + here))
            for agent in range(3):
                mask = episodes.action_mask[row, step, agent]
                if mask.any():
                    seen, action = episodes.observation[row, step, agent], int(episodes.action[row, step, agent])
                    samples.append((seen, mask, action, later))
    return samples, targets


def test_an_update_is_the_one_of_a_reference() -> None:
    """Two epochs of MAPPO with a central critic, beside loops over episodes, steps and agents and torch's own Adam."""
    clip, gamma, lam, entropy_weight, rate = 0.02, 0.9, 0.8, 0.05, 1e-2  # a clip that binds at once
    subject = learner(
        Cues(truncates=True), critic=Critic.TEAM, epochs=2, environments=6, discount=gamma, gae_lambda=lam,
        clip=clip, value_clip=clip, entropy=entropy_weight, learning_rate=rate,
        max_gradient_norm=0.3, value_norm_beta=0.9, huber_delta=0.5,
    )  # fmt: skip
    for _ in range(2):
        subject.train_step()  # moments and statistics are under way, so only one step further is told of both
    # Adam begins afresh on both sides.
    for trained in (subject.actor, subject.critic):
        for moment in (trained.first_moment, trained.second_moment, trained.updates):
            moment.zero_()
    actor = reference(subject.actor.parameters["actor"])
    critic = reference(subject.critic.parameters["critic"])
    episodes = collected(subject)
    samples, targets = told(subject, episodes, critic, gamma, lam)
    advantages = torch.tensor([sample[3] for sample in samples])
    advantages = (advantages - advantages.mean()) / (advantages.std(correction=0) + 1e-5)
    returns = torch.tensor([target[2] for target in targets])
    running = subject.norm.state()
    total = float(running["debiasing"]) * 0.9 + 0.1
    mean = (float(running["mean"]) * 0.9 + 0.1 * float(returns.mean())) / total
    square = (float(running["square"]) * 0.9 + 0.1 * float(returns.square().mean())) / total
    returns = (returns - mean) / max(square - mean**2, 1e-2) ** 0.5

    optimisers = [torch.optim.Adam(network.parameters(), lr=rate, eps=1e-5) for network in (actor, critic)]
    old: list[Tensor] = []
    for _ in range(2):
        gains, entropies = [], []
        for number, (seen, mask, action, _) in enumerate(samples):
            legal = actor(seen)[mask].log_softmax(0)
            taken = legal[int(mask[:action].sum())]
            if len(old) <= number:
                old.append(taken.detach())
            ratio = (taken - old[number]).exp()
            bound = ratio.clamp(1 - clip, 1 + clip)
            gains.append(torch.min(ratio * advantages[number], bound * advantages[number]))
            entropies.append(-(legal.exp() * legal).sum())
        losses = []
        for (state, before, _), aim in zip(targets, returns, strict=True):
            value_now = critic(state)[0]
            near = before + (value_now - before).clamp(-clip, clip)
            losses.append(torch.max(*(nn.functional.huber_loss(of, aim, delta=0.5) for of in (value_now, near))))
        loss = -torch.stack(gains).mean() - entropy_weight * torch.stack(entropies).mean() + torch.stack(losses).mean()
        for optimiser in optimisers:
            optimiser.zero_grad()
        torch.autograd.backward(loss)
        for network, optimiser in zip((actor, critic), optimisers, strict=True):
            nn.utils.clip_grad_norm_(network.parameters(), 0.3)
            optimiser.step()

    subject.learn(episodes)
    for network, found in ((actor, subject.actor.parameters["actor"]), (critic, subject.critic.parameters["critic"])):
        for name, expected in reference(found).state_dict().items():
            torch.testing.assert_close(network.state_dict()[name], expected, rtol=1e-4, atol=2e-5, msg=name)


VARIANTS: dict[str, dict[str, Any]] = {
    "mappo": {},
    "mappo, a value an agent": {"critic": Critic.AGENT, "agent_ids": True},
    "mappo, own networks": {"sharing": False, "critic": Critic.AGENT},
    "mappo, recurrent": {"actor_network": GRU, "critic_network": GRU},
    "mappo, minibatches": {"minibatches": 4, "epochs": 3},
    "ippo": {"critic": Critic.OBSERVATION},
    "ippo, own rewards": {"critic": Critic.OBSERVATION, "reward": Reward.AGENT},
    "epymarl": {**MAPPO_PRESETS["epymarl"], "environments": 32, "learning_rate": 5e-3},
}


@pytest.mark.parametrize(("variant", "truncates"), [("mappo", False), *((name, True) for name in VARIANTS)])
def test_it_learns_to_name_the_cue(variant: str, truncates: bool) -> None:
    subject = learner(Cues(deadly=False, truncates=truncates), **{"environments": 64, **VARIANTS[variant]})
    learns_to_name_the_cue(subject, iterations=150 if variant == "epymarl" else 40, share=0.97)


@pytest.mark.parametrize("name", list(MAPPO_PRESETS))
def test_it_goes_on_as_if_it_had_not_stopped(name: str) -> None:
    config = MAPPOConfig.model_validate({**MAPPO_PRESETS[name], "environments": 16})
    goes_on_as_if_it_had_not_stopped(lambda: mappo.build(Cues(), config, environments=16, seed=1, device=CPU))


def test_a_policy_does_not_move_with_further_training() -> None:
    subject = learner(Cues())
    policy = subject.policy()
    before = policy.weights.clone()
    subject.train_step()
    assert torch.equal(policy.weights, before)
    assert not torch.equal(subject.actor.weights.detach(), before.flatten())


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ValueError, match=r"needs reward = 'team'"):
        MAPPOConfig(reward=Reward.AGENT)
    with pytest.raises(ValueError, match="set agent_ids = true"):
        MAPPOConfig(critic=Critic.AGENT)
    with pytest.raises(ValueError, match="cannot be cut into 9 parts"):
        MAPPOConfig(environments=8, minibatches=9)
    with pytest.raises(TeamMisfitError, match="that is mappo"):
        ippo.build(Cues(), IPPOConfig(critic=Critic.TEAM), environments=2, seed=0, device=CPU)
    assert ippo.build(Cues(), IPPOConfig(), environments=2, seed=0, device=CPU).policy().algorithm == "ippo"
