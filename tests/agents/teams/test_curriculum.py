"""Stages of a curriculum: what they are, when they are over, and that what one learned is what the next begins from."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError

import arenas
from agents.teams import registry
from agents.teams.core import TeamMisfitError
from agents.teams.curriculum import CurriculumConfig, stages
from agents.teams.q_settings import QConfig
from arenas.padding import PaddedTeam

SPREAD = arenas.make("spread", N=4)
TINY: dict[str, dict[str, Any]] = {
    "iql": {"network": {"hidden": [8], "memory": 0}, "batch": 4, "buffer": 20, "updates_per_episode": 0.25},
    "coma": {"actor_network": {"hidden": [8], "memory": 0}, "critic_network": {"hidden": [8], "memory": 0}},
    "mappo": {"actor_network": {"hidden": [8]}, "critic_network": {"hidden": [8]}, "epochs": 1},
}
TINY |= {
    "vdn": TINY["iql"],
    "qmix": TINY["iql"],
    "ippo": TINY["mappo"],
    "maddpg": TINY["coma"] | {"batch": 4, "buffer": 20, "updates_per_episode": 0.25},
}


def test_the_stages_grow_in_one_shape() -> None:
    small, middle, whole = stages(SPREAD, CurriculumConfig(sizes=(2, 3), steps=(10, 20)), QConfig())
    assert whole is SPREAD
    for stage, size in ((small, 2), (middle, 3)):
        assert isinstance(stage, PaddedTeam)
        assert stage.agents == size
        assert stage.spec.observation_shape == SPREAD.spec.observation_shape
        assert stage.spec.teams == SPREAD.spec.teams
    assert stages(SPREAD, CurriculumConfig(), QConfig()) == (SPREAD,)


def test_a_stage_is_over_by_steps_or_by_its_return() -> None:
    both = CurriculumConfig(sizes=(2, 3), steps=(10, 20), returns=(-5.0, -3.0))
    assert not both.over(0, steps=9)
    assert both.over(0, steps=10)
    assert not both.over(1, steps=10)
    assert both.over(0, steps=1, stage_return=-5.0)
    assert not both.over(1, steps=1, stage_return=-5.0)
    assert not CurriculumConfig(sizes=(2,), returns=(-5.0,)).over(0, steps=10**9)


@pytest.mark.parametrize("algorithm", sorted(TINY))
def test_every_algorithm_goes_on_from_the_stage_before(algorithm: str) -> None:
    """Weights, experience and counters are those of the smaller team, and its absent agents did no harm."""
    config = registry.find(algorithm).settings().model_validate(TINY[algorithm])
    arena = arenas.make("spread", N=3, max_cycles=4)
    small, whole = stages(arena, CurriculumConfig(sizes=(2,), steps=(1,)), config)
    learner = registry.make(algorithm, small, config, environments=4, seed=0)
    for _ in range(2):
        figures = learner.train_step()
    assert all(map(math.isfinite, figures.values()))  # no NaN of the absent
    grown = registry.make(algorithm, whole, config, environments=4, seed=0)
    before = {name: tensor.clone() for name, tensor in learner.state().items()}
    grown.load_state(before)
    assert all(torch.equal(tensor, before[name]) for name, tensor in grown.state().items())
    assert (grown.environment_steps, grown.updates) == (learner.environment_steps, learner.updates)
    grown.train_step()
    assert grown.environment_steps > learner.environment_steps


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sizes": [3, 2], "steps": [1, 1]}, "sizes have to grow"),
        ({"sizes": [0], "steps": [1]}, "sizes have to grow, from 1 on"),
        ({"sizes": [2]}, "nothing says when a stage ends: give steps or returns"),
        ({"sizes": [2], "steps": [1, 2]}, "steps has 2 numbers for 1 sizes"),
        ({"steps": [1]}, "steps has 1 numbers for 0 sizes"),
        ({"sizes": [2], "steps": [0]}, "steps of a stage are at least 1"),
    ],
)
def test_what_is_no_curriculum(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        CurriculumConfig.model_validate(options)


def test_what_a_curriculum_does_not_fit() -> None:
    two = CurriculumConfig(sizes=(2,), steps=(1,))
    with pytest.raises(TeamMisfitError, match="speaker_listener has one team size: a curriculum fits foraging, spread"):
        stages(arenas.make("speaker_listener"), two, QConfig())
    with pytest.raises(TeamMisfitError, match="below the team's own 2, and 2 is not"):
        stages(arenas.make("spread", N=2), two, QConfig())
    with pytest.raises(TeamMisfitError, match="share one network: set sharing = true"):
        stages(SPREAD, two, QConfig(sharing=False))
