"""IQL, VDN and QMIX: mixers, targets, masks, and games whose solutions are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from agents.algorithms.q_learning import Moments, QLearner, lambda_returns
from agents.algorithms.qmix import MonotonicMixer
from agents.algorithms.vdn import SumMixer
from agents.durable import decode, encode
from agents.teams import registry
from agents.teams.core import TeamMisfitError
from agents.teams.evaluation import evaluate
from arenas.core import Arena
from tests.agents.teams.toys import Clock, TwoStep, random_episodes

SMALL = {"network": {"hidden": [16], "memory": 0}, "batch": 4, "buffer": 64}


def learner(name: str, arena: Arena, environments: int = 4, seed: int = 0, **options: Any) -> QLearner:
    config = registry.find(name).settings().model_validate(SMALL | options)
    made = registry.make(name, arena, config, environments=environments, seed=seed)
    assert isinstance(made, QLearner)
    return made


class WithoutAbs(MonotonicMixer):
    """The same with the weights' signs left on."""

    def positive(self, weights: Tensor) -> Tensor:
        return weights


def slopes(kind: type[MonotonicMixer], agents: int, seed: int, scale: float) -> Tensor:
    """d Q_tot / d Q_n at 20 random states and values, [20, N]."""
    generator = torch.Generator().manual_seed(seed)
    mixer = kind(agents, 6, 8, 8)
    parameters = mixer.layout.views(mixer.initial(generator) * scale)
    values = (10 * torch.randn(20, 1, agents, generator=generator)).requires_grad_()
    state = torch.randn(20, 1, 6, generator=generator)
    (slope,) = torch.autograd.grad(mixer.mix(parameters, values, state).sum(), values)
    return slope[:, 0]


@settings(max_examples=50, deadline=None)
@given(agents=st.integers(1, 5), seed=st.integers(0, 2**31), scale=st.floats(0.1, 10))
def test_the_mixer_is_monotonic_in_every_agents_value(agents: int, seed: int, scale: float) -> None:
    """Equation 4 of the paper."""
    assert float(slopes(MonotonicMixer, agents, seed, scale).min()) >= 0


def test_without_the_absolute_value_it_is_not_monotonic() -> None:
    broken = [float(slopes(WithoutAbs, 3, seed, 1.0).min()) for seed in range(20)]
    assert sum(slope < -1e-3 for slope in broken) >= 18


def test_the_mixer_is_the_network_of_the_paper() -> None:
    """Layer by layer, for one state."""
    mixer = MonotonicMixer(2, 3, 4, 5)
    parameters = mixer.layout.views(mixer.initial(torch.Generator().manual_seed(1)))
    p = {name: tensor[0] for name, tensor in parameters.items()}
    values, state = torch.randn(1, 1, 2), torch.randn(1, 1, 3)
    first = state[0, 0] @ p["state.weight"] + p["state.bias"][0]
    w1 = (first[:5].relu() @ p["first.weight"] + p["first.bias"][0]).abs().view(2, 4)
    w2 = (first[5:10].relu() @ p["last.weight"] + p["last.bias"][0]).abs()
    bias = first[10:14].relu() @ p["bias.weight"] + p["bias.bias"][0]
    hidden = torch.nn.functional.elu(values[0, 0] @ w1 + first[14:])
    torch.testing.assert_close(
        mixer.mix(parameters, values, state)[0], hidden @ w2[:, None] @ torch.ones(1, 1)[0] + bias
    )


def test_vdn_is_the_sum() -> None:
    values = torch.randn(3, 4, 5)
    torch.testing.assert_close(SumMixer().mix({}, values, torch.zeros(3, 4, 0)), values.sum(dim=2))


TWO_STEP: dict[str, Any] = {
    "epsilon_end": 1.0, "standardise_rewards": False, "learning_rate": 0.01, "target_interval": 20, "batch": 32,
    "buffer": 500,
}  # fmt: skip


