"""Where the bots of one process are started: one nursery, one way to confine them, one set of clocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import torch

from agents.bots.actor import BotActor
from agents.bots.core import FailureRecord
from agents.bots.nursery import Nursery
from agents.bots.source import BotSource
from arenas.core import ArenaSpec
from league.config import BotsConfig
from league.errors import InputError


class HostedBot(BotActor):
    """A bot that remembers its failures from match to match."""

    _earlier: tuple[FailureRecord, ...] = ()

    def begin(self, batch: int, device: torch.device) -> None:
        """See `BotActor.begin`."""
        self._earlier += tuple(record for _, record in self.failures)
        super().begin(batch, device)

    def take_failures(self) -> list[FailureRecord]:
        """Why it forfeited, since the last call."""
        taken = [*self._earlier, *(record for _, record in self.failures)]
        self._earlier, self.failures = (), []
        return taken


class BotHost:
    """Makes actors of bots. Their processes end with it.

    Args:
        spec: of the arena that they play.
        settings: how they are confined, how long they may take, what they may use.
        waiting: called again and again while a bot thinks; it has to be quick, and what it raises ends the match.
    """

    def __init__(
        self, spec: ArenaSpec, settings: BotsConfig | None = None, waiting: Callable[[], None] | None = None
    ) -> None:
        self.settings = settings or BotsConfig()
        self._spec, self._waiting = spec, waiting
        self._nursery: Nursery | None = None

    @property
    def nursery(self) -> Nursery:
        """What starts them; its own process starts with the first bot."""
        if self._nursery is None:
            settings = self.settings
            self._nursery = Nursery(settings.isolation, settings.limits, image=settings.image, waiting=self._waiting)
        return self._nursery

    def actor(self, source: BotSource, name: str, pairing: str | None = None) -> HostedBot:
        """The bot, ready to sit down; closing it ends its processes.

        Raises:
            InputError: it does not play this arena.
        """
        if source.arenas and self._spec.name not in source.arenas:
            raise InputError(f"bot {name} plays {', '.join(source.arenas)}, not {self._spec.name}")
        return HostedBot(self.nursery, source, self._spec, self.settings.clocks, name=name, pairing=pairing)

    def close(self) -> None:
        """End every bot."""
        if self._nursery is not None:
            self._nursery.close()
            self._nursery = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def match_number(record: FailureRecord) -> int:
    """The number of the match in its pairing that a bot's failure ended."""
    return int((record.match or "0").rpartition("/")[2])
