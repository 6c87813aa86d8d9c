"""The configuration's sections that belong to `agents`: checked, completed with defaults, and given in their own types.

Importing this imports torch; `league.config` does not.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ValidationError

from agents.algorithms.ppo import PPOConfig
from agents.networks import NetworkConfig
from league.config import LeagueConfig
from league.errors import ConfigError
from league.settings import Layer, explain, merge

SECTIONS: dict[str, type[BaseModel]] = {"network": NetworkConfig, "ppo": PPOConfig}


def network_config(config: LeagueConfig) -> NetworkConfig:
    """The section `network` in its own type."""
    return NetworkConfig.model_validate(config.network)


def ppo_config(config: LeagueConfig) -> PPOConfig:
    """The section `ppo` in its own type."""
    return PPOConfig.model_validate(config.ppo)


def complete(config: LeagueConfig, layers: Sequence[Layer] = ()) -> LeagueConfig:
    """The same configuration with every default of these sections written out.

    Args:
        config: a configuration whose tables may lack keys.
        layers: where it came from, for the message.

    Raises:
        ConfigError: an unknown key or a value that is not valid in one of the sections.
    """
    tables: dict[str, object] = {}
    for name, model in SECTIONS.items():
        try:
            section = model.model_validate(getattr(config, name))
        except ValidationError as error:
            raise ConfigError(explain(error.errors()[0], model, layers, (name,))) from error
        tables[name] = section.model_dump(mode="json", exclude_none=True)
    return LeagueConfig.model_validate(merge(config.model_dump(), tables))
