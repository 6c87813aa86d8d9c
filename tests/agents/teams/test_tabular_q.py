"""Independent tabular Q-learning, by hand and in the prisoner's dilemma."""

from __future__ import annotations

import pytest
import torch

from agents.algorithms.tabular_q import TabularConfig, TabularQ
from agents.teams.core import TeamMisfitError
from arenas.registry import make
from tests.agents.teams.toys import Clock


def test_updates_by_hand() -> None:
    """Each step against the equation, agent by agent, in a game that ends after three rounds."""
    config = TabularConfig(learning_rate=0.5, discount=0.9, initial=1.0)
    made = TabularQ(make("prisoners_dilemma", rounds=3), config, runs=4, seed=1)
    places = [[0, 0] for _ in range(4)]
    expected = made.values.clone()
    for number in range(7):
        actions, rewards = made.train_step()
        for run in range(4):
            for agent in range(2):
                mine, other = int(actions[run, agent]), int(actions[run, 1 - agent])
                following = 0.0 if number % 3 == 2 else 0.9 * float(before(expected, run, agent, 1 + 2 * mine + other))
                old = expected[run, agent, places[run][agent], mine]
                target = float(rewards[run, agent]) + following
                expected[run, agent, places[run][agent], mine] += 0.5 * (target - float(old))
                places[run][agent] = 0 if number % 3 == 2 else 1 + 2 * mine + other
    torch.testing.assert_close(made.values, expected)


def before(values: torch.Tensor, run: int, agent: int, place: int) -> torch.Tensor:
    return values[run, agent, place].max()


def test_everybody_defects_where_the_game_is_played_once() -> None:
    """The only equilibrium: defection dominates."""
    made = TabularQ(make("prisoners_dilemma", rounds=1), TabularConfig(epsilon_steps=500), runs=20, seed=0)
    for _ in range(1000):
        made.train_step()
    assert (made.greedy()[:, :, 0] == 1).all()


def test_a_time_limit_is_bootstrapped() -> None:
    """One agent's reward is 1 for ever: the final place, seen nowhere else, keeps its initial value."""
    arena = Clock(2)
    made = TabularQ(
        arena, TabularConfig(discount=0.5, learning_rate=0.5, initial=10.0, epsilon_end=1.0), runs=1, seed=0
    )
    for _ in range(400):
        made.train_step()
    torch.testing.assert_close(made.values[0, 1, 1, :2], torch.tensor([6.0, 6.0]))  # 1 + 0.5 * 10
    torch.testing.assert_close(made.values[0, 1, 0, :2], torch.tensor([4.0, 4.0]))  # 1 + 0.5 * 6
    assert made.values[0, 1, :, 2].tolist() == [10.0] * 3  # never legal, never tried, never part of a maximum


def test_a_run_is_the_same_alone_and_among_others_and_goes_on_from_its_state() -> None:
    arena = make("prisoners_dilemma", continuation=0.8, rounds=5)
    one, many = (TabularQ(arena, TabularConfig(), runs=runs, seed=3) for runs in (1, 5))
    for _ in range(50):
        one.train_step()
        many.train_step()
    torch.testing.assert_close(one.values[0], many.values[0])
    assert not torch.equal(many.values[0], many.values[1])
    resumed = TabularQ(arena, TabularConfig(), runs=5, seed=3)
    resumed.load_state({name: tensor.clone() for name, tensor in many.state().items()})
    for _ in range(20):
        many.train_step()
        resumed.train_step()
    assert torch.equal(many.values, resumed.values)


def test_observations_that_are_no_rows_are_refused() -> None:
    with pytest.raises(TeamMisfitError, match=r"spread: .*not one-hot.*iql learns with a network"):
        TabularQ(make("spread"), TabularConfig(), runs=1, seed=0)
    with pytest.raises(TeamMisfitError, match="all agents move together"):
        TabularQ(make("connect_four"), TabularConfig(), runs=1, seed=0)
