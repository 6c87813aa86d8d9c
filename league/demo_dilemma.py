"""The iterated prisoner's dilemma between independent learners: what becomes of cooperation, run by run.

Each of two players learns for itself, the last joint action in sight: with a table each (`tabular_q`), and with a
network each (`iql`). In a single round defection is dominant; in the repeated game tit for tat and its like make
cooperation an equilibrium too, and which of them two learners find differs from run to run (Sandholm and Crites,
"Multiagent reinforcement learning in the iterated prisoner's dilemma", 1996). Nobody is told that the other learns.

What is counted is what was played, exploration included.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import stdtrit
from torch import Tensor

from agents.algorithms.tabular_q import TabularConfig, TabularQ
from agents.teams import registry
from agents.teams.evaluation import LEVEL
from arenas.core import Arena, State, Step
from arenas.games.prisoners_dilemma import COOPERATE, PrisonersDilemma
from arenas.wrapping import WrappedArena
from league.figures import LineChart, Series

Floats = NDArray[np.float64]

ROUNDS = 50  # of an episode; the number of the round is not seen
STEPS = 12_000  # rounds that a run learns for
RUNS = 10
POINTS = 80  # of a curve
GAMES = 10  # that two networks play at once, which changes no more than how stale the acting ones are
DISCOUNT = 0.95
EXPLORATION = {"epsilon_start": 1.0, "epsilon_end": 0.02, "epsilon_steps": STEPS // 2}
TABULAR = TabularConfig.model_validate({"learning_rate": 0.1, "discount": DISCOUNT, **EXPLORATION})
IQL = {
    "sharing": False, "reward": "agent", "network": {"hidden": [16], "memory": 0}, "discount": DISCOUNT,
    "learning_rate": 0.005, "buffer": 20, "batch": 4, "updates_per_episode": 2, "target_interval": 20, **EXPLORATION,
}  # fmt: skip
"""A network each; the buffer holds the last 1,000 rounds, for the other player's past is no guide to its present."""


@dataclass(frozen=True, slots=True)
class Curve:
    """What became of one way to learn.

    Attributes:
        algorithm: its name.
        steps: [P] rounds learned for, at the end of each stretch.
        rates: [K, P] share of cooperation in each stretch, of both players, in each run.
    """

    algorithm: str
    steps: list[int]
    rates: Floats

    @property
    def final(self) -> Floats:
        """[K] the rate over the last fifth of each run."""
        result: Floats = self.rates[:, -max(1, self.rates.shape[1] // 5) :].mean(axis=1)
        return result


class Witness(WrappedArena):
    """The dilemma, counting what is played.

    Attributes:
        cooperated: a tensor a step: float32 [B], the share of the players who cooperated.
    """

    def __init__(self, arena: Arena) -> None:
        spec = arena.spec
        # One team of players who are rewarded apart: independent learners, each by itself.
        super().__init__(arena, replace(spec, teams=(tuple(range(spec.num_agents)),), common_reward=False))
        self.cooperated: list[Tensor] = []

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        self.cooperated.append((actions == COOPERATE).float().mean(dim=1))
        return self.arena.step(state, actions, uniforms, live)


def tabular(runs: int, seed: int, steps: int = STEPS) -> Curve:
    """Learn with tables: all runs in one batch."""
    witness = Witness(PrisonersDilemma(ROUNDS))
    learner = TabularQ(witness, TABULAR, runs=runs, seed=seed)
    for _ in range(steps):
        learner.train_step()
    return _curve("tabular_q", torch.stack(witness.cooperated, dim=1), steps)


def deep(runs: int, seed: int, steps: int = STEPS) -> Curve:
    """Learn with networks: one run after the other."""
    config = registry.find("iql").settings().model_validate(IQL)
    rates = []
    for run in range(runs):
        witness = Witness(PrisonersDilemma(ROUNDS))
        learner = registry.make("iql", witness, config, environments=GAMES, seed=seed + run)
        while learner.environment_steps < steps:
            learner.train_step()
        rates.append(torch.stack(witness.cooperated).mean(dim=1))
    return _curve("iql", torch.stack(rates), learner.environment_steps)


CASES: tuple[Callable[[int, int, int], Curve], ...] = (tabular, deep)


def _curve(algorithm: str, cooperated: Tensor, rounds: int) -> Curve:
    """From the share of cooperators [K, T] at T times of a run of so many rounds to stretches of equal length."""
    times = cooperated.shape[1]
    ends = np.linspace(0, times, min(POINTS, times) + 1).round().astype(int).tolist()
    stretches = [cooperated[:, begin:end].double().mean(dim=1).numpy() for begin, end in pairwise(ends)]
    return Curve(algorithm, [end * rounds // times for end in ends[1:]], np.stack(stretches, axis=1))


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of the table; rates are those over the last fifth of the runs.

    Attributes:
        algorithm: its name.
        runs: K.
        mean: of the rates.
        half: of the 95 % interval of the mean (Student's t); None for one run.
        cooperating: runs above 0.9.
        defecting: runs below 0.1.
    """

    algorithm: str
    runs: int
    mean: float
    half: float | None
    cooperating: int
    defecting: int


def summarise(curve: Curve) -> Summary:
    """What the runs came to."""
    final, half = curve.final, half_widths(curve.final[:, None])
    return Summary(
        curve.algorithm,
        len(final),
        float(final.mean()),
        None if half is None else float(half[0]),
        int((final > 0.9).sum()),
        int((final < 0.1).sum()),
    )


def half_widths(rates: Floats) -> Floats | None:
    """[P] half of the 95 % interval of the mean over runs [K, P]; None for a single run."""
    runs = len(rates)
    if runs == 1:
        return None
    result: Floats = stdtrit(runs - 1, (1 + LEVEL) / 2) * rates.std(axis=0, ddof=1) / np.sqrt(runs)
    return result


def chart(curves: Sequence[Curve]) -> LineChart:
    """The mean rate of each way to learn over time, with its interval."""
    series = []
    for curve in curves:
        half = half_widths(curve.rates)
        series.append(
            Series(
                f"{curve.algorithm}, {len(curve.rates)} runs",
                tuple(zip(map(float, curve.steps), curve.rates.mean(axis=0).tolist(), strict=True)),
                () if half is None else tuple(half.tolist()),
                runs=tuple(map(tuple, curve.rates.tolist())),
            )
        )
    return LineChart(
        "Iterated prisoner's dilemma: cooperation in every run, and the mean with 95 %",
        "rounds played",
        "share of cooperation",
        tuple(series),
        (0.0, 1.0),
    )
