"""What a team's agents are rewarded with in training: options of every algorithm, by an arena around the arena.

See `arenas.shaping` for what difference rewards and potentials are. A difference reward is each agent's own: it takes
an algorithm that learns from each agent's own reward (`Algorithm.own_rewards` in `agents.teams.registry`). Their sum is
not a team's aim: with payoffs 0, 1, 1, 1.2 of two agents' joint actions it is largest where only one of them acts, so
VDN, QMIX and COMA, which learn a value of the team's sum, are refused. COMA's advantage is of that kind already.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from agents.teams.core import TeamMisfitError

if TYPE_CHECKING:
    from arenas.core import Arena


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

    model_config = ConfigDict(frozen=True, extra="forbid")

    credit: Credit = Credit.ARENA
    credit_default: Literal["mean"] | Annotated[int, Field(ge=0)] = "mean"
    credit_steps: int | None = Field(default=None, gt=0)
    potential: str | None = None
    potential_weight: float = Field(default=1.0, gt=0)


def credited(arena: Arena, config: CreditConfig, algorithm: BaseModel) -> Arena:
    """The arena with the rewards that are to be learned from.

    Args:
        arena: the arena.
        config: which rewards.
        algorithm: the algorithm's settings, for its discount and for what it takes a time limit for.

    Raises:
        TeamMisfitError: they do not fit the arena or the algorithm.
    """
    from arenas import potentials
    from arenas.shaping import DifferenceRewards, PotentialShaping

    settings = dict(algorithm)
    try:
        if config.credit is Credit.DIFFERENCE:
            default = None if config.credit_default == "mean" else config.credit_default
            arena = DifferenceRewards(arena, default, config.credit_steps)
        if config.potential is not None:
            if "discount" not in settings:
                raise ValueError(f"potential {config.potential!r}: the algorithm has no discount to shape rewards with")
            return PotentialShaping(
                arena,
                potentials.find(arena, config.potential, config.potential_weight),
                settings["discount"],
                truncation_ends=not settings.get("bootstrap_truncated", True),
            )
    except ValueError as error:
        raise TeamMisfitError(str(error)) from error
    return arena
