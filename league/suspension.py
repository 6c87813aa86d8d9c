"""Bots that keep failing are left out, with the reason."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from agents.bots.core import FailureRecord
from matchmaking.bot_records import BotState
from matchmaking.records import Player
from matchmaking.store import Store

log = logging.getLogger("league")


def note_failures(
    store: Store,
    bot: Player,
    pairing: str,
    matches: int,
    failures: Sequence[tuple[int, FailureRecord]],
    suspend_after: int,
) -> bool:
    """Keep the failure records of a pairing, and suspend a bot that has failed too often in a row.

    Args:
        store: the run.
        bot: who played.
        pairing: id.
        matches: how many it had.
        failures: (number of the match, why the bot failed in it).
        suspend_after: failed matches in a row, over all pairings, after which it gets no more; 0 never suspends.

    Returns:
        Whether it was suspended now.
    """
    failed = {match for match, _ in failures}
    records = [record.model_dump_json() for _, record in failures]
    longest = store.bots.record_failures(bot.id, pairing, [match in failed for match in range(matches)], records)
    if not (suspend_after and failures and longest >= suspend_after):
        return False
    last = failures[-1][1]
    reason = f"it failed {longest} matches in a row, the last by {last.code} in {last.phase}: {last.message}"
    suspended = store.bots.set_state(bot.id, BotState.SUSPENDED, reason, only_from=[BotState.ACTIVE])
    if suspended:
        log.warning("bot %s is suspended: %s", bot.name, reason)
    return suspended


def inactive(store: Store) -> dict[str, str]:
    """Why bots get no matches, by id; active ones are missing."""
    return {
        player: f"{bot.state}{' ' if bot.state is BotState.SUPERSEDED else ': '}{bot.reason}"
        if bot.reason
        else bot.state
        for player, bot in store.bots.all().items()
        if bot.state is not BotState.ACTIVE
    }
