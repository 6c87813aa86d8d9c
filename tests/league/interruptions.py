"""Interruptions of a learner at every place where it leaves something behind, and what a run is compared by."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from agents.checkpoint import CheckpointStore
from agents.durable import encode
from agents.state_store import StateStore
from league.learner import Learner
from league.team_trainer import TeamTrainer
from league.training import Trainer, Training
from matchmaking.records import Counters, Kind
from matchmaking.store import Row, Store
from tests.league.learners import KilledError

Choices = dict[int, list[str | None]]
"""The names of the opponents in the lanes, by iteration."""

Note = Callable[[int, list[str | None], list[dict[str, int]]], None]
"""Is told of an iteration: the names in the lanes, and how often each branch of a rule was taken."""


class Outcome(NamedTuple):
    """Everything that a run came to, with players by name: ids are drawn anew in each run."""

    state: dict[str, Any]
    tensors: dict[str, bytes]
    frozen: list[tuple[str, int, bytes]]
    payoff: dict[tuple[int, int], Counters]
    episodes: list[list[Row]]


def outcome(store: Store, checkpoints: Path, learner: str = "learner-0") -> Outcome:
    """What the saved state of a learner process, its checkpoints and Redis say."""
    saved = StateStore(checkpoints, learner).load()
    assert saved is not None
    text, tensors = json.dumps(saved.extra), {name: encode({"": value}, "") for name, value in saved.tensors.items()}
    frozen = []
    for player in store.players():
        text = text.replace(player.id, player.name)
        tensors = {name.replace(player.id, player.name): value for name, value in tensors.items()}
        if player.kind is Kind.FROZEN:
            assert player.checkpoint is not None
            weights, manifest = CheckpointStore(checkpoints).load(player.checkpoint)
            assert manifest.steps == player.steps
            frozen.append((player.name, player.steps, encode(weights, "")))
    return Outcome(
        json.loads(text), tensors, frozen, store.payoff_pairs(), store.episode_rows(0, store.episode_reports())
    )


def write_down_choices(learner: Learner, choices: Choices) -> None:
    """Note whom a learner chooses; what it chooses again after an interruption must be what it has chosen before."""
    note_choices(learner.trainer, lambda iteration, names, _: _same(choices.setdefault(iteration, names), names))


def _same(before: list[str | None], now: list[str | None]) -> None:
    assert now == before


def note_choices(trainer: Training, note: Note) -> None:
    """Tell `note` of each iteration whom a trainer chose for its lanes."""
    assert isinstance(trainer, Trainer | TeamTrainer)

    def name(player: str | None) -> str | None:
        return player and trainer.population.player(player).name

    if isinstance(trainer, TeamTrainer):
        line_up = trainer._line_up

        def lined_up(*arguments: str) -> tuple[list[str], dict[str, int]]:
            lanes, branches = line_up(*arguments)
            note(trainer.iteration, [*map(name, lanes)], [branches])
            return lanes, branches

        trainer._line_up = lined_up  # type: ignore[method-assign, assignment]
    else:
        choose = trainer._choose_opponents

        def chosen() -> dict[str, dict[str, int]]:
            branches = choose()
            note(
                trainer.iteration, [*map(name, trainer.opponents)], [branches.get(each, {}) for each in trainer.players]
            )
            return branches

        trainer._choose_opponents = chosen  # type: ignore[method-assign]


def kill_at(learner: Learner, effect: int, *, done: bool) -> None:
    """Let a learner die at its `effect`-th write to the disk or to Redis, from 1: before it, or when it is done."""
    count = 0

    def mortal(write: Callable[..., object]) -> Callable[..., object]:
        def writing(*arguments: object) -> object:
            nonlocal count
            count += 1
            if count == effect and not done:
                raise KilledError
            answer = write(*arguments)
            if count == effect:
                raise KilledError
            return answer

        return writing

    for owner, name in (
        (learner.store, "report_stream"),
        (learner.store, "register"),
        (learner.checkpoints, "save"),
        (learner.states, "save"),
    ):
        setattr(owner, name, mortal(getattr(owner, name)))


def wild_clock(seed: int) -> SimpleNamespace:
    """In place of a module's `time`: a clock that stands still, ticks and leaps."""
    rng, now = random.Random(seed), 0.0

    def monotonic() -> float:
        nonlocal now
        now += rng.choice((0.0, 0.1, 1.0, 8.0))
        return now

    return SimpleNamespace(monotonic=monotonic)
