"""Kaggle's `agent(observation, configuration)` in the games that Kaggle has: connectx, tictactoe and rps.

An agent sees what it would see there, computed from our observation. Names and meanings of the fields are those of
kaggle-environments' `connectx.json`, `tictactoe.json` and `rps.json`. As there, an agent's file is run anew for every
match, so that what it keeps in globals is of one match.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from agents.bots.harness_python import Clock, Spec

Array = np.ndarray[Any, Any]


class Struct(dict[str, Any]):
    """A dict whose items are attributes too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


class KaggleBot:
    """An agent function as a bot of ours.

    Args:
        spec: of the arena.
        function: the agent, freshly loaded.
        fresh: loads it again.

    Raises:
        ValueError: Kaggle has no such game.
    """

    def __init__(self, spec: Spec, function: Callable[..., Any], fresh: Callable[[], Callable[..., Any]]) -> None:
        if spec.arena not in GAMES:
            raise ValueError(f"a Kaggle agent plays {', '.join(GAMES)}, not {spec.arena}")
        self._game = GAMES[spec.arena]
        self._spec, self._fresh, self._function = spec, fresh, function
        self._used = False
        self._translate: Callable[[Array, float], Struct]

    def reset(self, seed: int, agent: str) -> None:
        """A new match: an agent without memory of the last one."""
        if self._used:
            self._function = self._fresh()
        self._used = True
        self._translate = self._game(self._spec, self._spec.agents.index(agent))
        self._configuration = configuration(self._spec)
        self._two = takes_two(self._function)

    def act(self, observation: Array, action_mask: Array, clock: Clock) -> Any:
        """The agent's answer."""
        seen = self._translate(observation, clock.bank)
        return self._function(seen, self._configuration) if self._two else self._function(seen)


def takes_two(function: Callable[..., Any]) -> bool:
    """Whether a function takes observation and configuration; True where that cannot be known."""
    try:
        inspect.signature(function).bind(None, None)
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def configuration(spec: Spec) -> Struct:
    """What Kaggle calls the configuration of an environment."""
    common = {"actTimeout": spec.move, "agentTimeout": spec.bank, "runTimeout": 1200, "timeout": spec.move}
    if spec.arena == "connect_four":
        return Struct(
            columns=spec.observation_shape[2], rows=spec.observation_shape[1], inarow=4, episodeSteps=1000, **common
        )
    if spec.arena == "tic_tac_toe":
        return Struct(steps=spec.max_steps + 1, episodeSteps=spec.max_steps + 1, **common)
    return Struct(signs=spec.num_actions, episodeSteps=spec.max_steps + 1, tieRewardThreshold=1, **common)


def _board(flip: bool) -> Callable[[Spec, int], Callable[[Array, float], Struct]]:
    def game(spec: Spec, seat: int) -> Callable[[Array, float], Struct]:
        mine, theirs = (1, 2) if seat == 0 else (2, 1)

        def translate(observation: Array, bank: float) -> Struct:
            planes = observation[:2, ::-1] if flip else observation[:2]  # Kaggle's first row is the top one
            marks = (planes[0] * mine + planes[1] * theirs).astype(np.int64).ravel().tolist()
            stones = len(marks) - marks.count(0)
            return Struct(remainingOverageTime=bank, step=stones, board=marks, mark=mine)

        return translate

    return game


def _hands(spec: Spec, seat: int) -> Callable[[Array, float], Struct]:
    rounds, hands = spec.max_steps, spec.num_actions
    reward = 0

    def translate(observation: Array, bank: float) -> Struct:
        nonlocal reward
        step = round((1 - float(observation[0])) * rounds)
        if step == 0:
            return Struct(remainingOverageTime=bank, step=0, reward=0, lastOpponentAction=None)
        mine, theirs = (int(observation[1 + start : 1 + start + hands].argmax()) for start in (0, hands))
        reward += (0, 1, -1)[(mine - theirs) % 3]
        return Struct(remainingOverageTime=bank, step=step, reward=reward, lastOpponentAction=theirs)

    return translate


GAMES: dict[str, Callable[[Spec, int], Callable[[Array, float], Struct]]] = {
    "connect_four": _board(flip=True),
    "tic_tac_toe": _board(flip=False),
    "rock_paper_scissors": _hands,
}
"""For each arena what makes, for a spec and a seat, the translation of a match's observations."""
