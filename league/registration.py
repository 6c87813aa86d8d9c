"""The players that a run has from its start: its learners and its scripted players."""

from __future__ import annotations

from agents.scripted import is_scripted, names_for
from league.config import LeagueConfig
from league.errors import InputError
from matchmaking.records import Kind, Player, new_id
from matchmaking.store import Store


def register_players(store: Store, config: LeagueConfig) -> None:
    """Make sure that the run has its learners and its scripted players; those that it has stay as they are.

    Raises:
        InputError: an anchor is no scripted player of the arena.
    """
    anchors = config.evaluation.anchors
    for anchor in anchors:
        if not is_scripted(anchor):
            there = ", ".join(names_for(config.arena))
            raise InputError(f"evaluation.anchors: no scripted player {anchor!r}; in {config.arena} there are {there}")
    known = {player.name for player in store.players()}
    for name, role in config.learners_by_name().items():
        if name not in known:
            store.register(Player(id=new_id("p"), name=name, kind=Kind.LEARNER, role=role))
    for anchor in anchors:
        if anchor not in known:
            store.register(Player(id=new_id("p"), name=anchor, kind=Kind.SCRIPTED))
