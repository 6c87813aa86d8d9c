"""Who forfeits a match is the referee's word, never read from the sign of a reward.

PettingZoo's TerminateIllegalWrapper ends the game with -1 for the offender and 0 for its opponent: in a game of two
that looks like a loss that nobody won, and a table of results would hold it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any

import pettingzoo
import pytest
import torch
from pettingzoo.utils import wrappers
from torch import Tensor

from arenas.core import Arena, Observation, State, Step
from arenas.env_pool import ArenaFault
from arenas.env_worker import strip_checks
from arenas.games.connect_four import ConnectFour
from arenas.match import FORFEIT, NOT_PLAYED, Actor, IllegalActionError, play_matches, play_pairs
from arenas.pettingzoo import from_pettingzoo
from arenas.random import derive_seeds
from tests.arenas.toy_arenas import Constant, Guess, Random, Recording, Relay

NAME = "classic/connect_four-v3"


def chain(env: Any) -> list[type]:
    """The classes of an environment and of what it wraps."""
    found = [type(env)]
    while isinstance(env, wrappers.BaseWrapper):
        env = env.env
        found.append(type(env))
    return found


def test_the_wrapper_does_what_we_keep_out() -> None:
    env = pettingzoo.make("aec", NAME)
    assert wrappers.TerminateIllegalWrapper in chain(env)
    env.reset(seed=0)
    for _ in range(7):  # the column is full after six
        env.step(0)
    assert env.rewards == {"player_0": -1, "player_1": 0}
    assert wrappers.TerminateIllegalWrapper not in chain(strip_checks(env))


def test_an_illegal_action_in_a_foreign_arena_is_an_error_and_no_result() -> None:
    with (
        closing(from_pettingzoo(f"pettingzoo:{NAME}", workers=1)) as arena,
        pytest.raises(IllegalActionError) as caught,
    ):
        play_matches(arena, (Constant(0), Constant(0)), derive_seeds(1, 2))
    assert (caught.value.agent, caught.value.step, caught.value.action) == ("player_0", 6, 0)


def test_an_illegal_action_that_reaches_the_environment_is_a_fault_and_no_reward() -> None:
    with closing(from_pettingzoo(f"pettingzoo:{NAME}", workers=1)) as arena:
        state = arena.reset(torch.full((1, 1), 0.5))
        zeros = torch.zeros(1, dtype=torch.int64)
        for _ in range(6):
            state = arena.step(state, zeros).state
        with pytest.raises(ArenaFault):
            arena.step(state, zeros)


class Failing(Random):
    """Plays uniformly, and fails in given matches when it is asked for the n-th time."""

    def __init__(self, matches: tuple[int, ...], at: int = 0) -> None:
        self.matches, self.at = matches, at
        self.told: list[tuple[list[str], list[int], list[int]]] = []
        self.asked: list[Tensor] = []
        self.steps: list[int] = []

    def sit(self, agents: Sequence[str], seeds: Sequence[int], matches: Sequence[int]) -> None:
        self.told.append((list(agents), list(seeds), list(matches)))

    def at_step(self, step: int) -> None:
        self.steps.append(step)

    def begin(self, batch: int, device: torch.device) -> None:
        self.calls = 0

    def act(self, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
        self.asked.append(live)
        answers = super().act(observation, uniforms, live)
        agents, _, matches = self.told[-1]
        fails = torch.tensor([number in self.matches for number in matches] * len(agents))
        self.calls += 1
        return torch.where(fails & (self.calls > self.at), FORFEIT, answers)


class Watching(ConnectFour):
    """Connect Four that remembers every action that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        assert live is not None
        self.seen.append(actions[live])
        return super().step(state, actions, uniforms, live)


def test_a_forfeit_ends_its_match_and_no_other() -> None:
    arena, seeds = Watching(), derive_seeds(3, 5)
    sound = play_matches(ConnectFour(), (Random(), Random()), seeds, record=True)
    actor = Failing((1, 3), at=2)
    outcomes = play_matches(arena, (Random(), actor), seeds, record=True)
    assert outcomes.forfeits.tolist() == [[False, row in (1, 3)] for row in range(5)]
    assert outcomes.actions is not None
    assert sound.actions is not None
    for row in (1, 3):
        assert outcomes.lengths[row] == 5  # three moves of the first, two of the second
        assert outcomes.actions[row, 5] == FORFEIT
        assert bool((outcomes.actions[row, 6:] == NOT_PLAYED).all())
        assert outcomes.returns[row].tolist() == [0.0, 0.0]
        assert not outcomes.truncated[row]
    rest = [0, 2, 4]
    assert torch.equal(outcomes.returns[rest], sound.returns[rest])
    assert torch.equal(outcomes.lengths[rest], sound.lengths[rest])
    assert min(int(actions.min()) for actions in arena.seen) >= 0, "the game has not seen it"
    assert not torch.stack(actor.asked[3:])[:, [1, 3]].any(), "and nobody is asked again"


class FirstIsAhead(Guess):
    """The first team has a point more than it can ever lose."""

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        step = super().step(state, actions, uniforms, live)
        lead = torch.zeros_like(step.rewards)
        lead[:, 0] = 9.0 if live is None else 9.0 * live
        return step._replace(rewards=step.rewards + lead)


