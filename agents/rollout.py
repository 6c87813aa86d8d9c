"""Rollouts: P learners against lanes of opponents, all environments advanced by the same few calls.

Layout of the batch: learner p owns E = lanes * S environments; environment `(p * lanes + lane) * S + s` faces the
opponent of that lane. In a sequential arena one macro-step is the learner's ply and the opponents' replies, so that an
environment yields a learner sample nearly each step; where the turn order makes a learner wait, the sample is marked
invalid.

An episode counts for the payoff only when both players were the same from its first move to its last, the opponent
played its own policy, and the game began at its beginning (environments may mix random moves into the opponent's play,
or begin with random openings, to widen the positions that are seen).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from agents.networks import Network
from agents.play import CODES, OUTCOMES, Games, Luck, Ply, Programs, sides
from agents.settings import RolloutConfig
from agents.stack import PolicyStack
from arenas.core import Arena, State, Turns


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


def check_trainable(arena: Arena, config: RolloutConfig) -> None:
    """Raise ValueError, saying why, when a league of single-agent teams cannot train in this arena with these sizes."""
    if [len(team) for team in arena.spec.teams] != [1, 1]:
        name = arena.spec.name
        teams = " and ".join(str(len(team)) for team in arena.spec.teams)
        fitting = (
            f"`league train ALGORITHM {name}` trains a team of it; without learners (--players none) a league rates it"
            if len(arena.spec.teams) == 1
            else "a league of teams names its learners in [teams], as teams.mappo.algorithm = 'mappo'"
        )
        raise ValueError(
            f"arena {name}: learners play two teams of one agent each; this arena has teams of {teams}: {fitting}"
        )
    if config.environments % config.lanes:
        raise ValueError(
            f"rollout.environments: {config.environments} is not a multiple of rollout.lanes ({config.lanes})"
        )
    if config.opened_environments and not (arena.spec.pure and arena.spec.turns is Turns.SEQUENTIAL):
        raise ValueError("rollout.opened_environments: random openings need a native arena with turns; set it to 0")


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

    Attributes:
        games: the games under way.
        lanes: the opponents.

    Raises:
        ValueError: an arena or sizes that do not fit.
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
        check_trainable(arena, config)
        self.arena, self.network, self.config = arena, network, config
        self.learners, self.dtype, self.device, self.generator = learners, dtype, device, generator
        self.batch = learners * config.environments
        self.lanes = PolicyStack(network, learners * config.lanes, dtype, device)

        place = torch.arange(self.batch, device=device) % config.lane_size
        noisy = round(config.noisy_environments * config.lane_size)
        opened = round(config.opened_environments * config.lane_size)
        self.noise = torch.where(place < noisy, config.noise, 0.0)
        # From the other end of the lane, so that few environments have both.
        self.opened = place >= config.lane_size - opened
        self.countable = (self.noise == 0) & ~self.opened
        self._has_openings = opened > 0
        self._programs = Programs(arena, dtype, self.countable, self.opened)
        wrap = compiler if arena.spec.pure else (lambda function: function)
        self._ply, self._noisy_ply = wrap(self._programs.ply), wrap(self._programs.noisy_ply)
        self._joint_ply = wrap(self._programs.joint_ply)
        self.experience, self._codes = self._allocated()

        # In the mode in which they are played: a compiled program is compiled again for tensors of another mode.
        with torch.inference_mode():
            state = arena.reset(self._uniforms(arena.spec.reset_uniforms))
            seat = torch.arange(self.batch, device=device) % 2
            margin = torch.zeros(self.batch, device=device)
            self.games = Games(state, seat, self.countable.clone(), margin, self._programs.observe(state))
        self.memory = network.initial_memory(learners, config.environments, dtype, device)
        self.lane_memory = network.initial_memory(self.lanes.rows, config.lane_size, dtype, device)

    def _allocated(self) -> tuple[Experience, Tensor]:
        spec, config = self.arena.spec, self.config
        shape = (self.learners, config.horizon, config.environments)

        def empty(*sizes: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.zeros(*sizes, dtype=dtype, device=self.device)

        experience = Experience(
            observation=empty(*shape, *spec.observation_shape, dtype=self.dtype),
            action_mask=empty(*shape, spec.num_actions, dtype=torch.bool),
            action=empty(*shape, dtype=torch.int64),
            log_probability=empty(*shape),
            value=empty(self.learners, config.horizon + 1, config.environments),
            reward=empty(*shape),
            ended=empty(*shape, dtype=torch.bool),
            bootstrap=empty(*shape),
            valid=empty(*shape, dtype=torch.bool),
            memory=empty(*shape, self.network.config.memory, dtype=self.dtype) if self.network.recurrent else None,
        )
        return experience, empty(2, config.horizon, self.batch, dtype=torch.int64)

    def _uniforms(self, *sizes: int) -> Tensor:
        """Fresh uniforms [B, size], or for two sizes [first, B, second]."""
        *lead, width = sizes
        return torch.rand(*lead, self.batch, width, generator=self.generator, device=self.device)

    def _luck(self) -> Luck:
        spec = self.arena.spec
        return Luck(*map(self._uniforms, (spec.num_actions, spec.reset_uniforms, spec.step_uniforms)))

    @torch.inference_mode()
    def assign(self, row: int, weights: Tensor) -> None:
        """Give a lane (row = p * lanes + lane) a new opponent; episodes under way no longer count."""
        self.lanes.load(row, weights)
        environments = slice(row * self.config.lane_size, (row + 1) * self.config.lane_size)
        self.games.fresh[environments] = False
        if self.lane_memory is not None:
            self.lane_memory[row] = 0

    @torch.inference_mode()
    def collect(self, learners: PolicyStack) -> Experience:
        """Play T macro-steps with the learners' present weights."""
        sequential = self.arena.spec.turns is Turns.SEQUENTIAL
        openings = self._openings() if self._has_openings else None
        for step in range(self.config.horizon):
            if sequential:
                self._sequential_step(learners, step, openings)
            else:
                self._simultaneous_step(learners, step)
        view = self.games.observation if sequential else sides(self.games)[0]
        self.experience.value[:, -1] = learners.evaluate(view.observation, self.memory).value
        return self.experience

    def counts(self) -> Tensor:
        """Countable episodes that ended in the last rollout: int64 [P * lanes, 2 seats, 3 outcomes] on the CPU."""
        rows = torch.arange(self.batch, device=self.device) // self.config.lane_size
        keys = (rows * CODES + self._codes).flatten()
        table = torch.bincount(keys, minlength=self.lanes.rows * CODES)
        return table.view(-1, CODES)[:, 1:].reshape(-1, 2, OUTCOMES).cpu()

    def _openings(self) -> State:
        """A position for each environment, 1 to `opening_plies` random plies from its start."""
        spec, most = self.arena.spec, self.config.opening_plies
        start = self.arena.reset(self._uniforms(spec.reset_uniforms))
        plies = (self._uniforms(1)[:, 0] * most).long() + 1
        uniforms, steps = self._uniforms(most, spec.num_actions), self._uniforms(most, spec.step_uniforms)
        return self._programs.random_openings(start, plies, most, uniforms, steps)

    def _sequential_step(self, learners: PolicyStack, step: int, openings: State | None) -> None:
        seen, before = self.games.observation, self.memory
        output = learners.evaluate(seen.observation, before)
        live = self.arena.turn(self.games.state) == self.games.seat
        mine: Ply = self._ply(self.games, self._flat(output.logits), self._luck(), live, openings)
        self.memory = self._remembered(before, output.memory, live)
        bootstrap = self._final_value(learners, mine)
        self._forget(mine.ended)
        self.games = mine.games

        replying = self.arena.turn(self.games.state) != self.games.seat
        reply = self.lanes.evaluate(self.games.observation.observation, self.lane_memory)
        theirs: Ply = self._noisy_ply(
            self.games, self._flat(reply.logits), self._luck(), replying, openings, self.noise, self._uniforms(1)[:, 0]
        )
        self.lane_memory = self._remembered(self.lane_memory, reply.memory, replying)
        bootstrap = torch.where(mine.ended, bootstrap, self._final_value(learners, theirs))
        self._forget(theirs.ended)
        self.games = theirs.games

        # What the opponent opens the next episode with belongs to no move of the learner's.
        reward = mine.reward + torch.where(mine.ended, 0.0, theirs.reward)
        fields = Experience(
            *seen, mine.action, mine.log_probability, output.value, reward, mine.ended | theirs.ended, bootstrap, live,
            before,
        )  # fmt: skip
        self._store(step, fields, mine.code, theirs.code)

    def _simultaneous_step(self, learners: PolicyStack, step: int) -> None:
        views, before = sides(self.games), self.memory
        output = learners.evaluate(views[0].observation, before)
        reply = self.lanes.evaluate(views[1].observation, self.lane_memory)
        ply: Ply = self._joint_ply(
            self.games, views, self._flat(output.logits), self._flat(reply.logits), self._luck(),
            self._uniforms(self.arena.spec.num_actions), self.noise, self._uniforms(1)[:, 0],
        )  # fmt: skip
        self.memory, self.lane_memory = output.memory, reply.memory
        bootstrap = self._final_value(learners, ply)
        self._forget(ply.ended)
        self.games = ply.games
        live = torch.ones_like(ply.ended)
        fields = Experience(
            *views[0], ply.action, ply.log_probability, output.value, ply.reward, ply.ended, bootstrap, live, before
        )
        self._store(step, fields, ply.code, torch.zeros_like(ply.code))

    def _store(self, step: int, fields: Experience, first_code: Tensor, second_code: Tensor) -> None:
        for target, source in zip(self.experience, fields, strict=True):
            if target is not None and source is not None:
                target[:, step] = source.view(target.shape[0], *target.shape[2:])
        self._codes[0, step], self._codes[1, step] = first_code, second_code

    def _flat(self, logits: Tensor) -> Tensor:
        """[P or R, S, A] as [B, A]."""
        return logits.reshape(self.batch, -1)

    def _final_value(self, learners: PolicyStack, ply: Ply) -> Tensor:
        """The learner's value [B] of the true final observation where a time limit ended the episode, else 0."""
        if not self.arena.spec.truncates or not bool(ply.truncated.any()):
            return torch.zeros_like(ply.reward)
        value = learners.evaluate(ply.final, self.memory).value.reshape(-1)
        return torch.where(ply.truncated, value, 0.0)

    @staticmethod
    def _remembered(before: Tensor | None, after: Tensor | None, moved: Tensor) -> Tensor | None:
        """Memories change only where the side moved."""
        if before is None or after is None:
            return None
        return torch.where(moved.view(*before.shape[:2], 1), after, before)

    def _forget(self, ended: Tensor) -> None:
        """Both sides start a new episode with an empty memory."""
        if self.memory is not None and self.lane_memory is not None:
            self.memory = self.memory * ~ended.view(*self.memory.shape[:2], 1)
            self.lane_memory = self.lane_memory * ~ended.view(*self.lane_memory.shape[:2], 1)

    def state_tensors(self) -> dict[str, Tensor]:
        """What has to be saved to go on: games under way, seats, memories, and the lanes' weights."""
        if not self.arena.spec.pure:
            # Games in other programs cannot be saved: they start anew, and only their unfinished episodes are lost.
            return {"lanes": self.lanes.packed()}
        games = self.games
        tensors = {f"state.{name}": tensor for name, tensor in games.state.items()}
        tensors |= {"seat": games.seat, "fresh": games.fresh, "margin": games.margin, "lanes": self.lanes.packed()}
        if self.memory is not None and self.lane_memory is not None:
            tensors |= {"memory": self.memory, "lane_memory": self.lane_memory}
        return tensors

    @torch.inference_mode()
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
        self.lanes.load_all(tensors["lanes"])
        if not self.arena.spec.pure:
            return
        placed = {name: tensors[name].to(self.device, copy=True) for name in expected}
        state = {name.removeprefix("state."): tensor for name, tensor in placed.items() if name.startswith("state.")}
        self.games = Games(state, placed["seat"], placed["fresh"], placed["margin"], self._programs.observe(state))
        if "memory" in placed:
            self.memory, self.lane_memory = placed["memory"], placed["lane_memory"]
