"""Proximal policy optimisation (Schulman et al. 2017, arXiv:1707.06347) for P learners in one batched program.

The learners share nothing but the calls: each has its own weights (a row of a flat buffer), optimiser state, schedules,
advantage statistics and gradient clipping. Equations: the clipped surrogate (7), the combined loss (9), and generalised
advantage estimation (Schulman et al. 2016, arXiv:1506.02438, equation 16).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from agents.networks import Network
from agents.rollout import Experience
from agents.settings import PPOConfig
from agents.stack import PolicyStack
from arenas.core import Symmetry

STATISTICS = ("policy_loss", "value_loss", "entropy", "approx_kl", "clip_fraction")
_STATE = ("masters", "first_moment", "second_moment", "updates", "steps")


class Targets(NamedTuple):
    """Advantages and returns of an iteration: float32 [P, T, E]."""

    advantage: Tensor
    returns: Tensor


def advantages(experience: Experience, discount: float, gae_lambda: float) -> Targets:
    """Generalised advantage estimation over the learner's own turns (equation 16 of arXiv:1506.02438).

    A step in which the learner did not move passes the estimate through: its reward belongs to the learner's last move.
    A terminated episode bootstraps from nothing, a truncated one from the value of its true final observation.
    """
    value, ended, valid = experience.value, experience.ended, experience.valid
    horizon = ended.shape[1]
    advantage = torch.zeros_like(experience.reward)
    following = value[:, horizon]  # value of the learner's next turn in the same episode, 0 after its end
    carried = torch.zeros_like(following)  # lambda-weighted advantage of that turn
    pending = torch.zeros_like(following)  # rewards between the step and that turn
    reward = experience.reward + discount * experience.bootstrap
    for step in reversed(range(horizon)):
        stop = ended[:, step]
        following = torch.where(stop, 0.0, following)
        carried = torch.where(stop, 0.0, carried)
        pending = torch.where(stop, 0.0, pending) + reward[:, step]
        estimate = pending + discount * following - value[:, step] + discount * gae_lambda * carried
        mine = valid[:, step]
        advantage[:, step] = torch.where(mine, estimate, 0.0)
        following = torch.where(mine, value[:, step], following)
        carried = torch.where(mine, estimate, carried)
        pending = torch.where(mine, 0.0, pending)
    return Targets(advantage, advantage + value[:, :horizon])


class Minibatch(NamedTuple):
    """Samples of P learners, M each (recurrent: [P, T, M])."""

    observation: Tensor
    action_mask: Tensor
    action: Tensor
    log_probability: Tensor
    advantage: Tensor
    returns: Tensor
    weight: Tensor


class PPO:
    """P learners: their master weights, optimiser and update.

    Args:
        network: the shape.
        weights: float32 [P, D], the learners' first weights; copied.
        config: hyperparameters.
        dtype: compute precision; masters are float32 whatever it is.
        device: where.
        symmetries: those of the arena, for `mirror`.
        compiler: wraps the loss, `torch.compile` or the identity.

    Attributes:
        policies: the learners as a `PolicyStack` in the compute precision, always up to date.
        steps: int64 [P], samples each learner has been trained on since it last started afresh.
    """

    def __init__(
        self,
        network: Network,
        weights: Tensor,
        config: PPOConfig,
        dtype: torch.dtype,
        device: torch.device,
        symmetries: tuple[Symmetry, ...] = (),
        compiler: Callable[[Any], Any] = lambda function: function,
    ) -> None:
        self.network, self.config = network, config
        self.policies = PolicyStack(network, len(weights), dtype, device)
        self.masters = torch.zeros_like(weights, device=device)
        self.first_moment = torch.zeros(weights.shape, device=device)
        self.second_moment = torch.zeros(weights.shape, device=device)
        self.gradient = torch.zeros(weights.shape, device=device)
        self.updates = torch.zeros(len(weights), dtype=torch.int64, device=device)
        self.steps = torch.zeros(len(weights), dtype=torch.int64, device=device)
        # The network stays out: compiled with it, Inductor's masks for the backward pass of ReLU halve the pace.
        self._objective = compiler(self._objective_program)
        self._adam = compiler(self._adam_program)
        self._gradients = network.layout.views(self.gradient)
        self._symmetries = [
            (torch.tensor(symmetry.observation, device=device), torch.tensor(symmetry.action, device=device))
            for symmetry in symmetries
        ]
        self._inverse = [action.argsort() for _, action in self._symmetries]
        for learner, row in enumerate(weights):
            self.restart(learner, row)

    def restart(self, learner: int, weights: Tensor) -> None:
        """Begin afresh from `weights` [D]: optimiser and schedules too."""
        self.masters[learner].copy_(weights)
        for buffer in (self.first_moment, self.second_moment, self.updates, self.steps):
            buffer[learner].zero_()
        self.policies.load_all(self.masters)

    def snapshot(self, learner: int) -> Tensor:
        """A copy [D] of a learner's weights on the CPU, sharing no memory with the live ones."""
        return self.masters[learner].detach().to("cpu", copy=True)

    def state(self) -> dict[str, Tensor]:
        """What has to be saved to go on: master weights, optimiser, counters."""
        return {name: getattr(self, name) for name in _STATE}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave.

        Raises:
            ValueError: it was saved for other shapes.
        """
        for name, tensor in self.state().items():
            if name not in tensors or tensors[name].shape != tensor.shape:
                raise ValueError(
                    f"saved learner: {name} does not fit {list(tensor.shape)}; was the configuration changed?"
                )
            tensor.copy_(tensors[name])
        self.policies.load_all(self.masters)

    def update(self, experience: Experience, generator: torch.Generator) -> dict[str, Tensor]:
        """Train every learner on its share of an iteration's experience.

        Returns:
            Figures a learner, float32 [P]: losses, entropy, approximate KL, clip fraction, explained variance, gradient
            norm, learning rate.
        """
        config = self.config
        with torch.inference_mode():
            targets = advantages(experience, config.discount, config.gae_lambda)
            weight = experience.valid.float()
            variance = _explained_variance(experience, targets, weight)
            normalised = _normalised(targets.advantage, weight)
        # Tensors made under inference mode cannot be saved for a backward pass; a clone outside of it can.
        batch = Minibatch(
            experience.observation, experience.action_mask, experience.action, experience.log_probability,
            normalised.clone(), targets.returns.clone(), weight.clone(),
        )  # fmt: skip
        self.steps += experience.valid.sum((1, 2))
        learning_rate, entropy = self._scheduled("learning_rate"), self._scheduled("entropy")
        leaves = {name: view.detach().requires_grad_() for name, view in self.policies.parameters.items()}
        totals = torch.zeros(len(STATISTICS), len(self.steps), device=weight.device)
        norms, count = torch.zeros_like(learning_rate), 0
        for minibatch, memory, ended in self._minibatches(batch, experience, generator):
            logits, value = self._evaluate(leaves, minibatch, memory, ended)
            loss, statistics = self._objective(logits, value, minibatch, entropy)
            gradients = torch.autograd.grad(loss, list(leaves.values()))
            with torch.no_grad():
                for name, gradient in zip(leaves, gradients, strict=True):
                    self._gradients[name].copy_(gradient)
                norms += self._adam(
                    self.masters, self.first_moment, self.second_moment, self.gradient, self.updates, learning_rate
                )
                self.policies.load_all(self.masters)
                totals += statistics
            count += 1
        figures = dict(zip(STATISTICS, totals / count, strict=True))
        figures |= {"explained_variance": variance, "gradient_norm": norms / count, "learning_rate": learning_rate}
        return figures

    def _scheduled(self, name: str) -> Tensor:
        """The value [P] of `learning_rate` or `entropy` at each learner's number of samples."""
        start = float(getattr(self.config, name))
        end = getattr(self.config, f"final_{name}")
        share = (self.steps / self.config.schedule_steps).clamp(0, 1).float()
        return start + share * ((start if end is None else float(end)) - start)

    def _minibatches(
        self, batch: Minibatch, experience: Experience, generator: torch.Generator
    ) -> Iterator[tuple[Minibatch, Tensor | None, Tensor | None]]:
        """Minibatches of single samples or, for a recurrent network, of whole sequences with their first memory."""
        recurrent = self.network.recurrent
        _, horizon, environments = experience.ended.shape
        if recurrent:
            size, total = max(1, self.config.minibatch // horizon), environments
            fields, axis = list(batch), 2
        else:
            size, total = self.config.minibatch, horizon * environments
            fields, axis = [field.flatten(1, 2) for field in batch], 1
        for _ in range(self.config.epochs):
            # One order for all learners: their samples have nothing to do with each other.
            order = torch.randperm(total, generator=generator, device=generator.device) if self.config.shuffle else None
            for start in range(0, total, size):
                stop = min(start + size, total)
                pick = None if order is None else order[start:stop]
                part = Minibatch(*(_take(field, axis, pick, start, stop) for field in fields))
                if self.config.mirror:
                    part = self._mirrored(part, generator)
                if not recurrent:
                    yield part, None, None
                    continue
                assert experience.memory is not None
                memory = _take(experience.memory[:, 0], 1, pick, start, stop).clone()
                yield part, memory, _take(experience.ended, 2, pick, start, stop)

    def _mirrored(self, batch: Minibatch, generator: torch.Generator) -> Minibatch:
        """The minibatch as it is or through one of the symmetries, all equally likely."""
        chosen = int(torch.randint(len(self._symmetries) + 1, (), generator=generator, device=generator.device))
        if chosen == len(self._symmetries):
            return batch
        pixels, actions = self._symmetries[chosen]
        shape = batch.observation.shape
        lead = shape[: batch.action.dim()]
        return batch._replace(
            observation=batch.observation.reshape(*lead, -1)[..., pixels].view(shape),
            action_mask=batch.action_mask[..., actions],
            action=self._inverse[chosen][batch.action],
        )

    def _objective_program(
        self, logits: Tensor, value: Tensor, batch: Minibatch, entropy_weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Equation 9, summed over the learners (whose gradients stay apart), and the figures [5, P]."""
        config = self.config
        log_policy = torch.where(batch.action_mask, logits, -1e9).log_softmax(-1)
        log_probability = log_policy.gather(-1, batch.action.unsqueeze(-1)).squeeze(-1)
        log_ratio = log_probability - batch.log_probability
        ratio = log_ratio.exp()
        clipped = ratio.clamp(1 - config.clip, 1 + config.clip)
        surrogate = torch.min(ratio * batch.advantage, clipped * batch.advantage)
        entropy = -(log_policy.exp() * log_policy).sum(-1)
        axes = tuple(range(1, batch.weight.dim()))
        share = batch.weight / batch.weight.sum(axes, keepdim=True).clamp(min=1)
        policy_loss = -(surrogate * share).sum(axes)
        value_loss = ((value - batch.returns).square() * share).sum(axes)
        mean_entropy = (entropy * share).sum(axes)
        loss = policy_loss + config.value_weight * value_loss - entropy_weight * mean_entropy
        with torch.no_grad():
            kl = ((ratio - 1 - log_ratio) * share).sum(axes)  # Schulman's k3, joschu.net/blog/kl-approx.html
            outside = (((ratio - 1).abs() > config.clip).float() * share).sum(axes)
            statistics = torch.stack((policy_loss, value_loss, mean_entropy, kl, outside))
        return loss.sum(), statistics

    def _evaluate(
        self, parameters: dict[str, Tensor], batch: Minibatch, memory: Tensor | None, ended: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        if memory is None or ended is None:
            output = self.network.apply(parameters, batch.observation)
            return output.logits, output.value
        logits, values = [], []
        for step in range(ended.shape[1]):
            output = self.network.apply(parameters, batch.observation[:, step], memory)
            logits.append(output.logits)
            values.append(output.value)
            assert output.memory is not None
            took_part = batch.weight[:, step].bool().unsqueeze(-1)
            memory = torch.where(took_part, output.memory, memory) * ~ended[:, step].unsqueeze(-1)
        return torch.stack(logits, dim=1), torch.stack(values, dim=1)

    def _adam_program(
        self,
        masters: Tensor,
        first_moment: Tensor,
        second_moment: Tensor,
        gradient: Tensor,
        updates: Tensor,
        learning_rate: Tensor,
    ) -> Tensor:
        """One step of Adam (Kingma & Ba 2015), in place, on the clipped gradients; their norms [P] before clipping.

        A dozen passes over all weights, which grow with the stack while the batch does not: compiled they are two.
        """
        norm: Tensor = gradient.square().sum(1).sqrt()
        gradient.mul_((self.config.max_gradient_norm / (norm + 1e-6)).clamp(max=1.0).unsqueeze(1))
        updates.add_(1)
        first_moment.lerp_(gradient, 0.1)
        second_moment.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        first_scale = learning_rate / (1 - 0.9**updates)
        second_scale = (1 - 0.999**updates).sqrt()
        denominator = (second_moment.sqrt() / second_scale.unsqueeze(1)).add_(self.config.adam_epsilon)
        masters.sub_(first_scale.unsqueeze(1) * first_moment / denominator)
        return norm


def _take(field: Tensor, axis: int, pick: Tensor | None, start: int, stop: int) -> Tensor:
    if pick is not None:
        return field.index_select(axis, pick)
    # A slice of a stack has gaps: a batched product would copy it, transposed, on the way back.
    return field.narrow(axis, start, stop - start).contiguous()


def _normalised(advantage: Tensor, weight: Tensor) -> Tensor:
    """Each learner's advantages with mean 0 and deviation 1 over its valid samples."""
    count = weight.sum((1, 2), keepdim=True).clamp(min=1)
    mean = (advantage * weight).sum((1, 2), keepdim=True) / count
    deviation = (((advantage - mean).square() * weight).sum((1, 2), keepdim=True) / count).sqrt()
    return (advantage - mean) / (deviation + 1e-8)


def _explained_variance(experience: Experience, targets: Targets, weight: Tensor) -> Tensor:
    """1 - Var[return - value] / Var[return], [P]: 1 is a perfect critic, 0 one that knows nothing."""
    count = weight.sum((1, 2)).clamp(min=1)

    def variance(of: Tensor) -> Tensor:
        mean = ((of * weight).sum((1, 2)) / count)[:, None, None]
        return ((of - mean).square() * weight).sum((1, 2)) / count

    return 1 - variance(targets.returns - experience.value[:, :-1]) / (variance(targets.returns) + 1e-8)
