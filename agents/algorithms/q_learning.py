"""Deep Q-learning for teams on whole episodes: what IQL, VDN and QMIX have in common.

Every agent has an action value Q_n(o, a) of its own observation and memory. A mixer makes the value of the joint action
of what the agents' values are, Q_tot; without one each agent learns for itself. The loss is that of deep Q-learning on
whole episodes of a replay buffer (Hausknecht & Stone 2015; QMIX, Rashid et al. 2018, equations 5 and 6):

    L = mean over steps of (y - Q_tot(s, a))^2,   y = r + gamma Q_tot'(s', a'),

with ' for the target networks; a' is the best legal action of each agent by the target network, or by the online one in
double Q-learning (van Hasselt et al. 2016). Nothing is added behind a terminated episode; one that was truncated is
bootstrapped from its true final observation. With td_lambda, y is the lambda-return of these targets (Sutton & Barto
2018, equation 12.18 off-policy without correction, as pymarl2 has it).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from agents.core import Parameters
from agents.networks import Layout
from agents.teams.core import TeamSetup
from agents.teams.episodes import Collector, EpisodeBuffer, Episodes, discounted_sums
from agents.teams.networks import TeamNetwork, Trained
from agents.teams.policy import TeamPolicy
from agents.teams.q_settings import QConfig, Reward
from agents.teams.saved import check_saved, restore


class Mixer(Protocol):
    """What makes the team's value of the agents' values.

    Attributes:
        layout: of its weights; empty where it has none.
    """

    layout: Layout

    def initial(self, generator: torch.Generator) -> Tensor:
        """Fresh weights: float32 [1, D]."""

    def mix(self, parameters: Parameters, values: Tensor, state: Tensor) -> Tensor:
        """Q_tot [B, T] of the agents' values [B, T, N] in the global state [B, T, G]."""


class Moments:
    """Running mean and deviation of all numbers seen, in float64: [count, mean, sum of squared deviations]."""

    def __init__(self) -> None:
        self.numbers = torch.zeros(3, dtype=torch.float64)

    def add(self, values: Tensor) -> None:
        """Chan, Golub and LeVeque 1979: moments of the union."""
        values = values.double().cpu()
        count, mean, squares = self.numbers.tolist()
        total = count + len(values)
        if total == 0:
            return
        delta = float(values.mean()) - mean
        squares += float((values - values.mean()).square().sum()) + delta**2 * count * len(values) / total
        self.numbers.copy_(torch.tensor([total, mean + delta * len(values) / total, squares]))

    def standardise(self, values: Tensor) -> Tensor:
        """Values as they would be with mean 0 and deviation 1."""
        count, mean, squares = map(float, self.numbers)
        deviation = math.sqrt(squares / max(count, 1))
        return (values - mean) / max(deviation, 1e-5)


class Exploration:
    """Epsilon-greedy: each agent, by itself, now and then plays a uniformly random legal action."""

    def __init__(self, setup: TeamSetup, network: TeamNetwork, generator: torch.Generator) -> None:
        self.setup, self.network, self.generator = setup, network, generator
        self.parameters: Parameters = {}
        self.epsilon = 1.0
        self._memory: Tensor | None = None

    def begin(self, batch: int) -> None:
        rows = batch * self.setup.num_agents // self.setup.stack
        self._memory = self.network.initial_memory(self.setup.stack, rows, self.generator.device)

    @torch.no_grad()
    def act(self, observation: Tensor, action_mask: Tensor, live: Tensor) -> Tensor:
        inputs = self.setup.inputs(observation.unsqueeze(1))[:, 0]
        values, self._memory = self.network.apply(self.parameters, inputs, self._memory)
        greedy = legal_best(self.setup.by_agent(values.unsqueeze(1))[:, 0], action_mask)
        draws = torch.rand(
            *greedy.shape, 1 + self.setup.num_actions, generator=self.generator, device=observation.device
        )
        random = torch.where(action_mask, draws[..., 1:], -1.0).argmax(dim=-1)
        return torch.where(draws[..., 0] < self.epsilon, random, greedy)


def legal_best(values: Tensor, action_mask: Tensor) -> Tensor:
    """int64 [...]: the legal action of the highest value [..., A]; 0 where none is legal."""
    return torch.where(action_mask, values, -torch.inf).argmax(dim=-1)


