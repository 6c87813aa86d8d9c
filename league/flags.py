"""Players that cannot play rated matches, noted as facts of the run for everybody to see."""

from __future__ import annotations

from matchmaking.records import Player
from matchmaking.store import Store

PREFIX = "unplayable:"  # and the player's id


def flag_unplayable(store: Store, player: Player, reason: str) -> None:
    """Note that a player cannot play, and why."""
    store.set_fact(PREFIX + player.id, reason)


def unplayable(store: Store) -> dict[str, str]:
    """Why players cannot play, by id; those who can are missing."""
    facts = store.facts.items()
    return {name.removeprefix(PREFIX): reason for name, reason in facts if name.startswith(PREFIX) and reason}


def clear_flags(store: Store) -> None:
    """Let everybody be tried again: what was missing or damaged may have been put right since."""
    for player in unplayable(store):
        store.set_fact(PREFIX + player, "")
