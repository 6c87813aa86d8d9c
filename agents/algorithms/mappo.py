"""Multi-agent PPO (Yu et al. 2022, "The Surprising Effectiveness of PPO in Cooperative Multi-Agent Games",
arXiv:2103.01955): decentralised policies, and a critic that sees the global state in training.

Equations, over the B episodes of an iteration, their steps and the agents that were alive then (appendix A):

    L(theta) = mean of min(r A, clip(r, 1 - eps, 1 + eps) A) + sigma * entropy,  r = pi(a | o) / pi_old(a | o)
    L(phi)   = mean of max(h(V - R), h(clip(V, V_old - eps, V_old + eps) - R)),  h the Huber loss

A is generalised advantage estimation (Schulman et al. 2016, arXiv:1506.02438, equation 16) on values scaled back by
`ValueNorm`, normalised over the living agents; R = A + V_old is what the critic is normalised by. IPPO (de Witt et al.
2020, arXiv:2011.09533) is the same with a critic that sees no more than its agent: `agents.algorithms.ippo`.

Shapes as in `agents.teams.core`; K values a step, 1 for the whole team or N, one an agent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from agents.algorithms.mappo_settings import Critic, MAPPOConfig, Returns
from agents.algorithms.q_learning import Moments
from agents.core import Parameters
from agents.play import sample
from agents.teams.core import TeamSetup
from agents.teams.episodes import Collector, Episodes, discounted_sums
from agents.teams.networks import TeamNetwork, Trained
from agents.teams.policy import TeamPolicy
from agents.teams.q_settings import Reward
from agents.teams.saved import check_saved, restore
from agents.value_norm import ValueNorm
from arenas.core import Arena

POLICY_GAIN = 0.01  # of the head of the policy: play starts nearly uniform


class Batch(NamedTuple):
    """What the update is made of.

    Attributes:
        observation: float32 [B, T, N, O].
        seen: float32 [B, T, K, F], what the critic sees.
        action_mask: bool [B, T, N, A].
        action: int64 [B, T, N].
        alive: float32 [B, T, N]: 1 where the agent acted, 0 where it was dead or the episode had ended.
        valued: float32 [B, T, K]: 1 where the critic is to be right: its agent lives, or one of the team does.
        log_probability: float32 [B, T, N], of the action by the policy that chose it.
        value: float32 [B, T, K], of the critic before the update, in its own units.
        returns: float32 [B, T, K], what the critic is trained towards, in its own units.
        advantage: float32 [B, T, N].
    """

    observation: Tensor
    seen: Tensor
    action_mask: Tensor
    action: Tensor
    alive: Tensor
    valued: Tensor
    log_probability: Tensor
    value: Tensor
    returns: Tensor
    advantage: Tensor


def generalised_advantages(
    reward: Tensor, value: Tensor, episodes: Episodes, discount: float, gae_lambda: float
) -> Tensor:
    """Equation 16 of arXiv:1506.02438 over whole episodes.

    A terminated episode is followed by nothing, a truncated one by the value of its true final observation.

    Args:
        reward: [B, T, K].
        value: [B, T + 1, K], of the observations before each step and the final one, as returns.
        episodes: their ends.
        discount: gamma.
        gae_lambda: lambda.

    Returns:
        [B, T, K], 0 where no step was played.
    """
    following = discount * value[:, 1:] * ~episodes.terminated.unsqueeze(2)
    error = (reward + following - value[:, :-1]) * episodes.filled.unsqueeze(2)
    return discounted_sums(error, discount * gae_lambda)


def beyond_death(value: Tensor, reward: Tensor, alive: Tensor, discount: float) -> Tensor:
    """Values in which a dead agent's is what it was still given: no critic is trained on the dead, so none is asked.

    Args:
        value: [B, T + 1, K], as returns.
        reward: [B, T, K], 0 where no step was played.
        alive: bool [B, T + 1, K], before each step and at the end.
        discount: gamma.

    Returns:
        [B, T + 1, K]; behind a truncation the dead earn nothing, for nobody knows.
    """
    result = torch.where(alive, value, 0.0)
    earned = torch.zeros_like(value[:, 0])
    for step in reversed(range(reward.shape[1])):
        earned = reward[:, step] + discount * earned
        result[:, step] = torch.where(alive[:, step], value[:, step], earned)
    return result


def n_step_returns(reward: Tensor, value: Tensor, episodes: Episodes, discount: float, steps: int) -> Tensor:
    """The sum of n discounted rewards and the value of the state behind them; fewer where the episode ends before.

    A terminated episode is followed by nothing, a truncated one by the value of its true final observation.

    Args:
        reward: [B, T, K].
        value: [B, T + 1, K], of a target critic, as returns.
        episodes: their ends.
        discount: gamma.
        steps: n.

    Returns:
        [B, T, K], 0 where no step was played.
    """
    ended = (episodes.terminated | episodes.truncated).unsqueeze(2)
    final = value[:, 1:] * ~episodes.terminated.unsqueeze(2)
    returns = value  # of 0 steps
    for _ in range(steps):
        behind = torch.where(ended, final, returns[:, 1:])
        played = (reward + discount * behind) * episodes.filled.unsqueeze(2)
        returns = torch.cat((played, value[:, -1:]), dim=1)
    return returns[:, :-1]


def normalised(advantage: Tensor, alive: Tensor) -> Tensor:
    """Advantages [B, T, N] with mean 0 and deviation 1 over the living agents, 0 for the others."""
    count = alive.sum().clamp(min=1)
    centred = (advantage - (advantage * alive).sum() / count) * alive
    return centred / ((centred.square().sum() / count).sqrt() + 1e-5)


class Sampler:
    """The policy as it is trained, sampling its actions: what collects experience."""

    def __init__(
        self, setup: TeamSetup, network: TeamNetwork, parameters: Parameters, generator: torch.Generator
    ) -> None:
        self.setup, self.network, self.parameters, self.generator = setup, network, parameters, generator
        self._memory: Tensor | None = None

    def begin(self, batch: int) -> None:
        setup = self.setup
        rows = batch * setup.num_agents // setup.stack
        self._memory = self.network.initial_memory(setup.stack, rows, self.generator.device)

    @torch.no_grad()
    def act(self, observation: Tensor, action_mask: Tensor, live: Tensor) -> Tensor:
        inputs = self.setup.inputs(observation.unsqueeze(1))[:, 0]
        outputs, self._memory = self.network.apply(self.parameters, inputs, self._memory)
        logits = self.setup.by_agent(outputs.unsqueeze(1))[:, 0].flatten(0, 1)
        uniforms = torch.rand(logits.shape, generator=self.generator, device=logits.device)
        return sample(logits, action_mask.flatten(0, 1), uniforms)[0].view(action_mask.shape[:2])


class MAPPO:
    """One team's policy, critic and update.

    Args:
        setup: the team.
        config: hyperparameters.
        seed: of all its randomness.
        device: where.
        collector: its environments; none for a learner whose episodes come from elsewhere.

    Attributes:
        actor: the policy's weights and optimiser.
        critic: the critic's.
        norm: statistics of the returns.
        rewards: statistics of the rewards.
        environment_steps: joint steps learned from.
        updates: gradient steps.
    """

    name = "mappo"

    def __init__(
        self,
        setup: TeamSetup,
        config: MAPPOConfig,
        seed: int,
        device: torch.device,
        collector: Collector | None = None,
    ) -> None:
        self.setup, self.config, self.device, self.collector = setup, config, device, collector
        self.generator = torch.Generator(device).manual_seed(seed)
        self.actor_network = TeamNetwork(config.actor_network, setup.input_size, setup.num_actions, POLICY_GAIN)
        self.critic_network = TeamNetwork(config.critic_network, self._critic_inputs, 1)
        start = torch.Generator().manual_seed(seed)
        actor = self.actor_network.initial(start, setup.stack)
        critic = self.critic_network.initial(start, 1 if config.critic is Critic.TEAM else setup.stack)
        self.actor = Trained({"actor": self.actor_network.layout}, {"actor": actor}, device)
        self.critic = Trained({"critic": self.critic_network.layout}, {"critic": critic}, device)
        self.target_weights = self.critic.weights.detach().clone()
        self.norm = ValueNorm(config.value_norm_beta, device)
        self.rewards = Moments()
        self.environment_steps = self.updates = 0

    @property
    def _critic_inputs(self) -> int:
        setup = self.setup
        if self.config.critic is Critic.TEAM:
            return setup.state_size
        return setup.input_size + (setup.state_size - setup.observation_size) * (self.config.critic is Critic.AGENT)

    def train_step(self) -> dict[str, float]:
        """Play an episode in every environment and learn from them; see `learn`."""
        assert self.collector is not None, "episodes come from elsewhere: call learn"
        sampler = Sampler(self.setup, self.actor_network, self.actor.parameters["actor"], self.generator)
        return self.learn(self.collector.collect(sampler))

    def learn(self, episodes: Episodes) -> dict[str, float]:
        """Train on episodes that the present policy played.

        Returns:
            Figures, each the mean over the gradient steps but for the return: losses, entropy, approximate KL, share
            of clipped ratios, norms of the gradients before clipping.
        """
        config = self.config
        batch = self._prepared(episodes)
        totals: dict[str, Tensor] = {}
        count = 0
        for part in self._parts(batch):
            matters = part.alive.bool().any(dim=2)
            value = self.values(self.critic.parameters["critic"], part.seen, matters)
            value_loss = self.value_loss(value, part)
            if config.returns is Returns.N_STEP:
                part = part._replace(advantage=self._spread(part.returns - value.detach()))  # noqa: PLW2901
            policy_loss, figures = self.policy_loss(self.log_policy(part.observation, part.action_mask, matters), part)
            figures["actor_norm"] = self.actor.step(
                policy_loss, config.learning_rate, config.max_gradient_norm, config.adam_epsilon
            )
            figures["critic_norm"] = self.critic.step(
                value_loss, config.learning_rate, config.max_gradient_norm, config.adam_epsilon
            )
            figures["value_loss"] = value_loss.detach()
            totals = {name: totals.get(name, 0.0) + figure for name, figure in figures.items()}
            count += 1
        self.target_weights.lerp_(self.critic.weights.detach(), config.target_rate)
        self.updates += count
        self.environment_steps += int(episodes.filled.sum())
        return {name: float(total) / count for name, total in totals.items()} | {
            "return_sum": float(episodes.returns.mean())
        }

    @torch.no_grad()
    def _prepared(self, episodes: Episodes) -> Batch:
        """Values, advantages and returns of the episodes by the networks as they are."""
        config = self.config
        filled = episodes.filled.unsqueeze(2)
        lives = living(episodes)
        alive = (lives[:, :-1] & filled).float()
        seen = self._critic_view(episodes)
        if config.critic is Critic.TEAM:
            lives = lives.any(dim=2, keepdim=True)
        valued = (lives[:, :-1] & filled).float()
        reward = self._rewards(episodes)
        value = self.values(self.critic.parameters["critic"], seen, episodes.observed)
        if config.returns is Returns.GAE:
            known = beyond_death(self._as_returns(value), reward, lives, config.discount)
            advantage = generalised_advantages(reward, known, episodes, config.discount, config.gae_lambda)
            returns = advantage + known[:, :-1]
        else:
            target = self.values(self.critic.views(self.target_weights)["critic"], seen, episodes.observed)
            known = beyond_death(self._as_returns(target), reward, lives, config.discount)
            returns = n_step_returns(reward, known, episodes, config.discount, config.n_step)
            advantage = torch.zeros_like(returns)  # taken anew at each epoch
        if config.value_norm:
            self.norm.update(returns, valued)
            returns = self.norm.normalise(returns)
        observation, mask = episodes.observation[:, :-1], episodes.action_mask[:, :-1]
        each = self._spread(advantage)
        return Batch(
            observation=observation,
            seen=seen[:, :-1],
            action_mask=mask,
            action=episodes.action,
            alive=alive,
            valued=valued,
            log_probability=_taken(self.log_policy(observation, mask, episodes.filled), episodes.action),
            value=value[:, :-1],
            returns=returns,
            advantage=normalised(each, alive) if config.normalise_advantages else each,
        )

    def _rewards(self, episodes: Episodes) -> Tensor:
        """[B, T, K]: the team's sum, or each agent's own, standardised if asked for."""
        config = self.config
        reward = episodes.reward
        if config.reward is Reward.TEAM:
            reward = reward.sum(dim=2, keepdim=True)
        if config.standardise_rewards:
            self.rewards.add(reward[episodes.filled].flatten())
            reward = self.rewards.standardise(reward) * episodes.filled.unsqueeze(2)
        return reward if config.critic is Critic.TEAM else reward.expand(-1, -1, self.setup.num_agents)

    def _critic_view(self, episodes: Episodes) -> Tensor:
        """[B, T + 1, K, F]."""
        if self.config.critic is Critic.OBSERVATION:
            return episodes.observation
        values = 1 if self.config.critic is Critic.TEAM else self.setup.num_agents
        return episodes.state.unsqueeze(2).expand(-1, -1, values, -1)

    def _as_returns(self, value: Tensor) -> Tensor:
        return self.norm.denormalise(value) if self.config.value_norm else value

    def _spread(self, advantage: Tensor) -> Tensor:
        """[B, T, K] -> [B, T, N]."""
        return advantage.expand(-1, -1, self.setup.num_agents)

    def _parts(self, batch: Batch) -> Iterator[Batch]:
        """Every epoch the whole batch, or minibatches of whole episodes in random order."""
        count = self.config.minibatches
        for _ in range(self.config.epochs):
            if count == 1:
                yield batch
                continue
            order = torch.randperm(len(batch.action), generator=self.generator, device=self.device)
            for pick in order.tensor_split(count):
                yield Batch(*(field.index_select(0, pick) for field in batch))

    def values(self, parameters: Parameters, seen: Tensor, matters: Tensor) -> Tensor:
        """The critic's values [B, T, K], in its own units; `seen` [B, T, K, F], and bool [B, T] where that matters."""
        if self.config.critic is Critic.TEAM:
            return self.critic_network.unroll(parameters, seen.permute(2, 1, 0, 3), matters.T)[0].permute(1, 0, 2)
        rows = self.setup.rows(matters)
        return self.setup.by_agent(self.critic_network.unroll(parameters, self.setup.inputs(seen), rows))[..., 0]

    def log_policy(self, observation: Tensor, action_mask: Tensor, matters: Tensor) -> Tensor:
        """Log probabilities [B, T, N, A] of all actions where they matter, bool [B, T]."""
        inputs, rows = self.setup.inputs(observation), self.setup.rows(matters)
        outputs = self.actor_network.unroll(self.actor.parameters["actor"], inputs, rows)
        return torch.where(action_mask, self.setup.by_agent(outputs), -1e9).log_softmax(dim=3)

    def policy_loss(self, log_policy: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """-L(theta), and figures."""
        clip = self.config.clip
        share = batch.alive / batch.alive.sum().clamp(min=1)
        log_ratio = _taken(log_policy, batch.action) - batch.log_probability
        ratio = log_ratio.exp()
        surrogate = torch.min(ratio * batch.advantage, ratio.clamp(1 - clip, 1 + clip) * batch.advantage)
        policy_loss = -(surrogate * share).sum()
        entropy = -((log_policy.exp() * log_policy).sum(dim=3) * share).sum()
        with torch.no_grad():
            figures = {
                "policy_loss": policy_loss.detach(),
                "entropy": entropy.detach(),
                # Schulman's k3, joschu.net/blog/kl-approx.html
                "approx_kl": ((ratio - 1 - log_ratio) * share).sum(),
                "clip_fraction": (((ratio - 1).abs() > clip) * share).sum(),
            }
        return policy_loss - self.config.entropy * entropy, figures

    def value_loss(self, value: Tensor, batch: Batch) -> Tensor:
        """L(phi)."""
        config = self.config
        loss = self._distance(value, batch.returns)
        if config.value_clip is not None:
            moved = (value - batch.value).clamp(-config.value_clip, config.value_clip)
            loss = torch.max(loss, self._distance(batch.value + moved, batch.returns))
        return (loss * batch.valued).sum() / batch.valued.sum().clamp(min=1)

    def _distance(self, value: Tensor, returns: Tensor) -> Tensor:
        delta = self.config.huber_delta
        if delta is None:
            return (value - returns).square()
        return functional.huber_loss(value, returns, reduction="none", delta=delta)

    def policy(self) -> TeamPolicy:
        """The greedy policy as it is now."""
        weights = self.actor.weights.detach().view(self.setup.stack, -1)
        return TeamPolicy(self.setup, self.actor_network, weights, temperature=0.0, algorithm=self.name)

    def state(self) -> dict[str, Tensor]:
        """What it takes to go on bit for bit."""
        begun = 0 if self.collector is None else self.collector.begun
        tensors = self.actor.tensors("actor") | self.critic.tensors("critic")
        tensors |= {"target": self.target_weights, "generator": self.generator.get_state()}
        tensors |= {f"value_norm.{name}": tensor for name, tensor in self.norm.state().items()}
        return tensors | {
            "rewards": self.rewards.numbers,
            "counters": torch.tensor([self.environment_steps, self.updates, begun]),
        }

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave.

        Raises:
            ValueError: it was saved by another algorithm or for other shapes.
        """
        check_saved(self.name, tensors, self.state())
        self.actor.load_tensors("actor", tensors)
        self.critic.load_tensors("critic", tensors)
        self.target_weights.copy_(tensors["target"])
        restore(self.generator, tensors["generator"])
        self.norm.load_state({name: tensors[f"value_norm.{name}"] for name in self.norm.state()})
        self.rewards.numbers.copy_(tensors["rewards"])
        self.environment_steps, self.updates, begun = tensors["counters"].tolist()
        if self.collector is not None:
            self.collector.begun = begun


def living(episodes: Episodes) -> Tensor:
    """bool [B, T + 1, N]: an agent without a legal action is dead; who lived to an episode's end lives at its end."""
    acts = episodes.action_mask.any(dim=3)
    ended = (episodes.terminated | episodes.truncated).unsqueeze(2)
    return torch.cat((acts[:, :1], torch.where(ended, acts[:, :-1], acts[:, 1:])), dim=1)


def _taken(log_policy: Tensor, action: Tensor) -> Tensor:
    """Log probabilities [B, T, N] of the actions taken."""
    return log_policy.gather(3, action.unsqueeze(3)).squeeze(3)


def build(arena: Arena, config: MAPPOConfig, *, environments: int, seed: int, device: torch.device) -> MAPPO:
    """A learner of the arena's only team; see `agents.teams.registry.make`."""
    setup = TeamSetup(arena, 0, config.sharing, config.agent_ids)
    return MAPPO(setup, config, seed, device, Collector(setup, environments, seed, device))
