"""Rollouts: P learners against lanes of opponents, all environments advanced by the same few calls.

Layout of the batch: learner p owns E = lanes * S environments; environment `(p * lanes + lane) * S + s` faces the
opponent of that lane. In a sequential arena one macro-step is the learner's ply and the opponents' replies, so that an
environment yields a learner sample nearly each step; where the turn order makes a learner wait, the sample is marked
invalid.

An episode counts for the payoff only when both players were the same from its first move to its last, and the opponent
played its own policy (lanes may mix random moves into some environments, to widen the openings that are seen).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from agents.networks import Network
from agents.settings import RolloutConfig
from agents.stack import PolicyStack
from arenas.core import Arena, Observation, State, Turns, select

OUTCOMES = 3  # win, draw, loss of the learner
CODES = 1 + 2 * OUTCOMES  # 0: no countable episode ended; 1 + seat * 3 + outcome


class Experience(NamedTuple):
    """What P learners saw in T macro-steps of E environments each; written anew by the next rollout.

    Attributes:
        observation: [P, T, E, *shape] in the compute precision.
        action_mask: bool [P, T, E, A].
        action: int64 [P, T, E].
        log_probability: float32 [P, T, E], of the action when it was chosen.
        value: float32 [P, T + 1, E]; the last one is the value after the rollout.
        reward: float32 [P, T, E], what followed until the learner's next turn.
        ended: bool [P, T, E]: the episode ended in this macro-step, after the learner's action.
        bootstrap: float32 [P, T, E]: value of the true final observation where a time limit ended the episode, else 0.
        valid: bool [P, T, E]: it was the learner's turn.
        memory: [P, T, E, M], the memory before each step, for recurrent networks.
    """

    observation: Tensor
    action_mask: Tensor
    action: Tensor
    log_probability: Tensor
    value: Tensor
    reward: Tensor
    ended: Tensor
    bootstrap: Tensor
    valid: Tensor
    memory: Tensor | None


class _Half(NamedTuple):
    """What one side's ply leaves behind."""

    state: State
    seat: Tensor
    fresh: Tensor
    returns: Tensor
    reward: Tensor
    ended: Tensor
    truncated: Tensor
    code: Tensor
    observation: Observation
    final: Tensor


def sample(logits: Tensor, mask: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor]:
    """Draw actions from masked logits by the Gumbel-max trick.

    Args:
        logits: float32 [B, A].
        mask: bool [B, A].
        uniforms: float32 [B, A] in [0, 1).

    Returns:
        Actions int64 [B] and their log-probabilities [B].
    """
    log_policy = torch.where(mask, logits, -1e9).log_softmax(-1)
    gumbel = -(-uniforms.clamp(1e-9, 1 - 1e-7).log()).log()
    action = torch.where(mask, log_policy + gumbel, -torch.inf).argmax(-1)
    return action, log_policy.gather(1, action[:, None])[:, 0]


def check_trainable(arena: Arena) -> None:
    """Raise ValueError, saying why, when a league of single-agent teams cannot train in this arena."""
    if [len(team) for team in arena.spec.teams] != [1, 1]:
        teams = " and ".join(str(len(team)) for team in arena.spec.teams)
        raise ValueError(
            f"arena {arena.spec.name}: learners play two teams of one agent each; this arena has teams of {teams}"
        )


