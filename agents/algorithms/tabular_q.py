"""Independent tabular Q-learning (Watkins & Dayan 1992; several agents that ignore each other: Tan 1993).

Every agent of an arena, of whatever team, learns its own table from its own reward:

    Q_n(o, a) += alpha (r_n + gamma max_b Q_n(o', b) - Q_n(o, a)),

where nothing follows a terminated episode, and a truncated one is bootstrapped from its true final observation. With
other learners about, the environment of each changes as they learn: what becomes of them is the question, in matrix
games and in the iterated prisoner's dilemma, and it differs from run to run. So K independent runs are one batch.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from agents.teams.core import TeamMisfitError
from arenas.core import Arena, Turns
from arenas.match import RESET_STREAM, STEP_STREAM
from arenas.random import derive_seeds, uniforms

ACTION_STREAM = 2  # that of agent n is this + n


class TabularConfig(BaseModel):
    """Hyperparameters of tabular Q-learning.

    Attributes:
        learning_rate: alpha.
        discount: gamma.
        initial: value that every table starts from; a high one makes agents try everything.
        epsilon_start: share of random actions at the start.
        epsilon_end: after the annealing.
        epsilon_steps: steps of a run over which it falls linearly.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    learning_rate: float = Field(default=0.1, gt=0, le=1)
    discount: float = Field(default=0.95, ge=0, le=1)
    initial: float = 0.0
    epsilon_start: float = Field(default=1.0, ge=0, le=1)
    epsilon_end: float = Field(default=0.05, ge=0, le=1)
    epsilon_steps: int = Field(default=10_000, gt=0)


class TabularQ:
    """K independent runs of N independent learners; run k is the same whatever K is.

    Args:
        arena: a simultaneous arena whose observations are one-hot: a table has a row for each of their places.
        config: hyperparameters.
        runs: K.
        seed: of all randomness.

    Attributes:
        values: float32 [K, N, O, A], the tables.
        steps: joint steps that each run has made.

    Raises:
        TeamMisfitError: the arena's observations are no rows of a table.
    """

    def __init__(self, arena: Arena, config: TabularConfig, *, runs: int, seed: int) -> None:
        spec = arena.spec
        if spec.turns is not Turns.SIMULTANEOUS:
            raise TeamMisfitError(f"{spec.name}: tables are learned where all agents move together")
        self.arena, self.config = arena, config
        self._seeds = derive_seeds(seed, runs)
        self._state = arena.reset(uniforms(self._seeds, 0, spec.reset_uniforms, RESET_STREAM))
        places = arena.observe(self._state).observation.flatten(2)
        if not bool((((places == 0) | (places == 1)).all(dim=2) & (places.sum(dim=2) == 1)).all()):
            raise TeamMisfitError(
                f"{spec.name}: its observations are not one-hot, so they are no rows of a table; prisoners_dilemma's "
                "are, and iql learns with a network"
            )
        self.values = torch.full((runs, spec.num_agents, places.shape[2], spec.num_actions), config.initial)
        self.steps = 0

    @property
    def epsilon(self) -> float:
        """Share of random actions now."""
        config = self.config
        share = min(1.0, self.steps / config.epsilon_steps)
        return config.epsilon_start + share * (config.epsilon_end - config.epsilon_start)

    def train_step(self) -> tuple[Tensor, Tensor]:
        """One joint step in every run: the actions int64 [K, N] and the rewards float32 [K, N]."""
        arena, spec, config, count = self.arena, self.arena.spec, self.config, self.steps
        seen, mask = arena.observe(self._state)
        rows = self._rows(seen)
        draws = [uniforms(self._seeds, count, 1 + spec.num_actions, ACTION_STREAM + n) for n in range(spec.num_agents)]
        actions = self._act(rows, mask, torch.stack(draws, dim=1))
        chance = uniforms(self._seeds, count, spec.step_uniforms, STEP_STREAM) if spec.step_uniforms else None
        step = arena.step(self._state, actions, chance)
        final, final_mask = arena.observe(step.state)  # before any reset
        best = torch.where(final_mask, self._at(self._rows(final)), -torch.inf).amax(dim=2)
        following = torch.where(final_mask.any(dim=2) & ~step.terminated[:, None], best, 0.0)
        places = (*torch.meshgrid(*map(torch.arange, rows.shape), indexing="ij"), rows, actions)
        error = step.rewards + config.discount * following - self.values[places]
        self.values[places] += config.learning_rate * error * mask.any(dim=2)
        ended = step.terminated | step.truncated
        fresh = uniforms(self._seeds, count + 1, spec.reset_uniforms, RESET_STREAM)
        self._state = arena.renew(step.state, ended, fresh)
        self.steps += 1
        return actions, step.rewards

    def greedy(self) -> Tensor:
        """int64 [K, N, O]: what each agent plays in each place by its table, all actions being legal."""
        return self.values.argmax(dim=3)

    def _act(self, rows: Tensor, mask: Tensor, draws: Tensor) -> Tensor:
        greedy = torch.where(mask, self._at(rows), -torch.inf).argmax(dim=2)
        random = torch.where(mask, draws[..., 1:], -1.0).argmax(dim=2)
        return torch.where(draws[..., 0] < self.epsilon, random, greedy)

    def _rows(self, seen: Tensor) -> Tensor:
        """int64 [K, N]: the row of the table that each agent is in."""
        return seen.flatten(2).argmax(dim=2)

    def _at(self, rows: Tensor) -> Tensor:
        """[K, N, A]: the tables' rows."""
        places = rows[:, :, None, None].expand(-1, -1, 1, self.values.shape[3])
        return self.values.gather(2, places).squeeze(2)

    def state(self) -> dict[str, Tensor]:
        """Everything that it takes to go on bit for bit."""
        environments = {f"arena.{name}": tensor for name, tensor in self._state.items()}
        return {"values": self.values, "steps": torch.tensor(self.steps), **environments}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        self.values = tensors["values"].clone()
        self.steps = int(tensors["steps"])
        self._state = {name: tensors[f"arena.{name}"].clone() for name in self._state}
