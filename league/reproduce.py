"""A bot asked again what it was asked in a match: where it answers otherwise, and where it fails."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from agents.bots.core import FailureRecord
from arenas.core import Arena, Observation
from arenas.match import FORFEIT
from arenas.replay import MatchRecord, Moment, moments
from league.bot_host import HostedBot


@dataclass(frozen=True, slots=True)
class Difference:
    """A step in which the bot answers otherwise than it did.

    Attributes:
        step: of the match.
        agent: the slot that it played.
        then: what is written down; `FORFEIT` where it failed.
        now: what it answers.
    """

    step: int
    agent: str
    then: int
    now: int


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What came of it.

    Attributes:
        asked: how many moves it was asked for.
        differences: where it answered otherwise.
        failure: why it failed; None where it did not.
        failed_then: whether it forfeited the match that is written down.
    """

    asked: int
    differences: tuple[Difference, ...]
    failure: FailureRecord | None
    failed_then: bool

    @property
    def same(self) -> bool:
        """Whether it did what it did then, a failure at the same move included."""
        return not self.differences and (self.failure is not None) == self.failed_then


def reproduce(arena: Arena, record: MatchRecord, team: int, bot: HostedBot) -> Reproduction:
    """Show a bot what one team was shown in a match, position by position, and take its answers.

    The match goes on as it is written down, whatever the bot answers; it ends where the bot fails.

    Raises:
        ReplayError: the record does not come out as it is written.
        InfraError: the host failed.
    """
    spec = arena.spec
    agents = spec.teams[team]
    pairing, _, number = record.id.rpartition("/")
    bot.pairing = pairing or None
    bot.sit([spec.agents[agent] for agent in agents], [record.seed], [int(number) if number.isdigit() else 0])
    bot.begin(len(agents), torch.device("cpu"))
    asked = 0
    differences: list[Difference] = []
    failed_then = any(note.team == team for note in record.forfeits)
    for moment in moments(arena, record):
        live = torch.tensor([agent in moment.played for agent in agents])
        if not live.any():
            continue
        bot.at_step(moment.step)
        answers = bot.act(_view(moment, agents, live), torch.zeros(len(agents), spec.num_actions), live).tolist()
        for agent, answer in zip(agents, answers, strict=True):
            then = moment.played.get(agent)
            if then is not None:
                asked += 1
                if answer != then:
                    differences.append(Difference(moment.step, spec.agents[agent], then, answer))
        if FORFEIT in answers:
            return Reproduction(asked, tuple(differences), bot.take_failures()[0], failed_then)
    return Reproduction(asked, tuple(differences), None, failed_then)


def _view(moment: Moment, agents: tuple[int, ...], live: Tensor) -> Observation:
    """What the agents of a team are shown; blank where they are not to act."""
    observation, mask = (tensor[0, list(agents)] for tensor in moment.seen)
    blank = ~live.view(-1, *([1] * (observation.dim() - 1)))
    return Observation(observation.masked_fill(blank, 0), mask & live[:, None])
