"""Starting bots' processes cheaply: forked, confined, from an interpreter that is up already."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Collection, Sequence
from typing import Self

from agents.bots.container import Containers
from agents.bots.core import Clocks, Isolation, Limits
from agents.bots.interpreter import Interpreter
from agents.bots.process import BotProcess
from agents.bots.sandbox import bwrap, layers
from agents.bots.sandbox.confine import plan_for
from agents.bots.sandbox.rlimits import tasks_limit
from agents.bots.source import BotSource
from arenas.core import ArenaSpec

log = logging.getLogger("league.bots")

IMAGE = "league-bots"
SPARE = 4
"""Interpreters without a living process that `strict`, where each folder has its own, keeps warm."""


class Nursery:
    """Starts bots. One serves a whole evaluator or command; its own process starts with the first bot.

    Args:
        isolation: how bots are confined.
        limits: what one bot may use.
        preload: modules that are loaded before any bot, so that none waits for them.
        image: what a container of `docker` is made from.
        without: layers that are left off, for tests that show what each of them does.
        waiting: called again and again while a bot thinks, on its time; what it raises ends that bot.
    """

    def __init__(
        self,
        isolation: Isolation = Isolation.AUTO,
        limits: Limits | None = None,
        preload: Sequence[str] = ("numpy",),
        *,
        image: str = IMAGE,
        without: Collection[str] = (),
        waiting: Callable[[], None] | None = None,
    ) -> None:
        self._waiting = waiting
        self.isolation, self.limits = isolation, limits or Limits()
        self._preload, self._off = list(preload), frozenset(without)
        self._containers = Containers(image, self.limits)
        self._interpreters: dict[str, Interpreter] = {}  # by the bot's folder in strict, else one by ""
        self._tasks = tasks_limit(self.limits.threads)
        self._told = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def layers(self) -> list[str]:
        """The layers of the sandbox on this machine, a line each, for people.

        Raises:
            SandboxUnavailableError: one that this isolation needs is missing.
        """
        return layers.require(self.isolation).describe().splitlines()

    def start(self, source: BotSource, spec: ArenaSpec, clocks: Clocks) -> BotProcess:
        """Start a bot and wait until it is ready to play. At the first one the log says which layers confine them all.

        Raises:
            BotFailedError: it is not within `clocks.start`.
            SandboxUnavailableError: this machine cannot isolate it.
            InfraError: the host could not start it.
        """
        found = layers.require(self.isolation)
        if not self._told:
            self._told = True
            for line in found.describe().splitlines():
                log.info("sandbox: %s", line)
        contained = self.isolation is Isolation.DOCKER
        starter = self._containers.make() if contained else self._interpreter(source)
        request = {
            "folder": str(source.folder),
            "language": source.language,
            "entry": source.entry,
            "command": list(source.command),
            "plan": "" if contained else self._plan(source, found.without | self._off),
        }
        ours, theirs = _pipes() if contained or source.language == "command" else _socketpair()
        output, output_end = os.pipe()
        try:
            pid, pidfd = starter.start(request, [*theirs, output_end])
        except BaseException:
            for fd in (*ours, output):
                os.close(fd)
            raise
        finally:
            for fd in (*theirs, output_end):
                os.close(fd)
        process = BotProcess(
            starter,
            pid,
            pidfd,
            (ours[0], ours[-1], output),
            source=source,
            spec=spec,
            clocks=clocks,
            limits=self.limits,
            isolation=self.isolation,
            waiting=self._waiting,
        )
        process.start()
        return process

    def close(self) -> None:
        """End the nursery's own process and every bot."""
        for interpreter in self._interpreters.values():
            interpreter.close()
        self._interpreters = {}
        self._containers.close()

    def _interpreter(self, source: BotSource) -> Interpreter:
        """The one that starts this bot: a new one where there is none, or it has died."""
        strict = self.isolation is Isolation.STRICT
        key = str(source.folder) if strict else ""
        found = self._interpreters.pop(key, None)
        if found is not None and not found.alive:
            found.close()
            found = None
        if found is None:
            found = Interpreter(self._preload, bwrap.prefix([source.folder]) if strict else ())
        self._interpreters[key] = found  # the last one used comes last
        idle = [name for name, each in self._interpreters.items() if not each.living and name != key]
        for name in idle[:-SPARE]:
            self._interpreters.pop(name).close()
        return found

    def _plan(self, source: BotSource, without: frozenset[str]) -> str:
        """What a bot's process may do."""
        command = source.language == "command"
        plan = plan_for(
            str(source.folder),
            command=command,
            memory=self.limits.memory,
            cpu=self.limits.cpu,
            files=self.limits.files,
            tasks=self._tasks,
            keep=(0, 1, 2) if command else (0, 1, 2, 3),
            without=without,
        )
        return plan.to_json()


def _socketpair() -> tuple[list[int], list[int]]:
    """Our and their descriptors of a channel in both directions."""
    ours, theirs = socket.socketpair()
    return [ours.detach()], [theirs.detach()]


def _pipes() -> tuple[list[int], list[int]]:
    """Our (answers, requests) and their (stdin, stdout) descriptors: every language can read and write pipes."""
    stdin, requests = os.pipe()
    answers, stdout = os.pipe()
    return [answers, requests], [stdin, stdout]
