"""Counterfactual multi-agent policy gradients (Foerster et al. 2018, arXiv:1705.08926).

A central critic Q(s, u) values joint actions. Fed the actions of the others, it answers for all actions of one agent at
once, so that an agent's advantage is against what the team would have got on average had it alone drawn again
(equation 4), and the policies follow equation 5:

    A_n(s, u) = Q(s, u) - sum over u'_n of pi_n(u'_n | o_n) Q(s, (u_-n, u'_n))
    g = E[sum over n of grad log pi_n(u_n | o_n) A_n(s, u)]

The baseline does not depend on u_n, so it changes the gradient's variance and not its mean. The critic goes towards the
lambda-returns y of a target critic (its equation of TD(lambda), after equation 6): L = mean of (y - Q(s, u))^2.

Shapes as in `agents.teams.core`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from agents.algorithms.coma_settings import COMAConfig
from agents.algorithms.mappo import POLICY_GAIN, Sampler, living
from agents.algorithms.q_learning import lambda_returns
from agents.core import Parameters
from agents.play import sample
from agents.teams.core import TeamSetup
from agents.teams.episodes import Collector, Episodes
from agents.teams.networks import TeamNetwork, Trained
from agents.teams.policy import TeamPolicy
from agents.teams.saved import check_saved, restore
from agents.value_norm import ValueNorm
from arenas.core import Arena


def counterfactual_advantages(values: Tensor, log_policy: Tensor, action: Tensor) -> Tensor:
    """Equation 4.

    Args:
        values: [..., A], Q of every action of one agent, the others' actions being what they were.
        log_policy: [..., A], of that agent.
        action: int64 [...], what it did.

    Returns:
        [...].
    """
    baseline = (log_policy.exp() * values).sum(dim=-1)
    return values.gather(-1, action.unsqueeze(-1)).squeeze(-1) - baseline


class COMA:
    """One team's policies, critic and update.

    Args:
        setup: the team.
        config: hyperparameters.
        seed: of all its randomness.
        device: where.
        collector: its environments.

    Attributes:
        actor: the policies' weights and optimiser.
        critic: the critic's.
        target: the target critic's weights.
        norm: statistics of the returns.
        environment_steps: joint steps learned from.
        updates: gradient steps of the policies.
    """

    name = "coma"

    def __init__(
        self, setup: TeamSetup, config: COMAConfig, seed: int, device: torch.device, collector: Collector
    ) -> None:
        self.setup, self.config, self.device, self.collector = setup, config, device, collector
        self.generator = torch.Generator(device).manual_seed(seed)
        self._critic_setup = replace(setup, sharing=True, agent_ids=True)  # one critic, told whom it answers for
        agents = setup.num_agents
        self.actor_network = TeamNetwork(config.actor_network, setup.input_size, setup.num_actions, POLICY_GAIN)
        seen = setup.state_size + agents * setup.num_actions + agents
        self.critic_network = TeamNetwork(config.critic_network, seen, setup.num_actions)
        start = torch.Generator().manual_seed(seed)
        actor, critic = self.actor_network.initial(start, setup.stack), self.critic_network.initial(start)
        self.actor = Trained({"actor": self.actor_network.layout}, {"actor": actor}, device)
        self.critic = Trained({"critic": self.critic_network.layout}, {"critic": critic}, device)
        self.target = self.critic.weights.detach().clone()
        self.norm = ValueNorm(config.value_norm_beta, device)
        self.environment_steps = self.updates = 0

    def train_step(self) -> dict[str, float]:
        """Play an episode in every environment and learn from them; see `learn`."""
        sampler = Sampler(self.setup, self.actor_network, self.actor.parameters["actor"], self.generator)
        return self.learn(self.collector.collect(sampler))

    def learn(self, episodes: Episodes) -> dict[str, float]:
        """Train on episodes that the present policies played: the critic first, then the policies by its word.

        Returns:
            The team's mean return; losses, entropy, and the norms of the gradients before clipping.
        """
        config = self.config
        lives = living(episodes)[:, :-1]
        alive = (lives & episodes.filled.unsqueeze(2)).float()
        share = alive / alive.sum().clamp(min=1)
        joint, returns = self._targets(episodes)
        inputs = self.critic_inputs(episodes.state[:, :-1], joint[:, :-1], lives)
        for _ in range(config.critic_steps):
            taken = self.values(self.critic.parameters["critic"], inputs).gather(3, episodes.action.unsqueeze(3))
            critic_loss = ((returns - taken.squeeze(3)).square() * share).sum()
            critic_norm = self.critic.step(
                critic_loss, config.learning_rate, config.max_gradient_norm, config.adam_epsilon
            )
            if int(self.critic.updates) % config.target_interval == 0:
                self.target.copy_(self.critic.weights.detach())

        log_policy = self.log_policy(episodes.observation[:, :-1], episodes.action_mask[:, :-1])
        with torch.no_grad():
            values = self.values(self.critic.parameters["critic"], inputs)
            advantage = counterfactual_advantages(values, log_policy, episodes.action)
        taken = log_policy.gather(3, episodes.action.unsqueeze(3)).squeeze(3)
        entropy = -((log_policy.exp() * log_policy).sum(dim=3) * share).sum()
        policy_loss = -(taken * advantage * share).sum()
        actor_norm = self.actor.step(
            policy_loss - config.entropy * entropy, config.learning_rate, config.max_gradient_norm, config.adam_epsilon
        )
        self.updates += 1
        self.environment_steps += int(episodes.filled.sum())
        return {
            "return_sum": float(episodes.returns.mean()),
            "policy_loss": float(policy_loss.detach()),
            "critic_loss": float(critic_loss.detach()),
            "entropy": float(entropy.detach()),
            "actor_norm": float(actor_norm),
            "critic_norm": float(critic_norm),
        }

    @torch.no_grad()
    def _targets(self, episodes: Episodes) -> tuple[Tensor, Tensor]:
        """Joint actions and what the critic is trained towards.

        Returns:
            int64 [B, T + 1, N], with those that the policies would go on with where an episode ends; and y, float32
            [B, T, N], in the critic's own units.
        """
        config = self.config
        log_policy = self.log_policy(episodes.observation, episodes.action_mask)
        flat = log_policy.flatten(0, 2)
        drawn, _ = sample(
            flat,
            episodes.action_mask.flatten(0, 2),
            torch.rand(flat.shape, generator=self.generator, device=self.device),
        )
        drawn = drawn.view(log_policy.shape[:3])
        ended = (episodes.terminated | episodes.truncated).unsqueeze(2)
        following_action = torch.where(ended, drawn[:, 1:], torch.cat((episodes.action[:, 1:], drawn[:, -1:]), dim=1))
        joint = torch.cat((episodes.action[:, :1], following_action), dim=1)

        alive = living(episodes)
        target = self.critic.views(self.target)["critic"]
        values = self.values(target, self.critic_inputs(episodes.state, joint, alive))
        value = values.gather(3, joint.unsqueeze(3)).squeeze(3)
        # A critic is not trained on the dead: what it says of the same joint action for the others stands for them.
        others = (value * alive).sum(dim=2, keepdim=True) / alive.sum(dim=2, keepdim=True).clamp(min=1)
        value = torch.where(alive, value, others)
        if config.value_norm:
            value = self.norm.denormalise(value)
        reward = episodes.reward.sum(dim=2, keepdim=True).expand_as(episodes.reward)
        returns = lambda_returns(reward, value[:, 1:], episodes, config.discount, config.td_lambda)
        if config.value_norm:
            self.norm.update(returns, (alive[:, :-1] & episodes.filled.unsqueeze(2)).float())
            returns = self.norm.normalise(returns)
        return joint, returns

    def critic_inputs(self, state: Tensor, joint: Tensor, alive: Tensor) -> Tensor:
        """What the critic is fed: the state, the others' actions (its own agent's and dead agents' are zeros), its id.

        Args:
            state: [B, T, G].
            joint: int64 [B, T, N].
            alive: bool [B, T, N].

        Returns:
            [1, T, N * B, G + N * A + N].
        """
        agents = self.setup.num_agents
        acts = functional.one_hot(joint, self.setup.num_actions).to(state.dtype) * alive.unsqueeze(3)
        other = 1 - torch.eye(agents, dtype=state.dtype, device=state.device)
        others = (acts.unsqueeze(2) * other[:, :, None]).flatten(3)  # [B, T, N, N * A]
        return self._critic_setup.inputs(torch.cat((state.unsqueeze(2).expand(-1, -1, agents, -1), others), dim=3))

    def values(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        """Q [B, T, N, A] of every agent's own actions, in the critic's own units."""
        return self._critic_setup.by_agent(self.critic_network.unroll(parameters, inputs))

    def log_policy(self, observation: Tensor, action_mask: Tensor) -> Tensor:
        """Log probabilities [B, T, N, A] of all actions."""
        outputs = self.actor_network.unroll(self.actor.parameters["actor"], self.setup.inputs(observation))
        return torch.where(action_mask, self.setup.by_agent(outputs), -1e9).log_softmax(dim=3)

    def policy(self) -> TeamPolicy:
        """The greedy policy as it is now."""
        weights = self.actor.weights.detach().view(self.setup.stack, -1)
        return TeamPolicy(self.setup, self.actor_network, weights, temperature=0.0, algorithm=self.name)

    def state(self) -> dict[str, Tensor]:
        """What it takes to go on bit for bit."""
        tensors = self.actor.tensors("actor") | self.critic.tensors("critic")
        tensors |= {"target": self.target, "generator": self.generator.get_state()}
        tensors |= {f"value_norm.{name}": tensor for name, tensor in self.norm.state().items()}
        return tensors | {"counters": torch.tensor([self.environment_steps, self.updates, self.collector.begun])}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave.

        Raises:
            ValueError: it was saved by another algorithm or for other shapes.
        """
        check_saved(self.name, tensors, self.state())
        self.actor.load_tensors("actor", tensors)
        self.critic.load_tensors("critic", tensors)
        self.target.copy_(tensors["target"])
        restore(self.generator, tensors["generator"])
        self.norm.load_state({name: tensors[f"value_norm.{name}"] for name in self.norm.state()})
        self.environment_steps, self.updates, self.collector.begun = tensors["counters"].tolist()


def build(arena: Arena, config: COMAConfig, *, environments: int, seed: int, device: torch.device) -> COMA:
    """A learner of the arena's only team; see `agents.teams.registry.make`."""
    setup = TeamSetup(arena, 0, config.sharing, config.agent_ids)
    return COMA(setup, config, seed, device, Collector(setup, environments, seed, device))
