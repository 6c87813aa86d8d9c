"""A Python bot in its process: loading it, asking it, telling its answers. Runs confined; standard library and numpy.

The referee trusts nothing that comes from here: the bot shares this process and could have replaced any of it.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import operator
import os
import random
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import numpy.random  # which numpy would load at its first use, in each bot's process anew

from agents.bots.harness_kaggle import KaggleBot
from agents.bots.protocol import ACT_FRAME, HEADER

MOST_FRAMES = 20
MOST_TEXT = 4000  # characters of a traceback or message
INT64 = range(-(2**63), 2**63)


class Spec:
    """What a bot is told of the game before it plays: the argument of `Bot(spec)`.

    Attributes:
        arena: name, such as `connect_four`.
        agents: names of the slots that act, in the order of their seats.
        teams: for each team the indices of its agents.
        observation_shape: of one agent's observation.
        num_actions: actions are 0 to num_actions - 1.
        turns: `sequential` or `simultaneous`.
        max_steps: an upper bound on the steps of a match.
        move: seconds for every move.
        bank: seconds beyond these, for a whole match.
    """

    def __init__(self, spec: dict[str, Any], clocks: dict[str, float]) -> None:
        self.arena: str = spec["arena"]
        self.agents: tuple[str, ...] = tuple(spec["agents"])
        self.teams: tuple[tuple[int, ...], ...] = tuple(tuple(team) for team in spec["teams"])
        self.observation_shape: tuple[int, ...] = tuple(spec["observation_shape"])
        self.num_actions: int = spec["num_actions"]
        self.turns: str = spec["turns"]
        self.max_steps: int = spec["max_steps"]
        self.move: float = clocks["move"]
        self.bank: float = clocks["bank"]

    def __repr__(self) -> str:
        return f"Spec({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


class Clock:
    """What is left: seconds for this move (`move`), and beyond them for the rest of the match (`bank`)."""

    __slots__ = ("bank", "move")

    def __init__(self, move: float, bank: float) -> None:
        self.move, self.bank = move, bank

    def __repr__(self) -> str:
        return f"Clock(move={self.move:.3f}, bank={self.bank:.3f})"


class Player(Protocol):
    """What a loaded bot can be asked."""

    def reset(self, seed: int, agent: str) -> None:
        """A new match begins."""

    def act(self, observation: np.ndarray[Any, Any], action_mask: np.ndarray[Any, Any], clock: Clock) -> Any:
        """A move."""


def serve(reader: int, writer: int, folder: str, entry: str, language: str) -> int:
    """Be the bot until the requests end; returns the process's exit status.

    Args:
        reader: descriptor of the requests.
        writer: descriptor of the answers; may be the same.
        folder: the bot's.
        entry: `module:name`.
        language: `python` or `kaggle`.
    """
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = open(  # noqa: SIM115  (they stay open)
            number, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False
        )
        setattr(sys, name, stream)
    link = Link(reader, writer, folder)
    start = json.loads(bytes(link.read())[HEADER.size :])
    spec = Spec(start["spec"], start["clocks"])
    link.most = start["limits"]["message"]
    link.capacity = max(link.capacity, HEADER.size + 4 * int(np.prod(spec.observation_shape)) + spec.num_actions)
    try:
        sys.path.insert(0, folder)
        loaded = load(folder, entry, language)
        link.write({"type": "imported"})
    except BaseException as error:
        return link.fail(error, type="error", phase="import")
    try:
        player = loaded(spec)
        link.write({"type": "ready"})
    except BaseException as error:
        return link.fail(error, type="error", phase="init")
    return play(link, player, spec)


def play(link: Link, player: Player, spec: Spec) -> int:
    """Answer requests until there are no more."""
    shape, count, actions = spec.observation_shape, int(np.prod(spec.observation_shape)), spec.num_actions
    act, writer, start = player.act, link.writer, HEADER.size
    while True:
        frame = link.read()
        if not frame:
            return 0
        _, kind, number, _, move, bank = HEADER.unpack_from(frame)
        try:
            if kind == ACT_FRAME:
                observation = np.frombuffer(frame, np.float32, count, start).reshape(shape)
                mask = np.frombuffer(frame, np.bool_, actions, start + 4 * count)
                answer = act(observation, mask, Clock(move, bank))
                if type(answer) is int and answer in INT64:
                    os.write(writer, b'{"id":%d,"action":%d}\n' % (number, answer))
                else:
                    link.write({"id": number, **as_action(answer, min(200, link.most // 24))})
            else:
                request = json.loads(bytes(frame)[start:])
                number = request["id"]
                random.seed(request["seed"])
                np.random.seed(request["seed"])
                player.reset(request["seed"], request["agent"])
                link.write({"id": number, "ok": True})
        except BaseException as error:
            return link.fail(error, id=number)


def as_action(answer: object, length: int = 200) -> dict[str, Any]:
    """An answer that is not plainly an int: an int where it stands for one, else its text and type, cut."""
    if not isinstance(answer, bool | np.bool_):
        try:
            number = operator.index(answer)  # type: ignore[arg-type]
        except TypeError:
            pass
        else:
            if number in INT64:
                return {"action": number}
    try:
        text = repr(answer)
    except Exception as error:
        text = f"<its repr raised {type(error).__name__}>"
    return {"action": text[:length], "type": type(answer).__name__[:length]}


class Link:
    """The channel to the referee, from the bot's side."""

    def __init__(self, reader: int, writer: int, folder: str) -> None:
        self.reader, self.writer, self.folder = reader, writer, folder
        self.capacity = 4096  # bytes that are asked for at once
        self.most = 4096  # bytes of an answer that are read

    def read(self) -> bytearray:
        """A frame; empty where the referee has gone."""
        frame = bytearray(os.read(self.reader, self.capacity))
        if not frame:
            return frame
        size = HEADER.size
        while len(frame) < size or len(frame) < (size := int.from_bytes(frame[:4], "little")):
            more = os.read(self.reader, size - len(frame))
            if not more:
                return bytearray()
            frame += more
        return frame

    def write(self, message: dict[str, Any]) -> None:
        data = json.dumps(message).encode() + b"\n"
        while data:
            data = data[os.write(self.writer, data) :]

    def fail(self, error: BaseException, **where: Any) -> int:
        """Tell what the bot raised, as fully as fits into a line."""
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        for length in (MOST_TEXT, MOST_TEXT // 8, MOST_TEXT // 64, 10):
            try:
                report = {**where, "error": describe(error, self.folder, length)}
                if len(json.dumps(report)) < self.most:
                    self.write(report)
                    return 1
            except MemoryError:
                continue
        self.write({**where, "error": {"type": type(error).__name__[:20]}})
        return 1


def describe(error: BaseException, folder: str, length: int = MOST_TEXT) -> dict[str, Any]:
    """An exception for the bot's author: frames of its own files only, with paths relative to its folder.

    Args:
        error: what was raised.
        folder: the bot's.
        length: most characters of each text.
    """
    names = [type(each).__name__[: min(length, 100)] for each in _chain(error)]
    frames = []
    for frame in traceback.extract_tb(error.__traceback__):
        name = os.path.relpath(frame.filename, folder) if frame.filename.startswith(os.sep) else frame.filename
        if not name.startswith(("..", "<")):
            frames.append(traceback.FrameSummary(name, frame.lineno, frame.name, lookup_line=False, line=frame.line))
    skipped = len(frames) - MOST_FRAMES
    text = f"  ... {skipped} frames ...\n" if skipped > 0 else ""
    text += "".join(traceback.format_list(frames[-MOST_FRAMES:]))
    try:
        last = "".join(traceback.format_exception_only(error)).replace(folder + os.sep, "")
        message = str(error).replace(folder + os.sep, "")
    except Exception as other:
        last = message = f"<its text raised {type(other).__name__}>"
    return {
        "type": names[0],
        "causes": names[1:5],
        "message": message[:length],
        "traceback": (text + last)[-length:],
    }


def _chain(error: BaseException) -> list[BaseException]:
    """An exception and what it came from."""
    chain: list[BaseException] = []
    each: BaseException | None = error
    while each is not None and each not in chain:
        chain.append(each)
        each = each.__cause__ or each.__context__
    return chain


def load(folder: str, entry: str, language: str) -> Callable[[Spec], Player]:
    """What makes the bot, once its spec is known. Its file is run here.

    Raises:
        AttributeError: the file has no such name.
        TypeError: it is no class with a method act, and no function.
    """
    module_name, _, name = entry.partition(":")
    if language == "kaggle":
        return load_kaggle(folder, module_name, name)
    module = load_module(folder, module_name)
    found = getattr(module, name, None)
    if found is None:
        raise AttributeError(f"{module_name}.py defines no {name}, which entry = {entry!r} asks for")
    if isinstance(found, type):
        if not callable(getattr(found, "act", None)):
            raise TypeError(f"class {name} has no method act(self, observation, action_mask, clock)")
        if getattr(found, "__init__", None) is object.__init__:  # a bot that wants to know nothing of the game
            return lambda spec: _Made(found())
        return lambda spec: _Made(found(spec))
    if not callable(found):
        raise TypeError(f"{name} is neither a class nor a function")
    return lambda spec: _Function(found)


def load_kaggle(folder: str, module_name: str, name: str) -> Callable[[Spec], Player]:
    """A Kaggle agent: its file is run anew for every match, as Kaggle does."""

    def fresh() -> Callable[..., Any]:
        forget(folder)
        function: Callable[..., Any] | None = getattr(load_module(folder, module_name), name, None)
        if not callable(function):
            raise AttributeError(f"{module_name}.py defines no function {name}")
        return function

    first = fresh()
    return lambda spec: KaggleBot(spec, first, fresh)


def load_module(folder: str, name: str) -> ModuleType:
    """Runs a bot's file. A name that is taken, such as `random`, becomes `bot_random`: the other keeps its own."""
    if "." in name:
        return importlib.import_module(name)
    path = Path(folder, name + ".py")
    if not path.exists():
        path = Path(folder, name, "__init__.py")
    known = name if name not in sys.modules and name not in sys.stdlib_module_names else f"bot_{name}"
    spec = importlib.util.spec_from_file_location(known, path)
    assert spec is not None and spec.loader is not None  # the path ends in .py
    module = importlib.util.module_from_spec(spec)
    sys.modules[known] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[known]
        raise
    return module


def forget(folder: str) -> None:
    """Drop the modules of a bot's folder."""
    inside = folder + os.sep
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(inside):
            del sys.modules[name]


def _nothing(seed: int, agent: str) -> None:
    """The `reset` of a bot that has none."""


class _Made:
    """A bot that is a class: `reset` is optional."""

    def __init__(self, bot: Any) -> None:
        self.act = bot.act
        self.reset = getattr(bot, "reset", _nothing)


class _Function:
    """A bot that is a function `act`."""

    def __init__(self, act: Callable[..., Any]) -> None:
        self.act, self.reset = act, _nothing
