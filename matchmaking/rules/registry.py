"""Opponent rules by name: ours, and those that installed packages register.

A plug-in names a callable in its `pyproject.toml`; it takes options as keywords and gives an `OpponentRule`:

    [project.entry-points."league.opponent_rules"]
    mine = "my_package.rules:Mine"
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields, replace
from importlib.metadata import entry_points
from typing import Any, NamedTuple

from matchmaking.rules.alphastar import PAPER, PSEUDOCODE, AlphaStar, AlphaStarSettings
from matchmaking.rules.core import OpponentRule
from matchmaking.rules.openai_five import OpenAIFive
from matchmaking.rules.simple import FictitiousSelfPlay, NaiveSelfPlay, Pfsp
from matchmaking.spelling import did_you_mean

GROUP = "league.opponent_rules"


class RuleError(ValueError):
    """A rule that does not exist, an option that it does not take, or a plug-in that cannot be loaded."""


class _Entry(NamedTuple):
    """How a rule is made, and the options that it takes (None where the callable takes any)."""

    make: Callable[..., OpponentRule]
    options: tuple[str, ...] | None


def _plain(make: Callable[..., OpponentRule]) -> _Entry:
    parameters = inspect.signature(make).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return _Entry(make, None)
    return _Entry(make, tuple(parameter.name for parameter in parameters))


def _alphastar(preset: AlphaStarSettings) -> _Entry:
    def make(**options: Any) -> OpponentRule:
        return AlphaStar(replace(preset, **options))

    return _Entry(make, tuple(field.name for field in fields(AlphaStarSettings)))


_BUILT_IN: dict[str, _Entry] = {
    "alphastar": _alphastar(PSEUDOCODE),
    "alphastar_paper": _alphastar(PAPER),
    "openai_five": _plain(OpenAIFive),
    "fictitious": _plain(FictitiousSelfPlay),
    "naive": _plain(NaiveSelfPlay),
    "pfsp": _plain(Pfsp),
}


def names() -> list[str]:
    """The names that `make` takes: ours, then those of plug-ins."""
    plugins = {point.name for point in entry_points(group=GROUP)}
    return [*_BUILT_IN, *sorted(plugins - set(_BUILT_IN))]


def make(name: str, **options: Any) -> OpponentRule:
    """Make the rule of a name; a plug-in cannot take the name of one of ours.

    Raises:
        RuleError: no such rule or option (the message names the nearest), a value that the rule refuses, or a plug-in
            that cannot be imported.
    """
    entry = _BUILT_IN[name] if name in _BUILT_IN else _plugin(name)
    if entry.options is not None:
        for option in options:
            if option not in entry.options:
                known = f"options of {name} are: {', '.join(entry.options) or 'none'}"
                hint = did_you_mean(option, entry.options, known)
                raise RuleError(f"opponent rule {name} takes no option {option!r}: {hint}")
    try:
        return entry.make(**options)
    except (TypeError, ValueError) as error:
        raise RuleError(f"opponent rule {name}: {error}") from error


def _plugin(name: str) -> _Entry:
    found = next((point for point in entry_points(group=GROUP) if point.name == name), None)
    if found is None:
        hint = did_you_mean(name, names(), f"there are: {', '.join(names())}")
        raise RuleError(f"no opponent rule {name!r}: {hint}")
    try:
        return _plain(found.load())
    except (ImportError, AttributeError) as error:
        raise RuleError(f"opponent rule {name} of the plug-in {found.value} cannot be loaded: {error}") from error
