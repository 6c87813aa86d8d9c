"""From a text that names a player to something that plays: the one place where `league match` and its like look.

A player is an id or a name of the run, a role (its newest frozen player), a scripted player with its parameter, a path
to a checkpoint, a folder of `league train` (whose best checkpoint is meant), or a path to a bot. A bot plays in a
process of its own, confined, whoever wrote it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from agents.bots.core import FailureRecord, Isolation
from agents.bots.source import ARCHIVES, load_source
from agents.bots.store import BotStore
from agents.checkpoint import CheckpointStore
from agents.core import Agent
from agents.durable import SUFFIX, is_sha256, read, sha256
from agents.scripted import is_scripted, make
from agents.teams.all_roles import load_player
from arenas.core import Arena
from arenas.match import BATCH
from league.bot_host import BotHost, HostedBot
from league.config import BotsConfig
from league.errors import InputError
from league.roster import Roster, UnplayableError
from league.runs import RunFolder
from league.trained import best_checkpoint, is_trained
from matchmaking.errors import UnknownPlayerError
from matchmaking.records import Kind, Player
from matchmaking.service import Matchmaker

TEMPERATURE = 1.0  # of policies where there is no run


@dataclass(frozen=True, slots=True)
class Entrant:
    """Something that plays.

    Attributes:
        text: how it was named.
        name: for people: a player's name, or that of a file.
        kind: what it is made of.
        version: hash of a checkpoint's or a bot's content; the same text and version are the same player. None of a
            scripted player, whose text says it all.
        actor: what plays.
    """

    text: str
    name: str
    kind: Kind
    version: str | None
    actor: Agent

    @property
    def bot(self) -> HostedBot | None:
        """The actor, where it is a bot."""
        return self.actor if isinstance(self.actor, HostedBot) else None

    def take_failures(self) -> list[FailureRecord]:
        """Why it forfeited matches since the last call; `league.bot_host.match_number` tells which."""
        return [] if self.bot is None else self.bot.take_failures()


class Entrants:
    """Finds what plays in one arena. Bots' processes end when it is closed.

    Args:
        arena: the game.
        run: whose players can be named.
        matchmaker: of that run.
        temperature: of the policies' softmax; 0 plays the most likely action; None takes what the run's rated matches
            are played with, and 1 where there is no run.
        bots: how bots are run; None takes the run's settings, or the defaults.
        isolation: how bots are confined, in place of what those settings say.

    Attributes:
        settings: how bots are run.
        temperature: the number that holds.
    """

    def __init__(
        self,
        arena: Arena,
        *,
        run: RunFolder | None = None,
        matchmaker: Matchmaker | None = None,
        temperature: float | None = None,
        bots: BotsConfig | None = None,
        isolation: Isolation | None = None,
    ) -> None:
        config = None if run is None else run.config()
        if temperature is None:
            temperature = TEMPERATURE if config is None else config.evaluation.temperature
        self.settings = bots or (BotsConfig() if config is None else config.bots)
        if isolation is not None:
            self.settings = self.settings.model_copy(update={"isolation": isolation})
        self._arena, self._run, self._matchmaker, self.temperature = arena, run, matchmaker, temperature
        self._host = BotHost(arena.spec, self.settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every bot."""
        self._host.close()

    def find(self, text: str) -> Entrant:
        """The player that a person means, ready to play; a bot that is asked for twice is two.

        A bare word is a player of the run or a scripted player before it is a folder of that name.

        Raises:
            InputError: a player that cannot play here.
            UnknownPlayerError, ScriptedPlayerError: a player that cannot be found.
            CheckpointError: a checkpoint that is damaged or of another arena.
            BotRejectedError: a path to what is no bot.
        """
        path = Path(text)
        if text.endswith(SUFFIX) or (os.sep in text and path.is_file() and is_sha256(path.stem)):
            return self._checkpoint(text, path)
        if os.sep in text or text.endswith((".py", *ARCHIVES)):
            return self._bot(text, path)
        if is_scripted(text):
            return Entrant(text, text, Kind.SCRIPTED, None, make(text, self._arena.spec))
        if self._matchmaker is not None and self._run is not None:
            if path.is_dir() and not _has(self._matchmaker, text):
                return self._bot(text, path)
            return self._member(text, self._matchmaker.find(text), self._run)
        if path.is_dir():
            return self._bot(text, path)
        return Entrant(text, text, Kind.SCRIPTED, None, make(text, self._arena.spec))  # says what there is

    def bot(self, path: Path) -> HostedBot:
        """The bot at a path.

        Raises:
            BotRejectedError: there is none.
            InputError: it does not play this arena.
        """
        source = load_source(path)
        return self._host.actor(source, source.name)

    def _checkpoint(self, text: str, path: Path) -> Entrant:
        agent = load_player(path, self._arena, self.temperature)
        version = path.stem if is_sha256(path.stem) else sha256(read(path))
        return Entrant(text, path.stem, Kind.FROZEN, version, agent)

    def _bot(self, text: str, path: Path) -> Entrant:
        if is_trained(path):
            return self._checkpoint(text, best_checkpoint(path))
        source = load_source(path)
        return Entrant(text, source.name, Kind.BOT, source.version, self._host.actor(source, source.name))

    def _member(self, text: str, player: Player, run: RunFolder) -> Entrant:
        checkpoints, bots = CheckpointStore(run.checkpoints), BotStore(run.bots)
        roster = Roster(self._arena, checkpoints, self.temperature, lambda _: player, (bots, self._host))
        try:
            agent = roster.agent(player.id)
        except UnplayableError as error:
            raise InputError(str(error)) from error
        version = player.checkpoint if player.kind is Kind.FROZEN else player.version
        return Entrant(text, player.name, player.kind, version, agent)


def _has(matchmaker: Matchmaker, text: str) -> bool:
    try:
        matchmaker.find(text)
    except UnknownPlayerError:
        return False
    return True


def told_apart(names: Sequence[str]) -> list[str]:
    """Names that are unique: one that several have gets a number."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(f"{name}#{seen[name]}" if names.count(name) > 1 else name)
    return found


def batch_of(entrants: Iterable[Entrant], settings: BotsConfig) -> int:
    """How many pairs these play at once: a bot has a process for each."""
    return settings.lanes if any(entrant.bot is not None for entrant in entrants) else BATCH


def codes(failures: Sequence[FailureRecord]) -> dict[str, int]:
    """How often each code of failure came, the most frequent first."""
    return dict(Counter(str(record.code) for record in failures).most_common())
