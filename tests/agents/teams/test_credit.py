"""Which rewards are learned from, and which settings of the algorithm they follow."""

from __future__ import annotations

import pytest
import torch

import arenas
from agents.teams.core import TeamMisfitError
from agents.teams.credit import credited
from agents.teams.credit_settings import CreditConfig
from agents.teams.q_settings import QConfig
from arenas.shaping import DifferenceRewards, PotentialShaping

SPREAD = arenas.make("spread")
Q = QConfig(discount=0.9)


def test_without_options_the_arena_is_as_it_was() -> None:
    assert credited(SPREAD, CreditConfig(), Q) is SPREAD


def test_differences_with_a_default_action_or_with_the_mean() -> None:
    mean, fixed = (
        credited(SPREAD, CreditConfig.model_validate({"credit": "difference", **more}), Q)
        for more in ({}, {"credit_default": 3, "credit_steps": 4})
    )
    assert isinstance(mean, DifferenceRewards)
    assert (mean.default, mean.steps) == (None, 2)
    assert isinstance(fixed, DifferenceRewards)
    assert (fixed.default, fixed.steps) == (3, 4)


@pytest.mark.parametrize("bootstrapped", [True, False])
def test_a_potential_has_the_learners_discount_and_its_view_of_time_limits(bootstrapped: bool) -> None:
    config = Q.model_copy(update={"bootstrap_truncated": bootstrapped})
    shaped = credited(SPREAD, CreditConfig(potential="cover", potential_weight=3.0), config)
    assert isinstance(shaped, PotentialShaping)
    assert (shaped.discount, shaped.truncation_ends) == (0.9, not bootstrapped)
    state = SPREAD.reset(torch.rand(2, SPREAD.spec.reset_uniforms, generator=torch.Generator().manual_seed(0)))
    plain = credited(SPREAD, CreditConfig(potential="cover"), config)
    assert isinstance(plain, PotentialShaping)
    torch.testing.assert_close(shaped.potential(state), 3 * plain.potential(state))


def test_both_together_differences_inside() -> None:
    both = credited(SPREAD, CreditConfig.model_validate({"credit": "difference", "potential": "cover"}), Q)
    assert isinstance(both, PotentialShaping)
    assert isinstance(both.arena, DifferenceRewards)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"credit": "difference", "credit_default": 7}, "spread has no action 7: its actions are 0 to 4"),
        ({"credit": "difference", "credit_steps": 1}, "with steps = 1 every difference is 0; take 2 or more"),
        ({"potential": "gather"}, "spread has no potential 'gather': it has cover"),
    ],
)
def test_what_does_not_fit_is_a_misfit(options: dict[str, object], message: str) -> None:
    with pytest.raises(TeamMisfitError, match=message):
        credited(SPREAD, CreditConfig.model_validate(options), Q)