class Rollout:
    """The environments of P learners and what is needed to go on with them.

    Args:
        arena: the game; two teams of one agent each.
        network: the shape that learners and opponents share.
        learners: P.
        config: sizes.
        dtype: compute precision.
        device: where everything lives.
        generator: source of all randomness, on that device.
        compiler: wraps the tensor programs, `torch.compile` or the identity.
    """

    def __init__(
        self,
        arena: Arena,
        network: Network,
        learners: int,
        config: RolloutConfig,
        dtype: torch.dtype,
        device: torch.device,
        generator: torch.Generator,
        compiler: Callable[[Any], Any] = lambda function: function,
    ) -> None:
        check_trainable(arena)
        if config.environments % config.lanes:
            raise ValueError(
                f"rollout.environments: {config.environments} is not a multiple of rollout.lanes ({config.lanes})"
            )
        if config.opened_environments and not (arena.spec.pure and arena.spec.turns is Turns.SEQUENTIAL):
            raise ValueError("rollout.opened_environments: random openings need a native arena with turns; set it to 0")
        self.arena, self.network, self.config = arena, network, config
        self.learners, self.dtype, self.device, self.generator = learners, dtype, device, generator
        self.batch = learners * config.environments
        self.lanes = PolicyStack(network, learners * config.lanes, dtype, device)
        if arena.spec.pure:
            self._ply, self._joint = compiler(self._ply_program), compiler(self._joint_program)
        else:
            self._ply, self._joint = self._ply_program, self._joint_program
        self._allocate()
        self._start()

    def _allocate(self) -> None:
        spec, config = self.arena.spec, self.config
        shape = (self.learners, config.horizon, config.environments)
        empty, device = torch.zeros, self.device
        self.experience = Experience(
            observation=empty(*shape, *spec.observation_shape, dtype=self.dtype, device=device),
            action_mask=empty(*shape, spec.num_actions, dtype=torch.bool, device=device),
            action=empty(*shape, dtype=torch.int64, device=device),
            log_probability=empty(*shape, device=device),
            value=empty(self.learners, config.horizon + 1, config.environments, device=device),
            reward=empty(*shape, device=device),
            ended=empty(*shape, dtype=torch.bool, device=device),
            bootstrap=empty(*shape, device=device),
            valid=empty(*shape, dtype=torch.bool, device=device),
            memory=empty(*shape, self.network.config.memory, dtype=self.dtype, device=device)
            if self.network.recurrent
            else None,
        )
        self._codes = empty(2, config.horizon, self.batch, dtype=torch.int64, device=device)

    def _start(self) -> None:
        spec, config = self.arena.spec, self.config
        index = torch.arange(self.batch, device=self.device)
        self.state = self.arena.reset(self._uniforms(spec.reset_uniforms))
        self.seat = index % 2
        noisy = round(config.noisy_environments * config.lane_size)
        self.exploration = torch.where(index % config.lane_size < noisy, config.noise, 0.0)
        # From the other end of the lane, so that few environments have both.
        opened = round(config.opened_environments * config.lane_size)
        self.opened = index % config.lane_size >= config.lane_size - opened
        self.countable = (self.exploration == 0) & ~self.opened
        self.fresh = self.countable.clone()
        self.returns = torch.zeros(self.batch, device=self.device)
        self.openings = self._random_openings() if opened else None
        self.observed = self._observe(self.state)
        self.memory = self.network.initial_memory(self.learners, config.environments, self.dtype, self.device)
        self.lane_memory = self.network.initial_memory(len(self.lanes.flat), config.lane_size, self.dtype, self.device)

    def _random_openings(self) -> State:
        """For each environment a position some random plies from its start, or the start where they ended the game."""
        spec, most = self.arena.spec, self.config.opening_plies
        start = state = self.arena.reset(self._uniforms(spec.reset_uniforms))
        plies = (self._uniforms(1)[:, 0] * most).long() + 1
        ended = torch.zeros_like(self.opened)
        for ply in range(most):
            mask = self._observe(state).action_mask
            action, _ = sample(torch.zeros(mask.shape, device=self.device), mask, self._uniforms(spec.num_actions))
            after = self.arena.step(state, action, self._uniforms(spec.step_uniforms), (plies > ply) & ~ended)
            state, ended = after.state, ended | after.terminated | after.truncated
        return select(ended, start, state)

    def _uniforms(self, width: int) -> Tensor:
        return torch.rand(self.batch, width, generator=self.generator, device=self.device)

    def _observe(self, state: State) -> Observation:
        return self.arena.observe(state, dtype=self.dtype)

    @torch.inference_mode()
    def assign(self, row: int, weights: Tensor) -> None:
        """Give a lane (row = p * lanes + lane) a new opponent; episodes under way no longer count."""
        self.lanes.load(row, weights)
        environments = slice(row * self.config.lane_size, (row + 1) * self.config.lane_size)
        self.fresh[environments] = False
        if self.lane_memory is not None:
            self.lane_memory[row] = 0

    @torch.inference_mode()
    def collect(self, learners: PolicyStack) -> Experience:
        """Play T macro-steps with the learners' present weights."""
        if self.openings is not None:
            self.openings = self._random_openings()
        for step in range(self.config.horizon):
            if self.arena.spec.turns is Turns.SEQUENTIAL:
                self._sequential_step(learners, step)
            else:
                self._simultaneous_step(learners, step)
        observation = self.observed.observation
        if self.arena.spec.turns is Turns.SIMULTANEOUS:
            observation, _ = self._sides(self.observed)[0]
        self.experience.value[:, -1] = learners.evaluate(observation, self.memory).value
        return self.experience

    def counts(self) -> Tensor:
        """Countable episodes that ended in the last rollout: int64 [P * lanes, 2 seats, 3 outcomes] on the CPU."""
        rows = torch.arange(self.batch, device=self.device) // self.config.lane_size
        keys = (rows * CODES + self._codes).flatten()
        table = torch.bincount(keys, minlength=len(self.lanes.flat) * CODES)
        return table.view(-1, CODES)[:, 1:].reshape(-1, 2, OUTCOMES).cpu()

    def state_tensors(self) -> dict[str, Tensor]:
        """What has to be saved to go on: games under way, seats, memories, and the lanes' weights."""
        if not self.arena.spec.pure:
            # Games in other programs cannot be saved: they start anew, and only their unfinished episodes are lost.
            return {"lanes": self.lanes.flat}
        tensors = {f"state.{name}": tensor for name, tensor in self.state.items()}
        tensors |= {"seat": self.seat, "fresh": self.fresh, "returns": self.returns, "lanes": self.lanes.flat}
        if self.memory is not None and self.lane_memory is not None:
            tensors |= {"memory": self.memory, "lane_memory": self.lane_memory}
        return tensors

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `state_tensors` gave.

        Raises:
            ValueError: it was saved with other sizes.
        """
        expected = self.state_tensors()
        for name, tensor in expected.items():
            if name not in tensors or tensors[name].shape != tensor.shape:
                raise ValueError(
                    f"saved rollout: {name} does not fit {list(tensor.shape)}; was the configuration changed?"
                )
        self.lanes.flat.copy_(tensors["lanes"])
        if not self.arena.spec.pure:
            return
        placed = {name: tensors[name].to(self.device) for name in expected}
        self.state = {
            name.removeprefix("state."): tensor for name, tensor in placed.items() if name.startswith("state.")
        }
        self.seat, self.fresh, self.returns = placed["seat"], placed["fresh"], placed["returns"]
        if "memory" in placed:
            self.memory, self.lane_memory = placed["memory"], placed["lane_memory"]
        self.observed = self._observe(self.state)

    def _sequential_step(self, learners: PolicyStack, step: int) -> None:
        observation, mask = self.observed
        before = self.memory
        output = learners.evaluate(observation, before)
        live = self.arena.turn(self.state) == self.seat
        mine, action, log_probability = self._play(output.logits, None, live)
        self.memory = self._remembered(before, output.memory, live)
        bootstrap = self._final_value(learners, mine)
        self._forget(mine.ended)
        self._continue(mine)
        replying = self.arena.turn(self.state) != self.seat
        reply = self.lanes.evaluate(self.observed.observation, self.lane_memory)
        theirs, _, _ = self._play(reply.logits, self.exploration, replying)
        self.lane_memory = self._remembered(self.lane_memory, reply.memory, replying)
        bootstrap = torch.where(mine.ended, bootstrap, self._final_value(learners, theirs))
        self._forget(theirs.ended)
        self._continue(theirs)
        self._store(step, observation, mask, action, log_probability, output.value, live, before)
        # What the opponent opens the next episode with belongs to no move of the learner's.
        self._put(self.experience.reward, step, mine.reward + torch.where(mine.ended, 0.0, theirs.reward))
        self._put(self.experience.ended, step, mine.ended | theirs.ended)
        self._put(self.experience.bootstrap, step, bootstrap)
        self._codes[0, step], self._codes[1, step] = mine.code, theirs.code

    def _play(self, logits: Tensor, exploration: Tensor | None, live: Tensor) -> tuple[_Half, Tensor, Tensor]:
        spec = self.arena.spec
        result: tuple[_Half, Tensor, Tensor] = self._ply(
            self.state, self.seat, self.fresh, self.returns, self.observed.action_mask,
            logits.view(self.batch, -1), self._uniforms(spec.num_actions),
            self._uniforms(spec.reset_uniforms), self._uniforms(spec.step_uniforms),
            exploration, None if exploration is None else self._uniforms(1)[:, 0], live, self.countable, self.openings,
        )  # fmt: skip
        return result

    def _ply_program(
        self, state: State, seat: Tensor, fresh: Tensor, returns: Tensor, mask: Tensor, logits: Tensor,
        action_uniforms: Tensor, reset_uniforms: Tensor, step_uniforms: Tensor,
        exploration: Tensor | None, coin: Tensor | None, live: Tensor, countable: Tensor, openings: State | None,
    ) -> tuple[_Half, Tensor, Tensor]:  # fmt: skip
        if exploration is not None and coin is not None:
            logits = torch.where((coin < exploration)[:, None], 0.0, logits)
        action, log_probability = sample(logits, mask, action_uniforms)
        half = self._advance(
            state, action, seat, fresh, returns, reset_uniforms, step_uniforms, live, countable, openings
        )
        return half, action, log_probability

    def _advance(
        self, state: State, actions: Tensor, seat: Tensor, fresh: Tensor, returns: Tensor,
        reset_uniforms: Tensor, step_uniforms: Tensor, live: Tensor | None, countable: Tensor, openings: State | None,
    ) -> _Half:  # fmt: skip
        """Step, count what ended from the learner's side, and start anew with the seats swapped."""
        after = self.arena.step(state, actions, step_uniforms, live)
        reward = torch.where(seat == 0, after.rewards[:, 0], after.rewards[:, 1])
        ended = after.terminated | after.truncated
        total = returns + reward
        outcome = torch.where(total > 0, 0, torch.where(total < 0, 2, 1))
        code = torch.where(ended & fresh, 1 + seat * OUTCOMES + outcome, 0)
        spec = self.arena.spec
        # In a foreign arena each view is a round trip to its processes, and hardly any step ends by a limit.
        viewed = spec.truncates and (spec.pure or bool(after.truncated.any()))
        final = self._final_view(after.state, seat) if viewed else reward
        state = self.arena.renew(after.state, ended, reset_uniforms)
        if openings is not None:
            state = select(ended & self.opened, openings, state)
        return _Half(
            state=state,
            seat=torch.where(ended, 1 - seat, seat),
            fresh=torch.where(ended, countable, fresh),
            returns=torch.where(ended, 0.0, total),
            reward=reward,
            ended=ended,
            truncated=after.truncated,
            code=code,
            observation=self._observe(state),
            final=final,
        )

    def _final_view(self, state: State, seat: Tensor) -> Tensor:
        views = [self.arena.observe(state, agent, self.dtype).observation for agent in (0, 1)]
        return torch.where(self._shaped_flat(seat == 0, views[0]), views[0], views[1])

    def _final_value(self, learners: PolicyStack, half: _Half) -> Tensor:
        """The learner's value [B] of the true final observation where a time limit ended the episode, else 0."""
        if not self.arena.spec.truncates or not bool(half.truncated.any()):
            return torch.zeros_like(half.reward)
        value = learners.evaluate(half.final, self.memory).value.reshape(-1)
        return torch.where(half.truncated, value, 0.0)

    def _simultaneous_step(self, learners: PolicyStack, step: int) -> None:
        (observation, mask), (seen, seen_mask) = self._sides(self.observed)
        before, spec = self.memory, self.arena.spec
        output = learners.evaluate(observation, before)
        reply = self.lanes.evaluate(seen, self.lane_memory)
        half, action, log_probability = self._joint(
            self.state, self.seat, self.fresh, self.returns, mask, seen_mask, output.logits.view(self.batch, -1),
            reply.logits.view(self.batch, -1), self._uniforms(spec.num_actions), self._uniforms(spec.num_actions),
            self._uniforms(spec.reset_uniforms), self._uniforms(spec.step_uniforms), self._uniforms(1)[:, 0],
            self.exploration, self.countable,
        )  # fmt: skip
        self.memory, self.lane_memory = output.memory, reply.memory
        bootstrap = self._final_value(learners, half)
        self._forget(half.ended)
        live = torch.ones_like(half.ended)
        self._store(step, observation, mask, action, log_probability, output.value, live, before)
        self._put(self.experience.reward, step, half.reward)
        self._put(self.experience.ended, step, half.ended)
        self._codes[0, step], self._codes[1, step] = half.code, 0
        self._put(self.experience.bootstrap, step, bootstrap)
        self._continue(half)

    def _joint_program(
        self, state: State, seat: Tensor, fresh: Tensor, returns: Tensor, mask: Tensor, seen_mask: Tensor,
        logits: Tensor, reply: Tensor, uniforms: Tensor, reply_uniforms: Tensor, reset_uniforms: Tensor,
        step_uniforms: Tensor, coin: Tensor, exploration: Tensor, countable: Tensor,
    ) -> tuple[_Half, Tensor, Tensor]:  # fmt: skip
        action, log_probability = sample(logits, mask, uniforms)
        answer, _ = sample(torch.where((coin < exploration)[:, None], 0.0, reply), seen_mask, reply_uniforms)
        first = torch.where(seat == 0, action, answer)
        joint = torch.stack((first, action + answer - first), dim=1)
        half = self._advance(state, joint, seat, fresh, returns, reset_uniforms, step_uniforms, None, countable, None)
        return half, action, log_probability

    def _sides(self, observed: Observation) -> tuple[Observation, Observation]:
        """The learner's and the opponent's view of a simultaneous arena: [B, ...] each."""
        first = self.seat == 0
        views, masks = observed
        view_first, mask_first = self._shaped_flat(first, views[:, 0]), first[:, None]
        mine = Observation(
            torch.where(view_first, views[:, 0], views[:, 1]), torch.where(mask_first, masks[:, 0], masks[:, 1])
        )
        theirs = Observation(
            torch.where(view_first, views[:, 1], views[:, 0]), torch.where(mask_first, masks[:, 1], masks[:, 0])
        )
        return mine, theirs

    def _continue(self, half: _Half) -> None:
        self.state, self.seat, self.fresh, self.returns = half.state, half.seat, half.fresh, half.returns
        self.observed = half.observation

    def _store(
        self, step: int, observation: Tensor, mask: Tensor, action: Tensor, log_probability: Tensor, value: Tensor,
        live: Tensor, memory: Tensor | None,
    ) -> None:  # fmt: skip
        experience = self.experience
        self._put(experience.observation, step, observation)
        self._put(experience.action_mask, step, mask)
        self._put(experience.action, step, action)
        self._put(experience.log_probability, step, log_probability)
        self._put(experience.valid, step, live)
        experience.value[:, step] = value
        if experience.memory is not None and memory is not None:
            experience.memory[:, step] = memory

    def _put(self, target: Tensor, step: int, source: Tensor) -> None:
        target[:, step] = source.view(self.learners, self.config.environments, *source.shape[1:])

    @staticmethod
    def _shaped(flag: Tensor, like: Tensor) -> Tensor:
        """bool [B] as [P or R, S, 1], to go with a memory."""
        return flag.view(like.shape[0], like.shape[1], 1)

    @staticmethod
    def _shaped_flat(flag: Tensor, like: Tensor) -> Tensor:
        return flag.view(-1, *([1] * (like.dim() - 1)))

    def _remembered(self, before: Tensor | None, after: Tensor | None, moved: Tensor) -> Tensor | None:
        """Memories change only where the side moved."""
        if before is None or after is None:
            return None
        return torch.where(self._shaped(moved, before), after, before)

    def _forget(self, ended: Tensor) -> None:
        """Both sides start a new episode with an empty memory."""
        if self.memory is not None and self.lane_memory is not None:
            self.memory = self.memory * ~self._shaped(ended, self.memory)
            self.lane_memory = self.lane_memory * ~self._shaped(ended, self.lane_memory)
