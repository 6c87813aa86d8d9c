"""The players that a run has from its start: its learners and its scripted players."""

from __future__ import annotations

from collections.abc import Sequence

from agents.scripted import is_scripted, names_for
from league.config import PlayersConfig
from league.errors import InputError
from matchmaking.records import Kind, Player, Role, new_id
from matchmaking.store import Store


def register_players(store: Store, players: PlayersConfig, anchors: Sequence[str], arena: str) -> None:
    """Make sure that the run has its learners and its scripted players; those that it has stay as they are.

    Raises:
        InputError: an anchor is no scripted player of the arena.
    """
    for anchor in anchors:
        if not is_scripted(anchor):
            raise InputError(
                f"evaluation.anchors: no scripted player {anchor!r}; in {arena} there are {', '.join(names_for(arena))}"
            )
    known = {player.name for player in store.players()}
    for role, name in learner_names(players):
        if name not in known:
            store.register(Player(id=new_id("p"), name=name, kind=Kind.LEARNER, role=role))
    for anchor in anchors:
        if anchor not in known:
            store.register(Player(id=new_id("p"), name=anchor, kind=Kind.SCRIPTED))


def learner_names(players: PlayersConfig) -> list[tuple[Role, str]]:
    """Role and name of every learner that the configuration asks for, main agents first."""
    counts = players.counts()
    return [(role, f"{role}-{number}") for role in Role for number in range(1, counts.get(role, 0) + 1)]
