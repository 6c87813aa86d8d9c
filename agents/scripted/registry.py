"""Scripted players by name, such as `random` or `alpha_beta:4`; plug-ins through entry points (`league.scripted`).

Nothing here imports torch before a player is made: the command line asks for names only.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from arenas.spelling import did_you_mean

if TYPE_CHECKING:
    from agents.core import Agent
    from arenas.core import ArenaSpec

GROUP = "league.scripted"
MAX_DEPTH = 12


class ScriptedPlayerError(ValueError):
    """No scripted player of that name, in that arena or with that parameter; the message says what would be right."""


@dataclass(frozen=True, slots=True)
class ScriptedPlayer:
    """An entry of the registry; a plug-in's entry point names one.

    Attributes:
        build: makes the player from the arena's spec and the text after the colon ("" where there is none). It raises
            ValueError where the text is not allowed.
        arenas: names of the arenas that it plays; empty for all of them.
        parameter: what may stand after the colon, for people; empty where nothing may.
        anchors: the forms of it that a league rates beside its own players.
        description: one line for people.
    """

    build: Callable[[ArenaSpec, str], Agent]
    arenas: tuple[str, ...] = ()
    parameter: str = ""
    anchors: tuple[str, ...] = ()
    description: str = ""

    def plays(self, arena: str) -> bool:
        """Whether it plays the arena of that name."""
        return not self.arenas or arena in self.arenas


def make(text: str, spec: ArenaSpec) -> Agent:
    """Build a scripted player.

    Args:
        text: a name, or a name and a parameter: `random`, `alpha_beta:4`.
        spec: of the arena that it is to play.

    Raises:
        ScriptedPlayerError: unknown name (the nearest is named), an arena that it does not play, or a parameter that is
            missing or not allowed.
    """
    name, colon, parameter = text.partition(":")
    player = _find(name, spec.name)
    if not player.plays(spec.name):
        raise ScriptedPlayerError(
            f"scripted player {name!r} plays {' and '.join(player.arenas)}, not {spec.name}; "
            f"in {spec.name} there are {', '.join(names_for(spec.name))}"
        )
    if colon and not player.parameter:
        raise ScriptedPlayerError(f"scripted player {name!r} takes no parameter, so {text!r} is just {name!r}")
    if player.parameter and not parameter:
        raise ScriptedPlayerError(f"scripted player {name!r} needs a parameter: {name}:{player.parameter}")
    try:
        return player.build(spec, parameter)
    except ValueError as error:
        raise ScriptedPlayerError(f"scripted player {text!r}: {error}") from error


def is_scripted(text: str) -> bool:
    """Whether the name in `text` is that of a scripted player, whatever its parameter."""
    name = text.partition(":")[0]
    return name in NATIVE or any(point.name == name for point in entry_points(group=GROUP))


def names_for(arena: str) -> list[str]:
    """What can be written for a scripted player of an arena, with what may stand for its parameter."""
    playing = {name: player for name, player in _players().items() if player.plays(arena)}
    return [f"{name}:{player.parameter}" if player.parameter else name for name, player in sorted(playing.items())]


def anchors(arena: str) -> tuple[str, ...]:
    """The scripted players that a league rates beside its own in an arena, weakest first."""
    return tuple(text for player in _players().values() if player.plays(arena) for text in player.anchors)


def _build_random(spec: ArenaSpec, parameter: str) -> Agent:
    from agents.scripted.random import RandomPlayer

    return RandomPlayer(spec)


def _build_alpha_beta(spec: ArenaSpec, parameter: str) -> Agent:
    from agents.scripted.alpha_beta import AlphaBeta

    if not (parameter.isascii() and parameter.isdigit() and 1 <= int(parameter) <= MAX_DEPTH):
        raise ValueError(f"the depth has to be a whole number from 1 to {MAX_DEPTH}, not {parameter!r}")
    return AlphaBeta(spec, int(parameter))


def _build_perfect(spec: ArenaSpec, parameter: str) -> Agent:
    from agents.scripted.tic_tac_toe import PerfectTicTacToe

    return PerfectTicTacToe(spec)


def _build_mix(spec: ArenaSpec, parameter: str) -> Agent:
    from agents.scripted.rps import FixedMix

    try:
        rock, paper, scissors = (float(number) for number in parameter.split(","))
    except ValueError:
        raise ValueError(f"three numbers with commas between are needed, not {parameter!r}") from None
    return FixedMix(spec, (rock, paper, scissors))


def _hand(number: int) -> Callable[[ArenaSpec, str], Agent]:
    def build(spec: ArenaSpec, parameter: str) -> Agent:
        from agents.scripted.rps import FixedMix

        return FixedMix(spec, (float(number == 0), float(number == 1), float(number == 2)))

    return build


def _build_kuhn(spec: ArenaSpec, parameter: str) -> Agent:
    from agents.scripted.kuhn import KuhnEquilibrium

    try:
        alpha = float(parameter)
    except ValueError:
        raise ValueError(f"alpha has to be a number from 0 to 1/3, not {parameter!r}") from None
    return KuhnEquilibrium(spec, alpha)


_HEURISTICS = {
    "foraging": ("agents.scripted.foraging", "ForagingHeuristic"),
    "soccer": ("agents.scripted.soccer", "SoccerHeuristic"),
    "speaker_listener": ("agents.scripted.particles", "SpeakerListenerHeuristic"),
    "spread": ("agents.scripted.particles", "SpreadHeuristic"),
    "tag": ("agents.scripted.particles", "TagHeuristic"),
}
"""For each arena the module and class of its `heuristic`."""


def _build_heuristic(spec: ArenaSpec, parameter: str) -> Agent:
    module, name = _HEURISTICS[spec.name]
    build: Callable[[ArenaSpec], Agent] = getattr(importlib.import_module(module), name)
    return build(spec)


def _reply(name: str) -> Callable[[ArenaSpec, str], Agent]:
    def build(spec: ArenaSpec, parameter: str) -> Agent:
        from agents.scripted import dilemma

        return dilemma.FixedReply(spec, getattr(dilemma, name))

    return build


_RPS = ("rock_paper_scissors",)
_DILEMMA = ("prisoners_dilemma",)
NATIVE = {
    "random": ScriptedPlayer(_build_random, anchors=("random",), description="uniform over the legal actions"),
    "alpha_beta": ScriptedPlayer(
        _build_alpha_beta,
        arenas=("connect_four",),
        parameter=f"DEPTH (1 to {MAX_DEPTH})",
        anchors=("alpha_beta:2", "alpha_beta:4"),
        description="full-width search that sees wins and losses within DEPTH plies",
    ),
    "perfect": ScriptedPlayer(_build_perfect, arenas=("tic_tac_toe",), anchors=("perfect",), description="never loses"),
    "rock": ScriptedPlayer(_hand(0), arenas=_RPS, anchors=("rock",), description="always rock"),
    "paper": ScriptedPlayer(_hand(1), arenas=_RPS, anchors=("paper",), description="always paper"),
    "scissors": ScriptedPlayer(_hand(2), arenas=_RPS, anchors=("scissors",), description="always scissors"),
    "rps_mix": ScriptedPlayer(
        _build_mix,
        arenas=_RPS,
        parameter="ROCK,PAPER,SCISSORS (probabilities of sum 1)",
        description="a fixed mix of hands",
    ),
    "kuhn_equilibrium": ScriptedPlayer(
        _build_kuhn,
        arenas=("kuhn_poker",),
        parameter="ALPHA (0 to 1/3)",
        anchors=("kuhn_equilibrium:0.2",),
        description="an equilibrium; ALPHA is how often it opens with a bet on the jack",
    ),
    "always_cooperate": ScriptedPlayer(
        _reply("ALWAYS_COOPERATE"), arenas=_DILEMMA, anchors=("always_cooperate",), description="never defects"
    ),
    "tit_for_tat": ScriptedPlayer(
        _reply("TIT_FOR_TAT"),
        arenas=_DILEMMA,
        anchors=("tit_for_tat",),
        description="cooperates first, then does as the other did",
    ),
    "always_defect": ScriptedPlayer(
        _reply("ALWAYS_DEFECT"), arenas=_DILEMMA, anchors=("always_defect",), description="never cooperates"
    ),
    "heuristic": ScriptedPlayer(
        _build_heuristic,
        arenas=tuple(_HEURISTICS),
        anchors=("heuristic",),
        description="a team by simple rules, each agent from what it sees",
    ),
}


def _players() -> dict[str, ScriptedPlayer]:
    """Ours and the plug-ins; a plug-in does not replace a native name."""
    return NATIVE | {point.name: _load(point) for point in entry_points(group=GROUP) if point.name not in NATIVE}


def _find(name: str, arena: str) -> ScriptedPlayer:
    if name in NATIVE:
        return NATIVE[name]
    players = _players()
    if name not in players:
        hint = did_you_mean(name, players, after=" ", shown=repr)
        raise ScriptedPlayerError(
            f"no scripted player {name!r}: {hint}in {arena} there are {', '.join(names_for(arena))}"
        )
    return players[name]


def _load(point: EntryPoint) -> ScriptedPlayer:
    try:
        player = point.load()
    except Exception as error:  # somebody else's code: whatever it raises is its author's to see, in one line
        raise ScriptedPlayerError(
            f"plug-in {point.name!r} ({point.value}) cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(player, ScriptedPlayer):
        raise ScriptedPlayerError(
            f"plug-in {point.name!r} ({point.value}) gave a {type(player).__name__}: the entry point has to name "
            "an agents.scripted.ScriptedPlayer"
        )
    return player