@pytest.mark.parametrize("sharing", [True, False])
def test_qmix_solves_the_two_step_game_and_vdn_cannot(sharing: bool) -> None:
    """Rashid et al. 2018, section 5 and table 2: QMIX gets 8, VDN 7, both exploring at random."""
    for name, payoff in (("qmix", 8.0), ("vdn", 7.0)):
        made = learner(name, TwoStep(), environments=32, sharing=sharing, **TWO_STEP)
        for _ in range(12):
            made.train_step()
        assert evaluate(made.setup, made.policy(), 4, 0).return_sum == payoff


def test_one_step_targets_by_hand() -> None:
    """y = r + gamma Q', nothing behind a terminated step, the final observation's value behind a truncated one."""
    episodes = random_episodes(learner("vdn", Clock(3)).setup, 2, torch.Generator())
    episodes.truncated.copy_(torch.tensor([[False, False, True], [False, False, False]]))
    episodes.terminated.copy_(torch.tensor([[False, False, False], [False, False, True]]))
    reward, following = torch.tensor([[1.0, 2.0, 3.0]] * 2), torch.tensor([[10.0, 20.0, 30.0]] * 2)
    targets = lambda_returns(reward, following, episodes, 0.5, 0.0)
    assert targets.tolist() == [[6.0, 12.0, 18.0], [6.0, 12.0, 3.0]]


def test_lambda_returns_by_hand() -> None:
    """The recursion of equation 12.18 of Sutton & Barto; lambda 1 is the Monte Carlo return."""
    episodes = random_episodes(learner("vdn", Clock(3)).setup, 2, torch.Generator())
    episodes.truncated.copy_(torch.tensor([[False, False, True], [False, True, False]]))
    episodes.filled[1, 2] = False
    reward, following = torch.tensor([[1.0, 2.0, 3.0]] * 2), torch.tensor([[10.0, 20.0, 30.0]] * 2)
    half = lambda_returns(reward, following, episodes, 0.5, 0.5)
    last = 3 + 0.5 * 30
    middle = 2 + 0.5 * (0.5 * 20 + 0.5 * last)
    assert half[0].tolist() == [1 + 0.5 * (0.5 * 10 + 0.5 * middle), middle, last]
    middle = 2 + 0.5 * 20  # the second episode ends here
    assert half[1, :2].tolist() == [1 + 0.5 * (0.5 * 10 + 0.5 * middle), middle]
    everything = lambda_returns(reward, following, episodes, 1.0, 1.0)
    assert everything[0].tolist() == [36.0, 35.0, 33.0]


@pytest.mark.parametrize("name", ["iql", "vdn", "qmix"])
@pytest.mark.parametrize("bootstrap", [True, False])
def test_a_time_limit_is_bootstrapped_from_the_true_final_observation(name: str, bootstrap: bool) -> None:
    """Two agents earn 1 each a step, for ever but for the limit: the value is 2 / (1 - gamma), not what 3 steps pay.

    The final observation occurs nowhere else, so its value is fixed: read from the target network.
    """
    made = learner(
        name, Clock(3), environments=16, standardise_rewards=False, discount=0.5, target_interval=10,
        learning_rate=0.01, bootstrap_truncated=bootstrap,
    )  # fmt: skip
    for _ in range(25):
        made.train_step()
    episodes = made.buffer.sample(4, made.generator)
    with torch.no_grad():
        values = made._values(made._targets["agent"], episodes)
        masked = torch.where(episodes.action_mask, values, -torch.inf).amax(dim=3)
        mixed = made._mixed(made._targets, masked, episodes.state, episodes.observed)
    final = mixed[0, 3]
    expected = mixed.new_zeros(3, *mixed.shape[2:])
    for step, behind in ((2, final if bootstrap else 0 * final), (1, expected[2]), (0, expected[1])):
        expected[step] = 2 + 0.5 * (behind if step == 2 else expected[step + 1])
    torch.testing.assert_close(mixed[0, :3], expected, atol=0.1, rtol=0)


def targets_of(made: QLearner, episodes: Any) -> Tensor:
    with torch.no_grad():
        online = made._values(made.trained.parameters["agent"], episodes)
        return made._targets_of(episodes, online, episodes.action_mask.any(dim=3))


