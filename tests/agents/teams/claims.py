"""What every learner of actors and critics has to do, whatever its equations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest
import torch

from agents.algorithms.coma import COMA
from agents.algorithms.maddpg import MADDPG
from agents.algorithms.mappo import MAPPO, Sampler
from agents.teams.episodes import Episodes
from agents.teams.evaluation import evaluate

ActorCritic: TypeAlias = COMA | MADDPG | MAPPO


def collected(subject: ActorCritic) -> Episodes:
    """Fresh episodes of the policy as it is trained."""
    assert subject.collector is not None
    setup, network = subject.setup, subject.actor_network
    return subject.collector.collect(Sampler(setup, network, subject.actor.parameters["actor"], subject.generator))


def told_of_the_dead(episodes: Episodes, noise: int) -> Episodes:
    """The same episodes with other observations and actions where an agent is dead."""
    dead = ~episodes.action_mask.any(dim=3)
    assert dead.any()
    seen = episodes.observation + noise * dead.unsqueeze(3)
    return episodes._replace(observation=seen, action=torch.where(dead[:, :-1], noise % 4, episodes.action))


def named_cues(subject: ActorCritic) -> float:
    """Share of the points of `Cues` that were to be had, greedy."""
    result = evaluate(subject.setup, subject.policy(), 200, 0)
    return result.return_sum / (3 * result.length)


def learns_to_name_the_cue(subject: ActorCritic, iterations: int, share: float) -> None:
    """From under half of the points to more than `share` of them."""
    start = named_cues(subject)
    for _ in range(iterations):
        subject.train_step()
    assert start < 0.5
    assert named_cues(subject) > share


def goes_on_as_if_it_had_not_stopped(fresh: Callable[[], ActorCritic]) -> None:
    """What is loaded from a state trains on bit for bit; a state that is none is refused."""
    whole, first, second = fresh(), fresh(), fresh()
    for _ in range(3):
        whole.train_step()
        first.train_step()
    second.load_state({key: tensor.clone() for key, tensor in first.state().items()})
    assert whole.train_step() == second.train_step()
    for key, tensor in whole.state().items():
        assert torch.equal(tensor, second.state()[key]), key
    with pytest.raises(ValueError, match=r"actor\.weights does not fit"):
        second.load_state({})
