"""The loop of `league train`: trained, evaluated at fixed intervals, written down as it goes, and gone on with.

A seed's state is saved with every evaluation and when it is interrupted, whole or not at all. Whatever was written
after the last saved state is taken back before a training goes on, so it ends in the same bits as one that was never
interrupted, where the machine is the same.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Self

import torch

from agents.checkpoint import CheckpointStore
from agents.state_store import StateStore
from agents.teams.core import TeamSetup
from agents.teams.curriculum import Stage, stages
from agents.teams.evaluation import evaluate
from agents.teams.policy import TeamPolicy, save_team
from arenas.registry import make as make_arena
from league.errors import INTERRUPTED, LeagueError, StateMismatchError
from league.files import replace_text
from league.interrupts import Interrupts
from league.metrics import MetricsWriter
from league.trained import (
    CHECKPOINTS,
    EVALUATIONS,
    METRICS,
    SEED,
    STATE,
    SUMMARY,
    Point,
    Summary,
    Training,
    read_training,
    summarise,
)
from league.training_teams import Plan, make_learner, write_plan

CURVE = "train"  # name of the file of figures

Report = Callable[[int, Point], None]
"""Is told the seed and each evaluation as soon as it is made."""


class TrainingInterruptedError(LeagueError):
    """A training was interrupted, and saved."""

    exit_code = INTERRUPTED


@dataclass(slots=True)
class Progress:
    """Where a seed stands, beside its learner's state.

    Attributes:
        seconds: of training.
        next_evaluation: environment steps at which it is due.
        evaluations: how many were made.
        curve: bytes of the file of figures.
        recent: figures of the training steps since the last evaluation.
        stages: of the curriculum that were begun: [agents, environment steps made before].
    """

    seconds: float = 0.0
    next_evaluation: int = 0
    evaluations: int = 0
    curve: int = 0
    recent: list[dict[str, float]] = field(default_factory=list)
    stages: list[list[int]] = field(default_factory=list)


def train_seeds(plan: Plan, folder: Path, report: Report) -> tuple[list[Training], Summary]:
    """Train one seed after the other, or go on with them; with several, each has a folder of its own.

    Args:
        plan: what to train.
        folder: where everything is written: a new one, or one in which this plan was begun.
        report: is told each evaluation.

    Raises:
        TrainingInterruptedError: after SIGINT or SIGTERM; everything is saved.
        StopAtOnceError: after the second one; it goes on from its last evaluation.
        StateMismatchError, CheckpointError: what was saved is damaged.
    """
    torch.set_num_threads(plan.threads)
    write_plan(plan, folder)
    trainings = []
    with Interrupts() as interrupts:
        for seed in plan.seeds:
            own = folder / f"{SEED}{seed}" if len(plan.seeds) > 1 else folder
            with SeedTraining(plan, own, seed) as training:
                over = training.run(report, lambda: interrupts.asked)
                if not over:
                    raise TrainingInterruptedError(
                        f"interrupted at {training.learner.environment_steps:,} steps of seed {seed}; everything is "
                        f"saved, `league train --resume {folder}` goes on"
                    )
                trainings.append(training.record)
    summary = summarise(trainings)
    replace_text(folder / SUMMARY, summary.model_dump_json(indent=2) + "\n")
    return trainings, summary


class SeedTraining:
    """One seed: as its folder has it, or at its beginning.

    Args:
        plan: what to train.
        folder: its own.
        seed: of all randomness.

    Attributes:
        learner: what learns.
        record: what `evaluations.json` holds.

    Raises:
        StateMismatchError, CheckpointError: what was saved is damaged or does not fit the plan.
    """

    def __init__(self, plan: Plan, folder: Path, seed: int) -> None:
        self.plan, self.folder, self.seed = plan, folder, seed
        self._arena = make_arena(plan.arena, **plan.arena_options)
        self.learner = make_learner(plan, self._arena, seed)
        self.record = Training(
            algorithm=plan.algorithm, preset=plan.preset, arena=plan.arena, arena_options=plan.arena_options,
            settings=plan.config.model_dump(mode="json"), seed=seed, environments=plan.environments,
            hardware=hardware(), credit=plan.credit,
        )  # fmt: skip
        self._progress = Progress(stages=[[plan.curriculum.sizes[0], 0]] if plan.curriculum.sizes else [])
        self._checkpoints = CheckpointStore(folder / CHECKPOINTS)
        self._states = StateStore(folder / STATE, keep=1)
        self._load()
        self._metrics = MetricsWriter(folder / METRICS, CURVE, tensorboard=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._metrics.close()
        self._arena.close()

    def run(self, report: Report, asked: Callable[[], bool]) -> bool:
        """Train to the end, evaluating at the start, at every interval and at the end.

        Args:
            report: is told each evaluation.
            asked: whether to save everything and stop.

        Returns:
            Whether the end was reached.
        """
        plan, progress = self.plan, self._progress
        while True:
            steps = self.learner.environment_steps
            over = steps >= plan.steps or (plan.duration is not None and progress.seconds >= plan.duration)
            made = self.record.evaluations
            if steps >= progress.next_evaluation or (over and made[-1].steps < steps):
                self._evaluate(report)
            if over:
                return True
            if asked():
                self._save()
                return False
            begun = time.perf_counter()
            self._grow()
            progress.recent.append(self.learner.train_step())
            progress.seconds += time.perf_counter() - begun

    def _evaluate(self, report: Report) -> None:
        """Play test episodes, and write down policy, figures and state, in this order."""
        plan, learner, progress = self.plan, self.learner, self._progress
        policy, steps = learner.policy(), learner.environment_steps
        found = evaluate(
            TeamSetup(self._arena), policy, plan.episodes, self.seed,
            steps=steps, updates=learner.updates, seconds=progress.seconds,
        )  # fmt: skip
        stage = self._stage_return(policy)
        sha = save_team(
            self._checkpoints, policy, steps,
            created_by=f"league-selfplay {version('league-selfplay')}", curriculum=self._stages,
        )  # fmt: skip
        point = Point(**found.model_dump(), checkpoint=sha, stage_return_sum=stage)
        self._grow(stage)
        made = (*self.record.evaluations, point)
        self.record = self.record.model_copy(update={"evaluations": made, "stages": self._stages})
        replace_text(self.folder / EVALUATIONS, self.record.model_dump_json(indent=2) + "\n")
        self._metrics.write(plan.algorithm, steps, _means(progress.recent) | _figures(point))
        progress.recent.clear()
        progress.next_evaluation += plan.every * (1 + (steps - progress.next_evaluation) // plan.every)
        progress.evaluations = len(self.record.evaluations)
        progress.curve = self._curve.stat().st_size
        self._save()
        report(self.seed, point)

    @property
    def _stages(self) -> tuple[Stage, ...]:
        """Of the curriculum that were begun."""
        return tuple(Stage(agents=agents, begun=begun) for agents, begun in self._progress.stages)

    @property
    def _stage(self) -> int:
        """Number of the present stage."""
        return max(0, len(self._progress.stages) - 1)

    def _stage_return(self, policy: TeamPolicy) -> float | None:
        """The policy's return in the arena of the present stage, where the stage's end waits for one."""
        curriculum = self.plan.curriculum
        if curriculum.returns is None or self._stage == len(curriculum.sizes):
            return None
        arena = stages(self._arena, curriculum, self.plan.config)[self._stage]
        return evaluate(TeamSetup(arena), policy, self.plan.episodes, self.seed).return_sum

    def _grow(self, stage_return: float | None = None) -> None:
        """Go on to the next stage of the curriculum with what was learned, if the present one has had its time."""
        curriculum, progress, steps = self.plan.curriculum, self._progress, self.learner.environment_steps
        if self._stage == len(curriculum.sizes):
            return
        if curriculum.over(self._stage, steps=steps - progress.stages[-1][1], stage_return=stage_return):
            learned = self.learner.state()
            sizes = (*curriculum.sizes, self._arena.spec.num_agents)
            progress.stages.append([sizes[self._stage + 1], steps])
            self.learner = make_learner(self.plan, self._arena, self.seed, self._stage)
            self.learner.load_state(learned)

    @property
    def _curve(self) -> Path:
        return self.folder / METRICS / f"{CURVE}.jsonl"

    def _save(self) -> None:
        self._states.save(self.learner.state(), {"seed": self.seed, "progress": asdict(self._progress)})

    def _load(self) -> None:
        """Take back the last saved state, and what was written after it."""
        saved = self._states.load()
        if saved is None:
            self._curve.unlink(missing_ok=True)
            return
        try:
            self._progress = Progress(**saved.extra["progress"])  # type: ignore[arg-type]  # as it was saved
            self.learner = make_learner(self.plan, self._arena, self.seed, self._stage)
            self.learner.load_state(saved.tensors)
        except (KeyError, TypeError, ValueError) as error:
            raise StateMismatchError(f"{self._states.pointer}: not a state of this training: {error}") from error
        made, curve = self._progress.evaluations, self._progress.curve
        self.record = read_training(self.folder)
        if len(self.record.evaluations) < made or self._curve.stat().st_size < curve:
            raise StateMismatchError(f"{self.folder}: {EVALUATIONS} or {METRICS} are older than the saved state")
        kept = self.record.evaluations[:made]
        self.record = self.record.model_copy(update={"evaluations": kept, "stages": self._stages})
        os.truncate(self._curve, curve)


def _means(recent: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Each figure's mean over the training steps that gave it."""
    names = dict.fromkeys(name for figures in recent for name in figures)
    given = {name: [figures[name] for figures in recent if name in figures] for name in names}
    return {f"train/{name}": sum(values) / len(values) for name, values in given.items()}


def _figures(point: Point) -> dict[str, float]:
    names = ("return_sum", "return_per_agent", "return_published", "return_deviation", "length", "seconds", "updates")
    values = {name: getattr(point, name) for name in names}
    return {f"test/{name}": float(value) for name, value in values.items() if value is not None}


def hardware() -> str:
    """The processor and how many threads of it torch uses."""
    return f"{platform.machine()}, {torch.get_num_threads()} thread{'s' if torch.get_num_threads() > 1 else ''}"
