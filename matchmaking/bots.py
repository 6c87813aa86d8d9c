"""Submitted bots in Redis: who entered what, whether it is matched, and how it failed.

Keys: `bots` player id -> what was submitted, written once; `bot_states` id -> "state reason", where it is not active as
it was entered; `bot_failures:ID` the last failure records of a bot; `bot_streaks` id -> matches in a row that it has
failed; `bot_failed` "id pairing" -> answer that the report of a pairing got, so that a pairing counts once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager

from matchmaking.bot_records import BotRecord, BotState
from matchmaking.errors import NameTakenError, UnknownPlayerError
from matchmaking.intact import intact
from matchmaking.records import Player
from matchmaking.run_records import Ticket
from matchmaking.session import Session

KEPT_FAILURES = 100
"""Failure records that are kept of a bot: the newest."""


class BotRegistry:
    """The bots of one run."""

    def __init__(self, session: Session, turn: Callable[[], AbstractContextManager[Ticket]]) -> None:
        self._session = session
        self._turn = turn

    def enter(self, player: Player, bot: BotRecord, *, supersedes: str | None, entered: int) -> bool:
        """Register a bot's player, record the bot and supersede the version before it, all in one step.

        Args:
            player: its record, with an id that the caller has drawn; the same id again changes nothing.
            bot: what was submitted; its `state` and `reason` are not looked at: it is active.
            supersedes: id of the active or suspended bot whose place it takes.
            entered: how many bots there were when the caller looked whether this one may enter.

        Returns:
            False where another bot was entered meanwhile, by which the caller's reasons may have changed; nothing was
            written.

        Raises:
            NameTakenError: another player has this name.
        """
        if bot.player != player.id:
            raise ValueError(f"the record is of player {bot.player}, not of {player.id}")
        now = self._session.now()
        player = player.model_copy(update={"created": player.created or now})
        bot = bot.model_copy(update={"submitted": bot.submitted or now, "state": BotState.ACTIVE, "reason": ""})
        keys = ["players", "player_ids", "player_names", "bots", "bot_states"]
        reason = f"{BotState.SUPERSEDED} by {player.name}"
        answer: int = self._session.call(
            "enter_bot",
            keys,
            player.id,
            player.name,
            player.model_dump_json(),
            bot.model_dump_json(),
            entered,
            supersedes or "",
            reason,
        )
        if answer < 0:
            raise NameTakenError(f"the name {player.name!r} belongs to another player: names are unique in a run")
        return answer == 1

    def put(self, bot: BotRecord) -> BotRecord:
        """Record a bot whose player is registered already; the first write stands, and is returned."""
        if not bot.submitted:
            bot = bot.model_copy(update={"submitted": self._session.now()})
        entered = bot.model_copy(update={"state": BotState.ACTIVE, "reason": ""})
        text: bytes = self._session.call("set_field", ["bots"], bot.player, entered.model_dump_json(), 1)
        with intact(self._session.run, "bots"):
            return BotRecord.model_validate_json(text)

    def count(self) -> int:
        """How many bots were ever entered."""
        return int(self._session.read("HLEN", "bots"))

    def get(self, player: str) -> BotRecord | None:
        """The bot of a player; None where it is no submitted bot."""
        text = self._session.read("HGET", "bots", player)
        if text is None:
            return None
        state = self._session.read("HGET", "bot_states", player)
        with intact(self._session.run, "bots"):
            return _with_state(text, state)

    def all(self) -> dict[str, BotRecord]:
        """All bots by player id, in the order of submission."""
        stored: Mapping[bytes, bytes] = self._session.read("HGETALL", "bots")
        states: Mapping[bytes, bytes] = self._session.read("HGETALL", "bot_states")
        with intact(self._session.run, "bots"):
            bots = [_with_state(text, states.get(player)) for player, text in stored.items()]
        return {bot.player: bot for bot in sorted(bots, key=lambda bot: (bot.submitted, bot.player))}

    def newest(self, lineage: str) -> BotRecord | None:
        """The version that a lineage's name stands for: the newest that is active, else the newest."""
        versions = [bot for bot in self.all().values() if bot.lineage == lineage]
        active = [bot for bot in versions if bot.state is BotState.ACTIVE]
        return next(reversed(active or versions), None)

    def set_state(
        self, player: str, state: BotState, reason: str = "", only_from: Collection[BotState] = tuple(BotState)
    ) -> bool:
        """Change whether a bot is matched. One that is made active again has no failing matches behind it.

        Args:
            player: id.
            state: the new one.
            reason: why, in one line.
            only_from: where its state is none of these, nothing changes.

        Returns:
            Whether it was changed.

        Raises:
            UnknownPlayerError: it is no submitted bot.
        """
        keys = ["clients", "bots", "bot_states", "bot_streaks"]
        words = " ".join(reason.split())
        with self._turn() as (client, number):
            done: int = self._session.call(
                "set_bot_state", keys, client, number, player, state.value, words, *(each.value for each in only_from)
            )
        if done < 0:
            raise UnknownPlayerError(f"player {player!r} is no submitted bot of run {self._session.run!r}")
        return done == 1

    def record_failures(self, player: str, pairing: str, failed: Sequence[bool], records: Sequence[str]) -> int:
        """Enter how a bot fared in the matches of a pairing, once a pairing.

        Args:
            player: id.
            pairing: id.
            failed: for each match in the order of play, whether the bot failed it.
            records: the failure records as JSON, oldest first; the newest `KEPT_FAILURES` of a bot are kept.

        Returns:
            The most matches in a row that it had failed at any moment of the pairing, those before it counted.

        Raises:
            UnknownPlayerError: it is no submitted bot.
        """
        letters = "".join("x" if each else "." for each in failed)
        keys = ["bots", f"bot_failures:{player}", "bot_streaks", "bot_failed"]
        longest: int = self._session.call("record_failures", keys, player, pairing, KEPT_FAILURES, letters, *records)
        if longest < 0:
            raise UnknownPlayerError(f"player {player!r} is no submitted bot of run {self._session.run!r}")
        return longest

    def failures(self, player: str) -> list[str]:
        """The failure records of a bot that are kept, as JSON, oldest first."""
        texts = self._session.read("LRANGE", f"bot_failures:{player}", 0, -1)
        with intact(self._session.run, f"bot_failures:{player}"):
            return [text.decode() for text in texts]

    def streak(self, player: str) -> int:
        """How many matches in a row the bot has failed until now."""
        stored = self._session.read("HGET", "bot_streaks", player)
        with intact(self._session.run, "bot_streaks"):
            return int(stored or 0)


def _with_state(text: bytes, state: bytes | None) -> BotRecord:
    bot = BotRecord.model_validate_json(text)
    if state is None:
        return bot
    name, _, reason = state.decode().partition(" ")
    return bot.model_copy(update={"state": BotState(name), "reason": reason})
