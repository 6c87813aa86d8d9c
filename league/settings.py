"""From preset, file, environment and flags to one `LeagueConfig`, and exact messages where that is not possible."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from agents.scripted.registry import anchors, is_scripted
from agents.teams import registry
from agents.teams.credit_settings import CreditConfig, CreditError, check_own_rewards, own_rewards
from agents.toml import TOMLError, loads
from league.config import LeagueConfig, Table, TeamConfig
from league.errors import ConfigError, suggestion
from league.files import read_bounded, replace_text
from league.toml import dumps
from matchmaking.server import masked, password_of

PREFIX = "LEAGUE_"
RESERVED = frozenset({"LEAGUE_RUNS"})  # the folder of all runs: not a part of any run's configuration
VARIATIONS = ("laptop", "gpu")
NOBODY = "none"  # --players none
LARGEST = 4 * 1024**2  # bytes of a league file
SHOWN = 200  # characters of a value in a message
PLAIN_WORDS = {
    r"a valid dictionary( or instance of \w+)?": "a table",
    r"a valid (tuple|list)": "a list",
    r"^(greater|less) than": r"a number \1 than",
    r", unable to parse.*": "",
}
"""What pydantic calls what a person writes in TOML."""

Variation = Literal["laptop", "gpu"]


@dataclass(frozen=True, slots=True)
class Layer:
    """Settings from one source, and how to call that source in a message."""

    source: str
    table: Table


def resolve(
    arena: str | None = None,
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Sequence[Layer] = (),
    gpu: bool = False,
) -> LeagueConfig:
    """The configuration of a new run.

    Args:
        arena: the arena asked for; None takes the highest layer that names one, else `connect_four`.
        file: a TOML file of settings.
        environment: variables to read `LEAGUE_...` from; None reads the process's own.
        flags: layers of the command line, later ones win.
        gpu: choose the preset's variation for one GPU.

    Raises:
        ConfigError: with a message that names the source, the key, what was given and what would be right.
    """
    upper: list[Layer] = []
    if file is not None:
        upper.append(file_layer(file))
    upper += environment_layers(os.environ if environment is None else environment)
    upper += flags
    if arena is not None:
        upper.append(Layer("the command line", {"arena": arena}))
    named = [layer.table["arena"] for layer in upper if isinstance(layer.table.get("arena"), str)]
    chosen = named[-1] if named else LeagueConfig().arena
    variation: Variation = "gpu" if gpu else "laptop"
    table = preset(chosen, variation)
    if file is not None and "teams" in upper[0].table:  # a file's teams are a league: they join no others
        table.pop("teams", None)
    return validate([Layer(f"preset of {chosen}", table), *upper])


def preset(arena: str, variation: Variation) -> Table:
    """The settings that an arena ships with; `default.toml` for arenas without a preset of their own."""
    folder = resources.files("league") / "presets"
    own = f"{arena}.toml"  # of a person's words: looked for among the names that there are, not on the disk
    known = own in {entry.name for entry in folder.iterdir()}
    table = loads((folder / (own if known else "default.toml")).read_bytes())
    chosen = table.get(variation, {})
    base = {key: value for key, value in table.items() if key not in VARIATIONS}
    recommended: Table = {"arena": arena, "evaluation": {"anchors": list(anchors(arena))}}
    return merge(recommended, merge(base, chosen))


def file_layer(path: Path) -> Layer:
    """The settings in a TOML file."""
    try:
        return Layer(str(path), loads(read_bounded(path, LARGEST)))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    except TOMLError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error


def environment_layers(environment: Mapping[str, str]) -> list[Layer]:
    """One layer for each variable `LEAGUE_SECTION__KEY=value`."""
    names = sorted(name for name in environment if name.startswith(PREFIX) and name not in RESERVED)
    return [
        Layer(f"environment variable {name}", nest(name[len(PREFIX) :].lower().split("__"), parse(environment[name])))
        for name in names
    ]


def set_layer(assignment: str) -> Layer:
    """The layer of one `--set key.path=value`."""
    path, equals, value = assignment.partition("=")
    keys = [key.strip() for key in path.split(".")]
    source = f"--set {masked(assignment)[:SHOWN]}"
    if not equals or not all(keys):
        raise ConfigError(f"{source}: expected key.path=value, such as --set ppo.epochs=4")
    return Layer(source, nest(keys, parse(value.strip())))


def players_layer(text: str) -> Layer:
    """The layer of `--players main_agent=1,main_exploiter=2`: roles that are not named get no learner.

    `--players none` is an arena without learners.
    """
    from league.config import PlayersConfig

    roles = list(PlayersConfig.model_fields)
    counts: Table = dict.fromkeys(roles, 0)
    if text.strip() == NOBODY:
        return Layer(f"--players {text}", {"players": counts})
    for part in text.split(","):
        name, equals, number = part.strip().partition("=")
        if name not in roles:
            raise ConfigError(f"--players {text}: unknown role {name!r}; {suggestion(name, roles)}")
        if not equals or not re.fullmatch(r"[0-9]{1,4}", number):
            raise ConfigError(f"--players {text}: {part.strip()!r} is no role=count, such as main_agent=1")
        counts[name] = int(number)
    if not any(counts.values()):
        raise ConfigError(
            f"--players {text}: there is no learner; give at least one role a count, such as main_agent=1, "
            f"or --players {NOBODY} for an arena without learners"
        )
    return Layer(f"--players {text}", {"players": counts})


def parse(text: str) -> Any:
    """`text` as a TOML value where it is one, else as a string: `10m` and `cuda` need no quotes."""
    try:
        table = loads(f"value = {text}")
    except TOMLError as error:
        if re.fullmatch(r"\s*[+-]?[0-9_]{19,}\s*", text):
            raise ConfigError(f"{shown(text)}: {error}") from error
        return text
    return table["value"] if list(table) == ["value"] else text


def nest(keys: Sequence[str], value: Any) -> Table:
    """`{"a": {"b": value}}` for the keys a, b."""
    for key in reversed(keys):
        value = {key: value}
    return dict(value)


def merge(lower: Table, upper: Table) -> Table:
    """`upper` over `lower`, table by table; neither is changed."""
    merged = dict(lower)
    for key, value in upper.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def validate(layers: Sequence[Layer]) -> LeagueConfig:
    """The configuration that the layers make, later ones over earlier ones."""
    merged: Table = {}
    for layer in layers:
        merged = merge(merged, layer.table)
    try:
        config = LeagueConfig.model_validate(merged)
    except ValidationError as error:
        raise ConfigError(explain(error.errors()[0], layers)) from error
    for name, team in config.teams.items():
        if is_scripted(name):
            raise ConfigError(f"{source_of(['teams', name], layers)}: teams.{name}: a scripted player has this name")
        team_settings(team, layers, ("teams", name))
    return config


def team_settings(team: TeamConfig, layers: Sequence[Layer], place: Sequence[str]) -> BaseModel:
    """The settings of a team's algorithm, with the team's own number of environments where it has one.

    Args:
        team: the team.
        layers: of settings.
        place: its table in them.

    Raises:
        ConfigError: see `algorithm_settings`; or the settings do not allow so many environments.
    """
    _, config = algorithm_settings(team.algorithm, team.preset, layers, place, team.rewards)
    if team.environments is None or "environments" not in type(config).model_fields:
        return config
    try:
        return type(config).model_validate(config.model_dump() | {"environments": team.environments})
    except ValidationError as error:
        told = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{source_of([*place, 'environments'], layers)}: {'.'.join(place)}: {told}") from error


def algorithm_settings(
    algorithm: str,
    preset: str | None,
    layers: Sequence[Layer],
    place: Sequence[str] = (),
    credit: CreditConfig | None = None,
) -> tuple[str, BaseModel]:
    """The settings of a team's algorithm: a recipe, and what the layers set in it.

    Args:
        algorithm: one of `agents.teams.registry.names()`.
        preset: of the algorithm; the first unless given.
        layers: of settings, later ones over earlier ones.
        place: the team's table in the layers, which has them as `settings`; without it the layers hold nothing else.
        credit: which rewards it is to learn from, where it is to be seen whether it can; they may ask for settings.

    Returns:
        The recipe's name and the settings.

    Raises:
        ConfigError: no such algorithm or preset, a setting that is not valid, or rewards that it cannot learn from.
    """
    told = ".".join((*place, "")) if place else ""

    def refuse(key: str, problem: str) -> ConfigError:
        return ConfigError(f"{source_of([*place, key], layers)}: {told}{key}: {problem}" if place else problem)

    if algorithm not in registry.names():
        raise refuse("algorithm", f"no algorithm {algorithm!r}; {suggestion(algorithm, registry.names())}")
    found = registry.find(algorithm)
    chosen = next(iter(found.presets), "default") if preset is None else preset
    if preset is not None and preset not in found.presets:
        raise refuse("preset", f"{algorithm} has no preset {preset!r}; {suggestion(preset, found.presets)}")
    inside, credit = (*place, "settings") if place else (), credit or CreditConfig()
    try:
        asked = dict(own_rewards(algorithm, credit))
    except CreditError as error:
        raise refuse("rewards", str(error)) from error
    every = [
        Layer(f"preset {chosen}", nest(inside, found.presets.get(chosen, {}))),
        Layer("credit", nest(inside, asked)),
    ]
    every += layers
    merged: Table = {}
    for layer in every:
        merged = merge(merged, layer.table)
    for key in inside:
        merged = merged[key]
    try:
        config = found.settings().model_validate(merged)
    except ValidationError as error:
        raise ConfigError(explain(error.errors()[0], every, found.settings(), inside)) from error
    try:
        check_own_rewards(credit, config)
    except CreditError as error:
        raise refuse("settings", str(error)) from error
    return chosen, config


def load(path: Path) -> LeagueConfig:
    """The configuration that `save` wrote."""
    return validate([file_layer(path)])


def save(config: LeagueConfig, path: Path) -> None:
    """Write the whole resolved configuration as TOML: all of it, or nothing where the disk refuses.

    Where it holds the password of a Redis, only its owner can read it.
    """
    secret = config.redis is not None and password_of(config.redis) is not None
    replace_text(path, dumps(config.model_dump(mode="json")), 0o600 if secret else 0o666)


def explain(
    error: ErrorDetails, layers: Sequence[Layer], model: type[BaseModel] = LeagueConfig, place: Sequence[str] = ()
) -> str:
    """One line for a person from one of pydantic's errors about `model`, which stands at `place` in the layers."""
    inside = [str(part) for part in error["loc"] if not (isinstance(part, str) and "[" in part)]
    keys = [*place, *inside]
    path = ".".join(keys)
    where = source_of(keys, layers)
    if not inside:
        return f"{where}: {error['msg'].removeprefix('Value error, ')}"
    if error["type"] == "extra_forbidden":
        right = _right_place(keys) or suggestion(keys[-1], keys_at(inside[:-1], model))
        return f"{where}: unknown key {shown(path)}; {right}"
    given = error["input"]
    if error["type"] == "missing":
        return f"{where}: the key {path!r} is missing"
    choices = re.findall(r"'([^']+)'", str(error.get("ctx", {}).get("expected", "")))
    if choices:
        return f"{where}: {path} = {shown(given)} is not valid; {suggestion(str(given)[:SHOWN], choices)}"
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    for theirs, ours in PLAIN_WORDS.items():
        message = re.sub(theirs, ours, message)
    if message == error["msg"] or message.startswith("expected"):
        return f"{where}: {path} = {shown(given)} is not valid: {message.removeprefix('Value error, ')}"
    return f"{where}: {path} = {shown(given)} is not valid: expected {message}"


