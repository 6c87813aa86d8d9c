"""Arenas by name: native games, plug-ins (entry points of the group `league.arenas`), PettingZoo and OpenSpiel.

Nothing here imports torch before an arena is made: `league --help` and `names()` have to answer at once.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, NamedTuple

from arenas.spelling import did_you_mean

if TYPE_CHECKING:
    from arenas.core import Arena

GROUP = "league.arenas"


class UnknownArenaError(ValueError):
    """There is no arena of that name."""


class ArenaOptionError(ValueError):
    """An arena does not take that option, or not with that value."""


class ArenaLoadError(RuntimeError):
    """An arena exists, but its code cannot be loaded or does not build an arena."""


class Native(NamedTuple):
    """Where a game of ours lives, its one line for people, and its roles (`ArenaSpec.roles`): without an import."""

    module: str
    factory: str
    description: str
    roles: tuple[str, ...] = ()


NATIVE = {
    "connect_four": Native("arenas.games.connect_four", "ConnectFour", "Connect Four, 7 columns of 6 rows"),
    "foraging": Native("arenas.games.foraging", "Foraging", "Level-based foraging: agents load food together"),
    "kuhn_poker": Native("arenas.games.kuhn_poker", "KuhnPoker", "Kuhn poker, three cards and one bet"),
    "leduc_poker": Native("arenas.games.leduc_poker", "LeducPoker", "Leduc poker, six cards and two rounds of betting"),
    "prisoners_dilemma": Native(
        "arenas.games.prisoners_dilemma", "PrisonersDilemma", "Iterated prisoner's dilemma, the last round in sight"
    ),
    "rock_paper_scissors": Native(
        "arenas.games.rock_paper_scissors", "RockPaperScissors", "Rock-paper-scissors, one shot or `rounds` of them"
    ),
    "soccer": Native("arenas.games.soccer", "Soccer", "Soccer on a grid, `players` against `players`"),
    "speaker_listener": Native(
        "arenas.games.speaker_listener",
        "SpeakerListener",
        "Speaker and listener: one knows, the other goes (mpe2's simple_speaker_listener_v4)",
    ),
    "spread": Native(
        "arenas.games.spread", "Spread", "Spread: one team of N agents covers N landmarks (mpe2's simple_spread_v3)"
    ),
    "tag": Native(
        "arenas.games.tag",
        "Tag",
        "Tag: slow predators hunt quick prey among obstacles (mpe2's simple_tag_v3)",
        ("predators", "prey"),
    ),
    "tic_tac_toe": Native("arenas.games.tic_tac_toe", "TicTacToe", "Tic-tac-toe, 3 by 3"),
}
ADAPTERS = {
    "pettingzoo": ("arenas.pettingzoo", "from_pettingzoo", "classic/connect_four-v3"),
    "openspiel": ("arenas.openspiel", "from_openspiel", "leduc_poker"),
}
"""For each prefix the module and function that adapt a foreign game, and an example of a name behind the prefix."""


def names() -> list[str]:
    """The native arenas and the plug-ins, sorted. Any PettingZoo or OpenSpiel game adds to them by its prefix."""
    return sorted({*NATIVE, *_plugins()})


def describe(name: str) -> str:
    """One line for people.

    Raises:
        UnknownArenaError: there is no arena of that name.
    """
    if name in NATIVE:
        return NATIVE[name].description
    prefix, _, game = name.partition(":")
    if game and prefix in ADAPTERS:
        return f"{game} of {prefix}"
    return f"plug-in of {_origin(_plugin(name))}"


def roles(name: str, **options: Any) -> tuple[str, ...]:
    """What each team of an arena is (`ArenaSpec.roles`). Adapters of foreign games know of none.

    Raises:
        What `make` raises, where a plug-in has to be made to ask it.
    """
    if name in NATIVE:
        return NATIVE[name].roles
    if name.partition(":")[0] in ADAPTERS:
        return ()
    return make(name, **options).spec.roles


def make(name: str, /, **options: Any) -> Arena:
    """Build an arena.

    Args:
        name: one of `names()`, or a foreign game such as `openspiel:leduc_poker`.
        options: what this arena takes, such as `rounds` for rock_paper_scissors.

    Raises:
        UnknownArenaError: no arena has that name; the message has the nearest one.
        ArenaOptionError: the arena does not take an option, or not that value.
        ArenaLoadError: a plug-in is broken.
    """
    prefix, colon, game = name.partition(":")
    if colon and prefix in ADAPTERS:
        module, function, example = ADAPTERS[prefix]
        if not game:
            raise UnknownArenaError(f"no game after {name!r}: a name looks like {prefix}:{example}")
        adapt: Callable[..., Arena] = getattr(importlib.import_module(module), function)
        return adapt(game, **options)
    if name in NATIVE:
        native = NATIVE[name]
        return _build(name, getattr(importlib.import_module(native.module), native.factory), options)
    return _build_plugin(name, _plugin(name), options)


def _plugins() -> dict[str, list[EntryPoint]]:
    """Entry points by name: all that claim it. A native name is looked up before them and cannot be taken over."""
    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        if point not in found.get(point.name, []):
            found.setdefault(point.name, []).append(point)
    return found


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version} ({point.value})" if point.dist else point.value


def _plugin(name: str) -> EntryPoint:
    points = _plugins().get(name, [])
    if not points:
        raise UnknownArenaError(_unknown(name))
    if len(points) > 1:
        raise ArenaLoadError(
            f"arena {name!r} is claimed by {' and by '.join(map(_origin, points))}: uninstall one of them"
        )
    return points[0]


def _unknown(name: str) -> str:
    known = names()
    prefix, colon, game = name.partition(":")
    if colon:
        hint = did_you_mean(prefix, ADAPTERS, after=" ", shown=lambda near: f"{near}:{game}")
        return f"no arena {name!r}: {hint}the prefixes are {', '.join(f'{key}:' for key in ADAPTERS)}"
    hint = did_you_mean(name.replace("-", "_").replace(" ", "_"), known, after=" ")
    foreign = " or ".join(f"{key}:{example}" for key, (_, _, example) in ADAPTERS.items())
    return f"no arena {name!r}: {hint}there are {', '.join(known)}, or a foreign game such as {foreign}"


def _build(name: str, factory: Callable[..., Arena], options: dict[str, Any]) -> Arena:
    if options:
        parameters = inspect.signature(factory).parameters
        if not any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values()):
            _check_options(name, list(parameters), options)
    try:
        return factory(**options)
    except (TypeError, ValueError) as error:
        if not options:
            raise
        raise ArenaOptionError(f"arena {name!r} with {_shown(options)}: {error}") from error


def _check_options(name: str, known: list[str], options: dict[str, Any]) -> None:
    for option in options:
        if option not in known:
            hint = did_you_mean(option, known, after=" ")
            takes = f"its options are {', '.join(known)}" if known else "it takes no options"
            raise ArenaOptionError(f"arena {name!r} has no option {option!r}: {hint}{takes}")


def _shown(options: dict[str, Any]) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in options.items())


def _build_plugin(name: str, point: EntryPoint, options: dict[str, Any]) -> Arena:
    from arenas.core import Arena

    try:
        factory = point.load()
        arena = _build(name, factory, options)
    except ArenaOptionError:
        raise
    except Exception as error:  # somebody else's code: whatever it raises is its author's to see, in one line
        raise ArenaLoadError(
            f"arena {name!r} of {_origin(point)} cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(arena, Arena):
        raise ArenaLoadError(
            f"arena {name!r} of {_origin(point)} gave a {type(arena).__name__}: the entry point has to name "
            "a subclass of arenas.core.Arena or a function that returns one"
        )
    return arena