def lambda_returns(reward: Tensor, following: Tensor, episodes: Episodes, discount: float, td_lambda: float) -> Tensor:
    """Targets of every step.

    Args:
        reward: [B, T, ...].
        following: [B, T, ...], value of the observation after the step, the true final one at an episode's end.
        episodes: [B, T], for how they ended.
        discount: gamma.
        td_lambda: 0 gives the one-step target.

    Returns:
        [B, T, ...]; without meaning where no step was played.
    """
    shape = (*reward.shape[:2], *[1] * (reward.dim() - 2))
    go_on = discount * (~episodes.terminated).float().view(shape)
    if td_lambda == 0:
        return reward + go_on * following
    last = episodes.terminated | episodes.truncated
    share = torch.where(last, 1.0, 1 - td_lambda).view(shape)  # of a step's own bootstrap; the rest is the later return
    share[:, -1] = 1.0
    return discounted_sums((reward + go_on * share * following) * episodes.filled.view(shape), discount * td_lambda)


class Losses(NamedTuple):
    """The loss of a batch [] and what it was made of: means over the steps played."""

    loss: Tensor
    value: Tensor
    target: Tensor


class QLearner:
    """Learns the action values of a team's agents.

    Args:
        name: of the algorithm, for checkpoints.
        setup: the team.
        config: hyperparameters.
        mixer: None for independent learners.
        environments: B.
        seed: of all randomness.
        device: where.

    Attributes:
        trained: the online weights.
        target: the target networks' weights, as flat as those.
    """

    def __init__(
        self,
        name: str,
        setup: TeamSetup,
        config: QConfig,
        mixer: Mixer | None,
        *,
        environments: int,
        seed: int,
        device: torch.device,
    ) -> None:
        self.name, self.setup, self.config, self.mixer = name, setup, config, mixer
        self.network = TeamNetwork(config.network, setup.input_size, setup.num_actions)
        start = torch.Generator().manual_seed(seed)
        layouts, weights = {"agent": self.network.layout}, {"agent": self.network.initial(start, setup.stack)}
        if mixer is not None:
            layouts["mixer"], weights["mixer"] = mixer.layout, mixer.initial(start)
        self.trained = Trained(layouts, weights, device)
        self.target = self.trained.weights.detach().clone()
        self._targets = self.trained.views(self.target)
        self.collector = Collector(setup, environments, seed, device)
        self.buffer = EpisodeBuffer(setup, max(config.buffer, environments), device)
        self.rewards = Moments()
        self.generator = torch.Generator(device).manual_seed(seed + 1)
        self._exploration = Exploration(setup, self.network, self.generator)
        self._exploration.parameters = {
            name: tensor.detach() for name, tensor in self.trained.parameters["agent"].items()
        }
        self.environment_steps = self.updates = 0
        self._owed = 0.0  # updates that the episodes collected so far still ask for

    @property
    def epsilon(self) -> float:
        """Share of random actions now."""
        config = self.config
        return self._annealed(config.epsilon_start, config.epsilon_end, config.epsilon_steps)

    @property
    def learning_rate(self) -> float:
        """Adam's, now."""
        config = self.config
        if config.learning_rate_end is None:
            return config.learning_rate
        return self._annealed(config.learning_rate, config.learning_rate_end, config.learning_rate_steps)

    def _annealed(self, start: float, end: float, steps: int) -> float:
        return start + min(1.0, self.environment_steps / steps) * (end - start)

    def train_step(self) -> dict[str, float]:
        """Collect an episode in every environment, then make as many updates as these ask for."""
        self._exploration.epsilon = self.epsilon
        episodes = self.collector.collect(self._exploration)
        self.buffer.add(episodes)
        self.rewards.add(self._raw_reward(episodes)[episodes.filled].flatten())
        self.environment_steps += int(episodes.filled.sum())
        figures = {"return_sum": float(episodes.returns.mean()), "epsilon": self._exploration.epsilon}
        if self.buffer.count < self.config.batch:
            return figures
        self._owed += self.config.updates_per_episode * self.collector.environments
        sums: dict[str, float] = {}
        made = int(self._owed)
        self._owed -= made
        for _ in range(made):
            for key, value in self.update(self.buffer.sample(self.config.batch, self.generator)).items():
                sums[key] = sums.get(key, 0.0) + value / made
        return figures | sums

    def update(self, episodes: Episodes) -> dict[str, float]:
        """One gradient step on a batch of episodes; the figures by name."""
        config = self.config
        losses = self.losses(episodes)
        norm = self.trained.step(losses.loss, self.learning_rate, config.max_gradient_norm)
        self.updates += 1
        if config.target_rate:
            self.target.lerp_(self.trained.weights, config.target_rate)
        elif self.updates % config.target_interval == 0:
            self.target.copy_(self.trained.weights)
        numbers = torch.stack((*losses, norm)).tolist()
        return dict(zip(("loss", "value", "target", "gradient_norm"), numbers, strict=True))

    def losses(self, episodes: Episodes) -> Losses:
        """The loss of the module's docstring."""
        values = self._values(self.trained.parameters["agent"], episodes)
        chosen = values[:, :-1].gather(3, episodes.action.unsqueeze(3)).squeeze(3)
        acts = episodes.action_mask.any(dim=3)  # an agent without a legal action adds nothing
        chosen = self._mixed(self.trained.parameters, chosen * acts[:, :-1], episodes.state[:, :-1], episodes.filled)
        with torch.no_grad():
            targets = self._targets_of(episodes, values.detach(), acts)
            weight = episodes.filled.view(*episodes.filled.shape, *[1] * (targets.dim() - 2)).expand_as(targets)
            count = weight.sum().clamp(min=1)
        error = (targets - chosen) * weight
        with torch.no_grad():
            means = (chosen * weight).sum() / count, (targets * weight).sum() / count
        return Losses(error.square().sum() / count, *means)

    def _targets_of(self, episodes: Episodes, online: Tensor, acts: Tensor) -> Tensor:
        """y, [B, T], or [B, T, N] of independent learners."""
        values = self._values(self._targets["agent"], episodes)
        best = legal_best(online if self.config.double else values, episodes.action_mask)
        following = values.gather(3, best.unsqueeze(3)).squeeze(3) * acts
        mixed = self._mixed(self._targets, following[:, 1:], episodes.state[:, 1:], episodes.filled)
        reward = self._raw_reward(episodes)
        if self.config.standardise_rewards:
            reward = self.rewards.standardise(reward)
        if self.mixer is None and self.config.reward is Reward.TEAM:
            reward = reward.unsqueeze(2).expand_as(mixed)
        if not self.config.bootstrap_truncated:
            episodes = episodes._replace(terminated=episodes.terminated | episodes.truncated)
        return lambda_returns(reward, mixed, episodes, self.config.discount, self.config.td_lambda)

    def _raw_reward(self, episodes: Episodes) -> Tensor:
        """[B, T], or [B, T, N] where every agent learns from its own."""
        return episodes.reward if self.config.reward is Reward.AGENT else episodes.reward.sum(dim=2)

    def _values(self, parameters: Parameters, episodes: Episodes) -> Tensor:
        """Action values [B, T + 1, N, A] of all observations that were made."""
        inputs, made = self.setup.inputs(episodes.observation), self.setup.rows(episodes.observed)
        return self.setup.by_agent(self.network.unroll(parameters, inputs, made))

    def _mixed(self, parameters: Mapping[str, Parameters], values: Tensor, state: Tensor, filled: Tensor) -> Tensor:
        """Q_tot [B, T] where a step was played; without a mixer the agents' values [B, T, N] as they are."""
        if self.mixer is None:
            return values
        played = filled.flatten().nonzero()[:, 0]
        of_played = (tensor.flatten(0, 1).index_select(0, played).unsqueeze(0) for tensor in (values, state))
        mixed = self.mixer.mix(parameters.get("mixer", {}), *of_played)[0]
        return mixed.new_zeros(filled.numel()).index_copy(0, played, mixed).view(filled.shape)

    def policy(self) -> TeamPolicy:
        """The greedy decentralised policy as it is now: a copy."""
        size = self.setup.stack * self.network.layout.width
        weights = self.trained.weights[:size].view(self.setup.stack, -1)
        return TeamPolicy(self.setup, self.network, weights, algorithm=self.name)

    def state(self) -> dict[str, Tensor]:
        """Everything that it takes to go on bit for bit."""
        counters = [self.environment_steps, self.updates, self.collector.begun, self._owed]
        return {
            **self.trained.tensors("trained"),
            **self.buffer.tensors(),
            "target": self.target,
            "rewards": self.rewards.numbers,
            "counters": torch.tensor(counters, dtype=torch.float64),
            "generator": self.generator.get_state(),
        }

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave.

        Raises:
            ValueError: it was saved for other shapes.
        """
        own = {name: tensor for name, tensor in self.state().items() if not name.startswith("buffer.")}
        check_saved(self.name, tensors, own)
        self.trained.load_tensors("trained", tensors)
        self.buffer.load_tensors(tensors)
        self.target.copy_(tensors["target"])
        self.rewards.numbers.copy_(tensors["rewards"])
        self.environment_steps, self.updates, self.collector.begun = map(int, tensors["counters"][:3].tolist())
        self._owed = float(tensors["counters"][3])
        restore(self.generator, tensors["generator"])