@pytest.mark.parametrize(
    "arena", [ConnectFour(), Relay(), Guess(), FirstIsAhead()], ids=lambda arena: type(arena).__name__
)
def test_who_forfeits_has_lost_whatever_the_rewards_say(arena: Arena) -> None:
    """PettingZoo's wrapper would give the offender -1 and its opponent 0; a poker player may fold a hand ahead."""
    failing: Actor = Failing((0, 3))
    played = play_pairs(arena, failing, Random(), 3, seed=1)
    assert (played.outcomes[0], played.outcomes[3]) == ("l", "l")
    assert played.forfeits == ((0, 0), (3, 0))
    played = play_pairs(arena, Random(), failing, 3, seed=1)
    assert (played.outcomes[0], played.outcomes[3]) == ("w", "w")
    assert played.forfeits == ((0, 1), (3, 1))


def test_two_forfeits_in_one_step_are_a_draw() -> None:
    played = play_pairs(FirstIsAhead(), Failing((0, 1)), Failing((1, 2)), 2, seed=1)
    assert played.outcomes[:3] == "ldw"
    assert played.forfeits == ((0, 0), (1, 0), (1, 1), (2, 1))


def test_a_forfeit_loses_a_score_duel() -> None:
    """However much was collected before: and where both failed in their halves, nobody has won."""
    arena = Guess(2, teams=((0, 1),))
    sound = play_pairs(arena, Constant(1), Constant(0), 20, seed=4)
    won = tuple(match for match, letter in enumerate(sound.outcomes) if letter == "w")

    class Late(Failing):
        def act(self, observation: Observation, uniforms: Tensor, live: Tensor) -> Tensor:
            answers = super().act(observation, uniforms, live)
            return torch.where(answers == FORFEIT, FORFEIT, 1)

    played = play_pairs(arena, Late(won), Constant(0), 20, seed=4)
    assert won
    assert {played.outcomes[match] for match in won} == {"l"}
    both = play_pairs(arena, Failing((0, 1)), Failing((1, 2)), 2, seed=4)
    assert both.outcomes[:3] == "ldw"
    assert both.forfeits == ((0, 0), (1, 0), (1, 1), (2, 1))


def test_one_agent_of_a_team_forfeits_for_all_of_it() -> None:
    team = Failing((1,), at=1)  # its second agent to move
    played = play_pairs(Relay(), Random(), team, 1, seed=0, record=True)
    assert played.outcomes[1] == "w"
    assert played.forfeits == ((1, 1),)
    assert played.plays[1].forfeits == (0,), "it sat in the first seat"
    assert played.plays[1].actions[-1] == FORFEIT


def test_plays_hold_what_was_played() -> None:
    a, b = Random(), Failing((5,), at=3)
    played = play_pairs(ConnectFour(), a, b, 3, seed=8, record=True)
    assert [play.match for play in played.plays] == list(range(6))
    assert [play.seats for play in played.plays] == [(0, 1), (1, 0)] * 3
    assert [play.game for play in played.plays] == [0, 1] * 3
    assert all(NOT_PLAYED not in play.actions for play in played.plays)
    assert [play.forfeits for play in played.plays] == [()] * 5 + [(0,)]
    assert play_pairs(ConnectFour(), a, b, 3, seed=8).plays == ()
    for play, letter in zip(played.plays[:5], played.outcomes[:5], strict=True):
        ours = play.returns[play.seats.index(0)]
        assert letter == ("w" if ours > 0 else "l" if ours < 0 else "d")


def test_plays_of_simultaneous_arenas_and_of_duels() -> None:
    played = play_pairs(Guess(), Random(), Failing((2,)), 2, seed=8, record=True)
    assert all(len(step) == 2 for play in played.plays for step in play.actions if isinstance(step, tuple))
    assert played.plays[2].actions[0][1] == FORFEIT  # type: ignore[index]
    duel = play_pairs(Guess(2, teams=((0, 1),)), Random(), Random(), 2, seed=8, record=True)
    assert [(play.match, play.seats) for play in duel.plays] == [(n, (side,)) for n in range(4) for side in (0, 1)]


def test_an_actor_is_told_which_matches_it_plays() -> None:
    actor = Failing(())
    play_pairs(ConnectFour(), Recording(), actor, 3, seed=8, batch=2)
    assert [matches for _, _, matches in actor.told] == [[0, 2], [1, 3], [4], [5]]
    assert [agents for agents, _, _ in actor.told] == [["player_1"], ["player_0"]] * 2
    assert actor.told[0][1] == actor.told[1][1] == derive_seeds(8, 2).tolist()
    plies = actor.steps.index(0)  # the second game, in which it moves first
    assert actor.steps[:plies] == list(range(1, 2 * plies, 2))
    assert actor.steps[plies : plies + 3] == [0, 2, 4]


def test_an_illegal_action_of_ours_is_still_an_error() -> None:
    with pytest.raises(IllegalActionError):
        play_pairs(ConnectFour(), Constant(-3), Random(), 1, seed=0)
