"""Multi-agent deep deterministic policy gradients (Lowe et al. 2017, arXiv:1706.02275), for discrete actions.

Every agent has a critic Q_n(s, u_1 ... u_N) of the joint action and a policy mu_n of its own observation. On episodes
of a replay buffer D (equations 6 and 5 of the paper; ' marks target networks):

    L(Q_n)  = mean of (y - Q_n(s, u))^2,   y = r_n + gamma Q_n'(s', mu_1'(o_1') ... mu_N'(o_N'))
    J(mu_n) = mean of Q_n(s, u_1 ... mu_n(o_n) ... u_N), the others' actions from D

Actions are one-hot vectors: mu_n draws from its logits by the Gumbel-max trick, and the gradient passes through the
softmax at the same draw (straight-through Gumbel-softmax; Jang et al. 2017, arXiv:1611.01144). Target policies take
their likeliest action. Nothing is added behind a terminated episode; a truncated one is bootstrapped from its true
final state.

Shapes as in `agents.teams.core`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from agents.algorithms.maddpg_settings import MADDPGConfig
from agents.algorithms.mappo import POLICY_GAIN, Sampler, living
from agents.algorithms.q_learning import Moments
from agents.core import Parameters
from agents.teams.core import TeamSetup
from agents.teams.episodes import Collector, EpisodeBuffer, Episodes
from agents.teams.networks import TeamNetwork, Trained
from agents.teams.policy import TeamPolicy
from agents.teams.q_settings import Reward
from agents.teams.saved import check_saved, restore
from arenas.core import Arena


def straight_through(logits: Tensor, action_mask: Tensor, uniforms: Tensor, temperature: float) -> Tensor:
    """One-hot draws [..., A] from masked logits [..., A], with the gradient of the softmax at the same Gumbel noise.

    Args:
        logits: float32 [..., A].
        action_mask: bool [..., A].
        uniforms: float32 [..., A] in [0, 1).
        temperature: of the softmax.
    """
    gumbel = -(-uniforms.clamp(1e-9, 1 - 1e-7).log()).log()
    soft = torch.where(action_mask, (logits + gumbel) / temperature, -1e9).softmax(dim=-1)
    hard = functional.one_hot(soft.argmax(dim=-1), logits.shape[-1]).to(logits.dtype)
    return hard + soft - soft.detach()


class MADDPG:
    """One team's policies, critics, their targets and update.

    Args:
        setup: the team.
        config: hyperparameters.
        seed: of all its randomness.
        device: where.
        collector: its environments.

    Attributes:
        actor: the policies' weights and optimiser.
        critic: the critics'.
        target_actor: the target policies' weights.
        target_critic: the target critics'.
        environment_steps: joint steps collected.
        updates: gradient steps.
    """

    name = "maddpg"

    def __init__(
        self, setup: TeamSetup, config: MADDPGConfig, seed: int, device: torch.device, collector: Collector
    ) -> None:
        self.setup, self.config, self.device, self.collector = setup, config, device, collector
        self.generator = torch.Generator(device).manual_seed(seed)
        self._critic_setup = replace(setup, agent_ids=True)
        agents, told = setup.num_agents, self._critic_setup.tells_ids
        self.actor_network = TeamNetwork(config.actor_network, setup.input_size, setup.num_actions, POLICY_GAIN)
        seen = setup.state_size + agents * setup.num_actions + agents * told
        self.critic_network = TeamNetwork(config.critic_network, seen, 1)
        start = torch.Generator().manual_seed(seed)
        actor = self.actor_network.initial(start, setup.stack)
        critic = self.critic_network.initial(start, setup.stack)
        self.actor = Trained({"actor": self.actor_network.layout}, {"actor": actor}, device)
        self.critic = Trained({"critic": self.critic_network.layout}, {"critic": critic}, device)
        self.target_actor = self.actor.weights.detach().clone()
        self.target_critic = self.critic.weights.detach().clone()
        self.buffer = EpisodeBuffer(setup, max(config.buffer, collector.environments), device)
        self.rewards = Moments()
        self.environment_steps = self.updates = 0
        self._owed = 0.0  # updates that the episodes collected so far still ask for

    def train_step(self) -> dict[str, float]:
        """Collect an episode in every environment, then make as many updates as these ask for."""
        config = self.config
        sampler = Sampler(self.setup, self.actor_network, self.actor.parameters["actor"], self.generator)
        episodes = self.collector.collect(sampler)
        self.buffer.add(episodes)
        self.rewards.add(self._raw_reward(episodes)[episodes.filled].flatten())
        self.environment_steps += int(episodes.filled.sum())
        figures = {"return_sum": float(episodes.returns.mean())}
        if self.buffer.count < config.batch:
            return figures
        self._owed += config.updates_per_episode * self.collector.environments
        made = int(self._owed)
        self._owed -= made
        for _ in range(made):
            for key, value in self.update(self.buffer.sample(config.batch, self.generator)).items():
                figures[key] = figures.get(key, 0.0) + value / made
        return figures

    def update(self, episodes: Episodes) -> dict[str, float]:
        """One gradient step of the critics and one of the policies on a batch of episodes; the figures by name."""
        config = self.config
        critic_loss = self.critic_loss(episodes)
        critic_norm = self.critic.step(critic_loss, config.learning_rate, config.max_gradient_norm, config.adam_epsilon)
        actor_loss = self.actor_loss(episodes)
        actor_norm = self.actor.step(actor_loss, config.learning_rate, config.max_gradient_norm, config.adam_epsilon)
        self.target_actor.lerp_(self.actor.weights.detach(), config.target_rate)
        self.target_critic.lerp_(self.critic.weights.detach(), config.target_rate)
        self.updates += 1
        numbers = torch.stack((critic_loss.detach(), actor_loss.detach(), critic_norm, actor_norm)).tolist()
        return dict(zip(("critic_loss", "actor_loss", "critic_norm", "actor_norm"), numbers, strict=True))

    def critic_loss(self, episodes: Episodes) -> Tensor:
        """Equation 6, the mean over steps and the agents that were alive."""
        config = self.config
        lives = living(episodes)
        with torch.no_grad():
            logits = self.logits(self.actor.views(self.target_actor)["actor"], episodes.observation)
            likeliest = torch.where(episodes.action_mask, logits, -torch.inf).argmax(dim=3)
            ahead = self._joint(self._one_hot(likeliest, lives))
            following = self.values(self.critic.views(self.target_critic)["critic"], episodes.state, ahead)[:, 1:]
            # No critic is trained on the dead: for a reward in common what the others' say stands for theirs.
            others = (following * lives[:, 1:]).sum(dim=2, keepdim=True) / lives[:, 1:].sum(2, keepdim=True).clamp(
                min=1
            )
            dead = others if config.reward is Reward.TEAM else torch.zeros_like(others)
            following = torch.where(lives[:, 1:], following, dead) * ~episodes.terminated.unsqueeze(2)
            reward = self._raw_reward(episodes)
            target = self.rewards.standardise(reward) if config.standardise_rewards else reward
            target = target + config.discount * following
        joint = self._joint(self._one_hot(episodes.action, lives[:, :-1]))
        value = self.values(self.critic.parameters["critic"], episodes.state[:, :-1], joint)
        return ((target - value).square() * self._share(episodes, lives)).sum()

    def actor_loss(self, episodes: Episodes) -> Tensor:
        """-J of equation 5 with the penalty on logits, the mean over steps and the agents that were alive."""
        lives = living(episodes)
        mask = episodes.action_mask[:, :-1]
        logits = self.logits(self.actor.parameters["actor"], episodes.observation[:, :-1])
        uniforms = torch.rand(logits.shape, generator=self.generator, device=self.device)
        own = straight_through(logits, mask, uniforms, self.config.temperature)
        joint = self._joint(self._one_hot(episodes.action, lives[:, :-1]), own)
        critic = {name: tensor.detach() for name, tensor in self.critic.parameters["critic"].items()}
        value = self.values(critic, episodes.state[:, :-1], joint)
        share = self._share(episodes, lives)
        penalty = (torch.where(mask, logits, 0.0).square().mean(dim=3) * share).sum()
        return self.config.logit_penalty * penalty - (value * share).sum()

    def _share(self, episodes: Episodes, lives: Tensor) -> Tensor:
        """[B, T, N]: what each step of each living agent weighs in a mean."""
        alive = (lives[:, :-1] & episodes.filled.unsqueeze(2)).float()
        return alive / alive.sum().clamp(min=1)

    def _raw_reward(self, episodes: Episodes) -> Tensor:
        """[B, T, N]."""
        if self.config.reward is Reward.AGENT:
            return episodes.reward
        return episodes.reward.sum(dim=2, keepdim=True).expand_as(episodes.reward)

    def _one_hot(self, action: Tensor, lives: Tensor) -> Tensor:
        """int64 [B, T, N] as [B, T, N, A], zeros for the dead."""
        return functional.one_hot(action, self.setup.num_actions).float() * lives.unsqueeze(3)

    def _joint(self, actions: Tensor, own: Tensor | None = None) -> Tensor:
        """The joint action as each agent's critic is told it.

        Args:
            actions: [B, T, N, A] of all agents.
            own: as `actions`; where given, an agent's own action is taken from here.

        Returns:
            [B, T, N, N * A].
        """
        agents = self.setup.num_agents
        each = actions.unsqueeze(2).expand(-1, -1, agents, -1, -1)
        if own is not None:
            mine = torch.eye(agents, dtype=torch.bool, device=actions.device)[:, :, None]
            each = torch.where(mine, own.unsqueeze(2), each)
        return each.flatten(3)

    def values(self, parameters: Parameters, state: Tensor, joint: Tensor) -> Tensor:
        """Q_n [B, T, N] of states [B, T, G] and joint actions [B, T, N, N * A]."""
        seen = torch.cat((state.unsqueeze(2).expand(-1, -1, self.setup.num_agents, -1), joint), dim=3)
        outputs = self.critic_network.unroll(parameters, self._critic_setup.inputs(seen))
        return self._critic_setup.by_agent(outputs)[..., 0]

    def logits(self, parameters: Parameters, observation: Tensor) -> Tensor:
        """Of all actions, [B, T, N, A], before the mask."""
        return self.setup.by_agent(self.actor_network.unroll(parameters, self.setup.inputs(observation)))

    def policy(self) -> TeamPolicy:
        """The greedy policy as it is now."""
        weights = self.actor.weights.detach().view(self.setup.stack, -1)
        return TeamPolicy(self.setup, self.actor_network, weights, temperature=0.0, algorithm=self.name)

    def state(self) -> dict[str, Tensor]:
        """What it takes to go on bit for bit."""
        counters = [self.environment_steps, self.updates, self.collector.begun, self._owed]
        return {
            **self.actor.tensors("actor"),
            **self.critic.tensors("critic"),
            **self.buffer.tensors(),
            "target_actor": self.target_actor,
            "target_critic": self.target_critic,
            "rewards": self.rewards.numbers,
            "counters": torch.tensor(counters, dtype=torch.float64),
            "generator": self.generator.get_state(),
        }

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave.

        Raises:
            ValueError: it was saved by another algorithm or for other shapes.
        """
        own = {name: tensor for name, tensor in self.state().items() if not name.startswith("buffer.")}
        check_saved(self.name, tensors, own)
        self.actor.load_tensors("actor", tensors)
        self.critic.load_tensors("critic", tensors)
        self.buffer.load_tensors(tensors)
        self.target_actor.copy_(tensors["target_actor"])
        self.target_critic.copy_(tensors["target_critic"])
        self.rewards.numbers.copy_(tensors["rewards"])
        self.environment_steps, self.updates, self.collector.begun = map(int, tensors["counters"][:3].tolist())
        self._owed = float(tensors["counters"][3])
        restore(self.generator, tensors["generator"])


def build(arena: Arena, config: MADDPGConfig, *, environments: int, seed: int, device: torch.device) -> MADDPG:
    """A learner of the arena's only team; see `agents.teams.registry.make`."""
    setup = TeamSetup(arena, 0, config.sharing, config.agent_ids)
    return MADDPG(setup, config, seed, device, Collector(setup, environments, seed, device))