@pytest.mark.parametrize("double", [True, False])
def test_illegal_actions_are_masked_in_both_maxima(double: bool) -> None:
    """Held against loops over every step and agent."""
    made = learner("iql", Clock(3), double=double, standardise_rewards=False, discount=0.9)
    made.target.mul_(-1.3)  # the two networks disagree
    episodes = random_episodes(made.setup, 5, torch.Generator().manual_seed(4))
    with torch.no_grad():
        online = made._values(made.trained.parameters["agent"], episodes)
        target = made._values(made._targets["agent"], episodes)
    found, mattered = targets_of(made, episodes), 0
    for batch in range(5):
        for step in range(3):
            for agent in range(2):
                legal = [a for a in range(3) if episodes.action_mask[batch, step + 1, agent, a]]
                judge = (online if double else target)[batch, step + 1, agent]
                best = max(legal, key=lambda action: float(judge[action]))
                mattered += best != int(judge.argmax())
                expected = episodes.reward[batch, step].sum() + 0.9 * target[batch, step + 1, agent, best]
                torch.testing.assert_close(found[batch, step, agent], expected)
    assert mattered > 5


def test_exploring_and_greedy_play_are_legal() -> None:
    made = learner("vdn", Clock(3), environments=64)
    for epsilon in (1.0, 0.0):
        made._exploration.epsilon = epsilon
        episodes = made.collector.collect(made._exploration)
        assert episodes.action_mask[:, :3].gather(3, episodes.action.unsqueeze(3)).all()
        if epsilon == 1.0:  # all legal actions occur, and about equally often
            counts = torch.bincount(episodes.action[:, 0, 0], minlength=3)
            assert int(counts.min()) > 10
    evaluate(made.setup, made.policy(), 8, 0)  # the referee would refuse an illegal action


@pytest.mark.parametrize("name", ["iql", "vdn", "qmix"])
def test_an_agent_without_legal_actions_adds_nothing(name: str) -> None:
    made = learner(name, Clock(3, dies=True), environments=4, standardise_rewards=False)
    episodes = made.collector.collect(made._exploration)
    assert torch.isfinite(targets_of(made, episodes)).all()
    if name == "vdn":
        values = made._values(made._targets["agent"], episodes)
        alone = torch.where(episodes.action_mask, values, -torch.inf)[:, 1, 0].amax(dim=1)
        torch.testing.assert_close(targets_of(made, episodes)[:, 0], 2 + 0.99 * alone)
    for _ in range(3):
        assert all(torch.isfinite(torch.tensor(list(made.train_step().values()))))


def test_padding_teaches_nothing() -> None:
    made = learner("qmix", Clock(3, lengths=(1, 2)))
    episodes = made.collector.collect(made._exploration)
    before = made.losses(episodes).loss
    for tensor in (episodes.observation, episodes.reward, episodes.state):
        for row, length in enumerate((1, 2)):
            tensor[row, length + (tensor is not episodes.reward) :].normal_()
    torch.testing.assert_close(made.losses(episodes).loss, before)


def test_targets_follow_at_their_interval_or_at_their_rate() -> None:
    made = learner("qmix", Clock(3), target_interval=3)
    first = made.target.clone()
    episodes = made.collector.collect(made._exploration)
    for update in range(1, 7):
        made.update(episodes)
        assert torch.equal(made.target, made.trained.weights) == (update % 3 == 0)
        assert torch.equal(made.target, first) == (update < 3)
    soft = learner("qmix", Clock(3), target_rate=0.25)
    old = soft.target.clone()
    soft.update(episodes)
    torch.testing.assert_close(soft.target, 0.75 * old + 0.25 * soft.trained.weights.detach())


def test_the_learning_rate_falls_to_its_end() -> None:
    """Adam's first step moves a weight by the learning rate, whatever its gradient: by the one of that moment."""
    for steps, rate in ((0, 0.1), (50, 0.06), (100, 0.02), (900, 0.02)):
        made = learner("vdn", Clock(3), learning_rate=0.1, learning_rate_end=0.02, learning_rate_steps=100)
        episodes = made.collector.collect(made._exploration)
        made.environment_steps = steps
        before = made.trained.weights.detach().clone()
        made.update(episodes)
        moved = (made.trained.weights.detach() - before).abs().max()
        assert float(moved) == pytest.approx(rate, rel=1e-3)


