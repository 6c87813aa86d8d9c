"""The matches of one leased pairing: played, with who forfeited them and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from agents.bots.core import FailureRecord, InfraError
from agents.core import Agent
from arenas.core import Arena, Observation
from arenas.match import BATCH, Play, SeatedActor, SteppedActor, play_pairs
from arenas.replay import ForfeitNote, MatchRecord, write_down
from league.bot_host import HostedBot, match_number
from matchmaking.records import Forfeit, Pairing, Player


class PlayerFaultError(Exception):
    """The host failed where a player's process was concerned: the matches are void.

    Attributes:
        player: whose process it was.
    """

    def __init__(self, player: Player, reason: str) -> None:
        super().__init__(reason)
        self.player = player


@dataclass(frozen=True, slots=True)
class Rated:
    """What came of a pairing.

    Attributes:
        outcomes: as in `MatchResult`.
        forfeits: as in `MatchResult`.
        failures: by player: (number of the match, why it failed in it).
        plays: the matches as they went, where they were recorded.
    """

    outcomes: str
    forfeits: tuple[Forfeit, ...]
    failures: dict[str, list[tuple[int, FailureRecord]]]
    plays: tuple[Play, ...]


class Seat:
    """A player's agent, after each of whose answers `rest` is called."""

    def __init__(self, player: Player, agent: Agent, rest: Callable[[], None]) -> None:
        self.name = player.name
        self.draws = bool(getattr(agent, "draws", True))  # see `arenas.match.Actor`
        self._player, self._agent, self._rest = player, agent, rest

    def sit(self, agents: Sequence[str], seeds: Sequence[int], matches: Sequence[int]) -> None:
        """See `arenas.match.SeatedActor`."""
        if isinstance(self._agent, SeatedActor):
            self._agent.sit(agents, seeds, matches)

    def begin(self, batch: int, device: torch.device) -> None:
        """See `agents.core.Agent.begin`."""
        try:
            self._agent.begin(batch, device)
        except InfraError as error:
            raise PlayerFaultError(self._player, str(error)) from error
        self._rest()

    def at_step(self, step: int) -> None:
        """See `arenas.match.SteppedActor`."""
        if isinstance(self._agent, SteppedActor):
            self._agent.at_step(step)

    def act(self, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
        """See `agents.core.Agent.act`."""
        try:
            answer = self._agent.act(observation, uniforms, live)
        except InfraError as error:
            raise PlayerFaultError(self._player, str(error)) from error
        self._rest()
        return answer


def play_rated(
    arena: Arena,
    pairing: Pairing,
    players: tuple[Player, Player],
    agents: tuple[Agent, Agent],
    rest: Callable[[], None],
    *,
    lanes: int = BATCH,
    record: bool = False,
) -> Rated:
    """Play all matches of a pairing.

    Args:
        arena: the game.
        pairing: what to play.
        players: a and b.
        agents: what plays for them.
        rest: called after each answer; what it raises ends the pairing.
        lanes: pairs that are played at once.
        record: whether to keep how each match went.

    Raises:
        PlayerFaultError: the host failed.
        ActorError: an agent of ours broke the rules.
    """
    a, b = (Seat(player, agent, rest) for player, agent in zip(players, agents, strict=True))
    played = play_pairs(arena, a, b, pairing.pairs, pairing.seed, batch=lanes, record=record)
    failures = {
        player.id: sorted(
            ((match_number(each), each) for each in agent.take_failures()), key=lambda failure: failure[0]
        )
        for player, agent in zip(players, agents, strict=True)
        if isinstance(agent, HostedBot)
    }
    codes = {(match, player): why.code for player, each in failures.items() for match, why in each}
    forfeits = tuple(
        Forfeit(match=match, player=players[side].id, code=codes[match, players[side].id])
        for match, side in played.forfeits
    )
    return Rated(played.outcomes, forfeits, failures, played.plays)


def records(
    pairing: str,
    plays: Sequence[Play],
    failures: Mapping[str, Sequence[tuple[int, FailureRecord]]],
    players: tuple[Player, Player],
    arena: Arena,
    options: dict[str, object],
) -> list[MatchRecord]:
    """The matches of a pairing as they are stored.

    Args:
        pairing: its id.
        plays: its matches.
        failures: as in `Rated`.
        players: a and b.
        arena: the game.
        options: that it was made with.
    """
    written = []
    for play in plays:
        notes = []
        for team in play.forfeits:
            player = players[play.seats[team]]
            why = next(record for match, record in failures[player.id] if match == play.match)
            notes.append(ForfeitNote(team=team, code=why.code, message=why.message))
        written.append(
            write_down(
                play,
                id=f"{pairing}/{play.match}",
                arena=arena.spec.name,
                names=(players[0].name, players[1].name),
                options=options,
                forfeits=notes,
            )
        )
    return written
