"""How far a run's frozen players are from equilibrium, exactly, in the small card games (`agents.exploitability`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ConfigDict

import arenas
from agents.checkpoint import CheckpointStore
from agents.exploitability import GAMES, nash_conv
from agents.policy import load_agent
from league.config import LeagueConfig
from league.errors import InputError, LeagueError
from league.runs import RunFolder
from matchmaking.records import Kind, Player, Role
from matchmaking.service import Matchmaker


class Distance(BaseModel):
    """A player's distance from equilibrium, in chips a hand.

    Attributes:
        id: of the player.
        name: of the player.
        steps: learner samples that it had been trained on.
        seconds: from the run's first registration to its freezing.
        nash_conv: what both seats could gain together by best responses; OpenSpiel's exploitability is half of it.
        improvements: what each seat could gain.
        value: what the player wins in the first seat against itself.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    steps: int
    seconds: float
    nash_conv: float
    improvements: tuple[float, float]
    value: float


def check_arena(config: LeagueConfig) -> None:
    """Raise InputError where NashConv is not known for the run's arena."""
    if config.arena not in GAMES:
        raise InputError(f"exact NashConv works for runs of {' and '.join(GAMES)}; this run's arena is {config.arena}")


def chosen(matchmaker: Matchmaker, names: Sequence[str]) -> list[Player]:
    """The frozen players of these names, or all frozen main agents in the order of freezing.

    Raises:
        InputError: a name is that of a player without a checkpoint.
        UnknownPlayerError: a name is nobody's.
        LeagueError: no main agent has been frozen.
    """
    if names:
        players = [matchmaker.find(name) for name in names]
        for player in players:
            if player.kind is not Kind.FROZEN:
                raise InputError(f"{player.name} is {player.kind.value}: exact NashConv is taken of frozen players")
        return players
    frozen = [
        player for player in matchmaker.players() if player.kind is Kind.FROZEN and player.role is Role.MAIN_AGENT
    ]
    if not frozen:
        raise LeagueError("no main agent of this run has been frozen yet")
    return frozen


def distances(run: RunFolder, matchmaker: Matchmaker, names: Sequence[str] = ()) -> Iterator[Distance]:
    """Measure players one after the other; Leduc poker takes a second or two each.

    Args:
        run: where the checkpoints are.
        matchmaker: of that run.
        names: players by id, name or role; none measures all frozen main agents, in the order of freezing.

    Raises:
        InputError: the run's arena is another, or a player has no policy that can be measured.
        CheckpointError: a checkpoint is missing or damaged.
    """
    config = run.config()
    check_arena(config)
    arena = arenas.make(config.arena, **config.arena_options)
    checkpoints = CheckpointStore(run.checkpoints)
    begun = min(player.created for player in matchmaker.players())
    for player in chosen(matchmaker, names):
        assert player.checkpoint is not None, f"frozen player {player.name} has no checkpoint"
        agent = load_agent(checkpoints.path(player.checkpoint), arena)
        if agent.network.recurrent:
            raise InputError(f"{player.name} has a memory: NashConv needs a policy of the information state alone")
        found = nash_conv(arena, agent.probabilities)
        yield Distance(
            id=player.id,
            name=player.name,
            steps=player.steps,
            seconds=player.created - begun,
            nash_conv=found.nash_conv,
            improvements=found.improvements,
            value=found.value,
        )
