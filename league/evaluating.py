"""`league evaluate`: greedy test episodes in our arena, or in the environment of mpe2 that it is a copy of."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from torch import Tensor

import arenas
from agents.checkpoint import read_checkpoint
from agents.durable import SUFFIX
from agents.teams.evaluation import Interval, Published, episode_seeds, over_seeds, published_scale, student
from arenas.core import Arena
from arenas.match import BATCH, Actor, play_matches
from league.entrants import Entrants, batch_of
from league.errors import InputError
from league.trained import CHECKPOINTS, is_trained, read_trainings

Environment = Literal["native", "mpe2"]
MPE2 = {
    "spread": "simple_spread_v3",
    "speaker_listener": "simple_speaker_listener_v4",
    "tag": "simple_tag_v3",
}
"""For each arena that is a copy of an environment of mpe2 its name there; the options have the same names."""


class Estimate(BaseModel):
    """Mean over test episodes and its 95 % interval (Student's t; None for a single episode)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float
    low: float | None
    high: float | None


class Measured(BaseModel):
    """What the test episodes of one player gave.

    Attributes:
        player: how it was named; a training's seed is the path of its best checkpoint.
        training_seed: of the training, where it was named by its folder.
        arena: the arena's name.
        arena_options: its options.
        environment: `native`, or package, version and name of the foreign environment.
        team: which team it played: its role, or `team 0`.
        against: who played the other teams; None in an arena of one team.
        seed: of the episodes.
        episodes: how many.
        return_sum: of the team: the sum over its agents, as the environment rewards them.
        return_per_agent: the same divided by the number of agents.
        return_published: on the published scale, where there is one.
        published_scale: whose scale that is.
        length: steps of an episode.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    player: str
    training_seed: int | None
    arena: str
    arena_options: dict[str, Any]
    environment: str
    team: str
    against: str | None
    seed: int
    episodes: int
    return_sum: Estimate
    return_per_agent: Estimate
    return_published: Estimate | None
    published_scale: str | None
    length: Estimate


class Overall(BaseModel):
    """Several seeds of a training together: the mean of their means, with its interval over seeds.

    Attributes:
        environment, team: see `Measured`.
        return_sum: of the team.
        return_published: on the published scale, where there is one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    environment: str
    team: str
    return_sum: Interval
    return_published: Interval | None


class Subject(BaseModel):
    """What is to be evaluated: a player's text, and the arena that it plays."""

    model_config = ConfigDict(frozen=True)

    text: str
    training_seed: int | None
    arena: str
    options: dict[str, Any]


def subjects(path: str, arena: str | None = None, options: Mapping[str, Any] | None = None) -> list[Subject]:
    """What a text names: a checkpoint, the best of each seed of a training, or a scripted player.

    Args:
        path: the text.
        arena: the arena of what does not say it itself.
        options: of the arena; a training's folder has its own.

    Raises:
        InputError: it cannot be told what it plays, or the folder has other options.
        CheckpointError: a checkpoint that is missing or damaged.
        StateMismatchError: the files of a training are damaged.
    """
    given = dict(options or {})
    if is_trained(Path(path)):
        found = []
        for folder, training in read_trainings(Path(path)).items():
            if arena not in (None, training.arena) or given not in ({}, training.arena_options):
                own = "".join(f" --set arena.{key}={value}" for key, value in training.arena_options.items())
                raise InputError(f"{folder} was trained in {training.arena}{own}: leave arena and options out")
            best = folder / CHECKPOINTS / f"{training.best.checkpoint}{SUFFIX}"
            found.append(Subject(
                text=str(best), training_seed=training.seed, arena=training.arena, options=training.arena_options
            ))  # fmt: skip
        return found
    if arena is None:
        if not path.endswith(SUFFIX):
            raise InputError(
                f"--arena: which arena is {path} to play? A checkpoint and a training's folder know theirs"
            )
        arena = read_checkpoint(Path(path))[1].arena
    return [Subject(text=path, training_seed=None, arena=arena, options=given)]


def evaluate(
    subject: Subject, environment: Environment, *, episodes: int, seed: int = 0, against: str | None = None
) -> list[Measured]:
    """Play test episodes, greedily: once in each team that there is.

    Args:
        subject: what plays.
        environment: where.
        episodes: how many.
        seed: of the episodes; without others they are those of the training's seed.
        against: who plays the other teams: whatever `league match` takes without a run; the player itself without it.

    Raises:
        InputError: the arena has no such environment, or one-team arenas are given an opponent.
        and what `league.entrants.Entrants.find` raises.
    """
    native = arenas.make(subject.arena, **subject.options)
    if against is not None and len(native.spec.teams) == 1:
        raise InputError(f"--against {against}: {subject.arena} has one team, and nobody plays against it")
    label, place = ("native", native) if environment == "native" else _foreign(subject, native)
    with closing(native), closing(place), Entrants(native, temperature=0.0) as entrants:
        player = entrants.find(subject.text)
        other = player if against is None else entrants.find(against)
        batch = batch_of((player, other), entrants.settings)
        measured = []
        for team, agents in enumerate(native.spec.teams):
            actors = [player.actor if index == team else other.actor for index in range(len(native.spec.teams))]
            returns, lengths = play(place, actors, agents, episode_seeds(seed, episodes), batch)
            measured.append(Measured(
                player=subject.text, training_seed=subject.training_seed, arena=subject.arena,
                arena_options=subject.options, environment=label,
                team=native.spec.roles[team] if native.spec.roles else f"team {team}",
                against=None if len(native.spec.teams) == 1 else (against or "itself"), seed=seed, episodes=episodes,
                **_scales(returns, len(agents), published_scale(native)), length=_estimate(lengths),
            ))  # fmt: skip
    return measured


def play(
    place: Arena, actors: Sequence[Actor], agents: Sequence[int], seeds: Tensor, batch: int = BATCH
) -> tuple[list[float], list[float]]:
    """Play one episode a seed; the return of the team that has these agents, and the length, of each."""
    returns: list[float] = []
    lengths: list[float] = []
    for first in range(0, len(seeds), batch):
        played = play_matches(place, actors, seeds[first : first + batch])
        returns += played.returns[:, list(agents)].double().sum(dim=1).tolist()
        lengths += played.lengths.double().tolist()
    return returns, lengths


def _scales(returns: list[float], agents: int, scale: Published | None) -> dict[str, Any]:
    return {
        "return_sum": _estimate(returns),
        "return_per_agent": _estimate([value / agents for value in returns]),
        "return_published": None if scale is None else _estimate([scale.convert(value) for value in returns]),
        "published_scale": None if scale is None else scale.name,
    }


def _estimate(values: Sequence[float]) -> Estimate:
    mean, low, high = student(values)
    return Estimate(mean=mean, low=low, high=high)


def _foreign(subject: Subject, native: Arena) -> tuple[str, Arena]:
    """Label and environment of mpe2, with our arena's teams and options."""
    if subject.arena not in MPE2:
        raise InputError(f"--environment mpe2: {subject.arena} is none of mpe2's; {', '.join(MPE2)} are")
    if importlib.util.find_spec("mpe2") is None:
        raise InputError("--environment mpe2: the package mpe2 is not installed; pip install 'league-selfplay[parity]'")
    name = MPE2[subject.arena]
    place = arenas.make(f"pettingzoo:mpe2/{name}", teams=native.spec.teams, workers=1, **subject.options)
    ours, theirs = ((spec.agents, spec.observation_shape, spec.num_actions) for spec in (native.spec, place.spec))
    assert ours == theirs, f"{name} has {theirs}, not {ours}"  # held by tests/parity
    return f"mpe2 {version('mpe2')} {name}", place


def over_trainings(measured: Sequence[Measured]) -> list[Overall]:
    """What several seeds gave together, for each environment and team; nothing where there is one seed."""
    groups: dict[tuple[str, str], list[Measured]] = {}
    for each in measured:
        groups.setdefault((each.environment, each.team), []).append(each)
    found = []
    for (environment, team), rows in groups.items():
        if len(rows) > 1:
            published = [row.return_published.mean for row in rows if row.return_published is not None]
            found.append(
                Overall(
                    environment=environment,
                    team=team,
                    return_sum=over_seeds([row.return_sum.mean for row in rows]),
                    return_published=over_seeds(published) if published else None,
                )
            )
    return found
