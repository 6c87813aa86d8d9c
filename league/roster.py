"""Players made ready to play: an agent from a player's record, the last ones kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from agents.bots.manifest import BotRejectedError
from agents.bots.store import BotStore, BotStoreError
from agents.checkpoint import CheckpointError, CheckpointStore
from agents.core import Agent
from agents.scripted import ScriptedPlayerError, make
from agents.teams.all_roles import load_player
from arenas.core import Arena
from league.bot_host import BotHost
from league.errors import InputError
from matchmaking.records import Kind, Player

CAPACITY = 64


class UnplayableError(Exception):
    """This player cannot play: its checkpoint is damaged, its name stands for nothing, or its kind is not played here.

    Attributes:
        player: its record.
    """

    def __init__(self, player: Player, reason: str) -> None:
        super().__init__(f"{player.name} cannot play: {reason}")
        self.player = player


class Roster:
    """Agents by player, the least recently used given up first.

    Args:
        arena: what they play.
        checkpoints: where frozen players lie.
        temperature: of the policies' softmax; 0 plays the most likely action.
        find: gives the record of a player's id.
        bots: where the run's bots lie, and what starts them; without it bots are not played.
        capacity: how many agents are kept.
    """

    def __init__(
        self,
        arena: Arena,
        checkpoints: CheckpointStore,
        temperature: float,
        find: Callable[[str], Player],
        bots: tuple[BotStore, BotHost] | None = None,
        capacity: int = CAPACITY,
    ) -> None:
        self._arena = arena
        self._checkpoints = checkpoints
        self._temperature = temperature
        self._find = find
        self._bots = bots
        self._capacity = capacity
        self._agents: OrderedDict[str, Agent] = OrderedDict()

    def agent(self, player: str) -> Agent:
        """The agent of the player with this id; a bot's is a new one each time, and the caller's to close.

        Raises:
            UnplayableError: it cannot be built.
        """
        if player not in self._agents:
            record = self._find(player)
            if record.kind is Kind.BOT and record.checkpoint is None:
                return self._bot(record)
            self._agents[player] = self._build(record)
            if len(self._agents) > self._capacity:
                self._agents.popitem(last=False)
        self._agents.move_to_end(player)
        return self._agents[player]

    def _build(self, player: Player) -> Agent:
        if player.kind is Kind.SCRIPTED:
            try:
                return make(player.name, self._arena.spec)
            except ScriptedPlayerError as error:
                raise UnplayableError(player, str(error)) from error
        if player.kind in (Kind.FROZEN, Kind.BOT) and player.checkpoint is not None:
            try:
                path = self._checkpoints.path(player.checkpoint)
                return load_player(path, self._arena, self._temperature)
            except CheckpointError as error:
                raise UnplayableError(player, str(error)) from error
        raise UnplayableError(
            player, f"a player of the kind {player.kind} has no checkpoint to play rated matches with"
        )

    def _bot(self, player: Player) -> Agent:
        if self._bots is None or player.version is None:
            raise UnplayableError(player, "no bots are played here")
        store, host = self._bots
        try:
            return host.actor(store.load(player.version, player.name), player.name)
        except (BotRejectedError, BotStoreError, InputError) as error:
            raise UnplayableError(player, str(error)) from error