@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0])
def test_updates_keep_their_ratio_to_episodes(ratio: float) -> None:
    made = learner("vdn", Clock(3), environments=5, updates_per_episode=ratio, batch=5)
    for _ in range(4):
        made.train_step()
    assert made.updates == int(20 * ratio)
    assert made.environment_steps == 4 * 5 * 3


@pytest.mark.parametrize("name", ["iql", "vdn", "qmix"])
def test_a_saved_learner_goes_on_bit_for_bit(name: str) -> None:
    options: dict[str, Any] = {"network": {"hidden": [8], "memory": 8}, "updates_per_episode": 0.5, "buffer": 12}
    first = learner(name, Clock(3), environments=5, **options)
    for _ in range(3):  # 15 episodes at half an update each: one update is half owed
        first.train_step()
    tensors, _ = decode(None, encode(first.state(), ""))  # type: ignore[arg-type]  # the path is for messages only
    second = learner(name, Clock(3), environments=5, seed=9, **options)
    second.load_state(tensors)
    for _ in range(3):
        assert first.train_step() == second.train_step()
    left, right = first.state(), second.state()
    assert left.keys() == right.keys()
    for key in left:
        assert torch.equal(left[key], right[key]), key


def test_a_state_of_another_network_is_refused() -> None:
    with pytest.raises(ValueError, match=r"trained\.weights does not fit"):
        learner("vdn", Clock(3)).load_state(learner("qmix", Clock(3)).state())


CHANGES: dict[str, Callable[[Tensor], Tensor] | None] = {
    "generator": lambda saved: saved[:-1],
    "counters": lambda saved: saved * torch.inf,
    "target": lambda saved: saved[None].expand(3, -1),
    "rewards": lambda saved: saved.long(),
    "buffer.filled": lambda saved: saved[None].expand(9, *saved.shape).flatten(0, 1),
    "buffer.action": None,
    "buffer.next": lambda saved: saved + 4,
    "buffer.reward": lambda saved: saved[:, :-1],
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_state_of_another_shape_is_refused(name: str) -> None:
    made = learner("iql", Clock(3), environments=2, network={"hidden": [4], "memory": 0}, buffer=4)
    for _ in range(2):
        made.train_step()
    state, change = made.state(), CHANGES[name]
    made.load_state(state)
    changed = {key: tensor for key, tensor in state.items() if key != name}
    with pytest.raises(ValueError, match="does not fit"):
        made.load_state(changed if change is None else changed | {name: change(state[name])})


def test_a_generator_has_a_state_of_its_own_kind() -> None:
    made = learner("iql", Clock(3), environments=2, network={"hidden": [4], "memory": 0}, buffer=4)
    state = made.state()
    with pytest.raises(ValueError, match="generator does not fit"):
        made.load_state(state | {"generator": torch.full_like(state["generator"], 255)})


def test_rewards_are_standardised_by_all_that_were_seen() -> None:
    moments, values = Moments(), torch.randn(100) * 3 + 7
    for part in values.view(4, 25):
        moments.add(part)
    torch.testing.assert_close(moments.standardise(values), (values - values.mean()) / values.std(correction=0))


def test_value_decomposition_of_own_rewards_is_refused() -> None:
    for name in ("vdn", "qmix"):
        with pytest.raises(TeamMisfitError, match=r"reward = 'team'.*iql"):
            learner(name, Clock(3), reward="agent")
    own = learner("iql", Clock(3), reward="agent", standardise_rewards=False, discount=0.0)
    episodes = own.collector.collect(own._exploration)
    assert torch.equal(targets_of(own, episodes), episodes.reward)
    assert float(targets_of(learner("iql", Clock(3), standardise_rewards=False, discount=0.0), episodes)[0, 0, 0]) == 2