def _right_place(keys: Sequence[str]) -> str:
    """Where a key belongs that stands in a wrong table of a team; empty for any other key."""
    if not (keys[0] == "teams" and (len(keys) == 3 or (len(keys) == 4 and keys[2] == "settings"))):
        return ""
    team, key = ".".join(keys[:2]), keys[-1]
    if key in CreditConfig.model_fields:
        return f"what a team is rewarded with is set by {team}.rewards.{key}"
    if key == "curriculum":
        return "a curriculum is for `league train`: the teams of a league meet each other in one size"
    if key == "arena":
        return "the arena's options are those of the league: arena_options"
    if len(keys) == 3 and any(key in registry.find(name).settings().model_fields for name in registry.names()):
        return f"a setting of an algorithm is set by {team}.settings.{key}"
    return ""


def shown(value: object) -> str:
    """A value as a message quotes it: a long one is cut."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def source_of(keys: Sequence[str], layers: Sequence[Layer]) -> str:
    """The highest layer that has the key, or the longest part of its path."""
    for length in range(len(keys), 0, -1):
        for layer in reversed(layers):
            if _holds(layer.table, keys[:length]):
                return layer.source
    return "configuration"


def _holds(table: object, keys: Sequence[str]) -> bool:
    for key in keys:
        if not isinstance(table, dict) or key not in table:
            return False
        table = table[key]
    return True


def keys_at(keys: Sequence[str], model: type[BaseModel] = LeagueConfig) -> list[str]:
    """The keys that a section of the configuration knows."""
    rest = list(keys)
    while rest:
        annotation: object = model.model_fields[rest.pop(0)].annotation
        if get_origin(annotation) is dict and rest:  # tables by name, such as `teams`
            annotation, _ = get_args(annotation)[1], rest.pop(0)
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)
