"""What a team's agents are rewarded with in training: an arena around the arena, for every algorithm.

See `arenas.shaping` for what difference rewards and potentials are, and `agents.teams.credit_settings` for the options.
"""

from __future__ import annotations

from pydantic import BaseModel

from agents.teams.core import TeamMisfitError
from agents.teams.credit_settings import Credit, CreditConfig
from arenas import potentials
from arenas.core import Arena
from arenas.shaping import DifferenceRewards, PotentialShaping


def credited(arena: Arena, config: CreditConfig, algorithm: BaseModel) -> Arena:
    """The arena with the rewards that are to be learned from.

    Args:
        arena: the arena.
        config: which rewards.
        algorithm: the algorithm's settings, for its discount and for what it takes a time limit for.

    Raises:
        TeamMisfitError: they do not fit the arena or the algorithm.
    """
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
