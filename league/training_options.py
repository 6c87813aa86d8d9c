"""What `--set` means in `league train`: options of the arena, of the rewards and of the curriculum, beside settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from agents.teams.credit_settings import CreditConfig
from agents.teams.curriculum import CurriculumConfig
from league.config import Table
from league.errors import ConfigError
from league.settings import Layer, explain, merge, nest

ARENA, CURRICULUM = "arena", "curriculum"
"""`--set arena.KEY=VALUE` is an option of the arena, and so on; other keys are of the algorithm or of the rewards."""
EXAMPLES = {ARENA: "arena.N=3", CURRICULUM: "curriculum.sizes=[2]"}

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Options:
    """What the assignments are for.

    Attributes:
        arena: the arena's options.
        credit: layers of what is rewarded.
        curriculum: layers of which team sizes come first.
        settings: layers of the algorithm's settings.
    """

    arena: Table
    credit: list[Layer]
    curriculum: list[Layer]
    settings: list[Layer]


def separate(layers: Sequence[Layer]) -> Options:
    """Tell the algorithm's settings from everything else.

    Raises:
        ConfigError: a section was set as if it were a key.
    """
    sections: dict[str, list[Layer]] = {name: [] for name in EXAMPLES}
    credit, settings = [], []
    for layer in layers:
        table = dict(layer.table)
        for name, example in EXAMPLES.items():
            given = table.pop(name, {})
            if not isinstance(given, dict):
                raise ConfigError(f"--set {name}={given}: what is of the {name} is set one by one, as {example}")
            sections[name].append(Layer(layer.source, given))
        rewards = {key: table.pop(key) for key in layer.table if key in CreditConfig.model_fields}
        credit.append(Layer(layer.source, rewards))
        settings.append(Layer(layer.source, table))
    return Options(_merged(sections[ARENA]), credit, sections[CURRICULUM], settings)


def valid_credit(layers: Sequence[Layer]) -> CreditConfig:
    """What is rewarded.

    Raises:
        ConfigError: a value is not valid.
    """
    return _valid(layers, CreditConfig, ())


def valid_curriculum(layers: Sequence[Layer]) -> CurriculumConfig:
    """Which team sizes come first.

    Raises:
        ConfigError: a value is not valid, or they do not go together.
    """
    return _valid(layers, CurriculumConfig, (CURRICULUM,))


def _merged(layers: Sequence[Layer]) -> Table:
    merged: Table = {}
    for layer in layers:
        merged = merge(merged, layer.table)
    return merged


def _valid(layers: Sequence[Layer], model: type[Model], place: Sequence[str]) -> Model:
    try:
        return model.model_validate(_merged(layers))
    except ValidationError as error:
        placed = [Layer(layer.source, nest(place, layer.table)) for layer in layers if layer.table]
        raise ConfigError(explain(error.errors()[0], placed, model, place)) from error
