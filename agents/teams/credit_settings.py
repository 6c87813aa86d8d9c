"""Which rewards a team learns from: options beside those of every algorithm, without torch.

A difference reward is each agent's own: it takes an algorithm that learns from each agent's own reward
(`Algorithm.own_rewards` in `agents.teams.registry`). Their sum is not a team's aim: with payoffs 0, 1, 1, 1.2 of two
agents' joint actions it is largest where only one of them acts, so VDN, QMIX and COMA, which learn a value of the
team's sum, are refused. COMA's advantage is of that kind already.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from agents.teams import registry


class CreditError(ValueError):
    """An algorithm cannot learn from such rewards; the message says which can."""


class Credit(StrEnum):
    """What an agent is rewarded with."""

    ARENA = "arena"  # what the arena gives
    DIFFERENCE = "difference"  # what its action brought its team


class CreditConfig(BaseModel):
    """Rewards in training. Evaluations are always of the arena as it is.

    Attributes:
        credit: what an agent is rewarded with.
        credit_default: the action that an agent is compared with; `mean` is the mean over its legal ones.
        credit_steps: steps over which the team's reward is compared, all doing the same again; as few as show anything
            unless given.
        potential: name of the arena's potential that the team's reward is shaped by; None for none.
        potential_weight: the potential is multiplied by it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    credit: Credit = Credit.ARENA
    credit_default: Literal["mean"] | Annotated[int, Field(ge=0)] = "mean"
    credit_steps: int | None = Field(default=None, gt=0)
    potential: str | None = None
    potential_weight: float = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _read(self) -> CreditConfig:
        if self.credit is Credit.ARENA and (self.credit_default != "mean" or self.credit_steps is not None):
            raise ValueError("credit_default and credit_steps are of difference rewards: set credit = 'difference' too")
        if self.potential is None and self.potential_weight != 1.0:
            raise ValueError("potential_weight multiplies a potential, and none is named: set potential too")
        return self


def own_rewards(algorithm: str, credit: CreditConfig) -> Mapping[str, Any]:
    """The settings that difference rewards ask of an algorithm, below those that a person sets.

    Raises:
        CreditError: it learns from the team's sum only.
    """
    if credit.credit is not Credit.DIFFERENCE:
        return {}
    found = registry.find(algorithm)
    if found.own_rewards is None:
        fitting = [name for name in registry.names() if registry.find(name).own_rewards is not None]
        raise CreditError(
            f"{algorithm} learns from the team's sum, and the sum of difference rewards has another aim than the team: "
            f"credit=difference fits {', '.join(fitting)}"
        )
    return found.own_rewards


def check_own_rewards(credit: CreditConfig, config: BaseModel) -> None:
    """Make sure that nobody set back what difference rewards had set.

    Raises:
        CreditError: the agents would learn from a sum.
    """
    reward = dict(config).get("reward", "agent")
    if credit.credit is Credit.DIFFERENCE and reward != "agent":
        raise CreditError(f"credit=difference rewards each agent by itself, not with reward={reward}: leave that out")
