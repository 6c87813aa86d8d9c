"""The iterated prisoner's dilemma: payoffs, memory, and how a match ends."""

from __future__ import annotations

import pytest
import torch

import arenas
from agents import scripted
from arenas.check import check
from arenas.core import Arena
from arenas.games.prisoners_dilemma import COOPERATE, DEFECT
from arenas.match import play_matches
from arenas.random import derive_seeds
from arenas.registry import ArenaOptionError


@pytest.mark.parametrize(
    "options", [{}, {"rounds": 1}, {"continuation": 0.9, "rounds": 40}, {"payoffs": (2, 3, -1, 0)}]
)
def test_conforms(options: dict[str, object]) -> None:
    assert check(arenas.make("prisoners_dilemma", **options)) == []


def test_payoffs_and_what_is_seen_of_a_round() -> None:
    arena = arenas.make("prisoners_dilemma", payoffs=(3, 5, 0, 1))
    both = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]])
    start = arena.reset(torch.empty(4, 0))
    assert arena.observe(start).observation.argmax(dim=2).tolist() == [[0, 0]] * 4
    step = arena.step(start, both)
    assert step.rewards.tolist() == [[3, 3], [0, 5], [5, 0], [1, 1]]
    seen = arena.observe(step.state)
    assert seen.observation.argmax(dim=2).tolist() == [[1, 1], [2, 3], [3, 2], [4, 4]]  # CC, CD, DC, DD, own first
    assert (seen.observation.sum(dim=2) == 1).all()
    assert seen.action_mask.all()


def returns(arena: Arena, one: str, two: str) -> tuple[list[float], float]:
    played = play_matches(arena, [scripted.make(name, arena.spec) for name in (one, two)], derive_seeds(1, 4))
    return played.returns[0].tolist(), played.lengths.float().mean().item()


def test_scripted_players_over_ten_rounds() -> None:
    arena = arenas.make("prisoners_dilemma")
    assert returns(arena, "tit_for_tat", "tit_for_tat") == ([30, 30], 10)
    assert returns(arena, "tit_for_tat", "always_defect") == ([9, 14], 10)
    assert returns(arena, "always_defect", "always_cooperate") == ([50, 0], 10)
    assert returns(arena, "always_cooperate", "tit_for_tat") == ([30, 30], 10)
    assert scripted.names_for("prisoners_dilemma") == ["always_cooperate", "always_defect", "random", "tit_for_tat"]


def test_tit_for_tat_forgives() -> None:
    arena = arenas.make("prisoners_dilemma", rounds=5)
    player, state = scripted.make("tit_for_tat", arena.spec), arena.reset(torch.empty(1, 0))
    answers = []
    for other in (COOPERATE, DEFECT, DEFECT, COOPERATE, COOPERATE):
        view = arena.observe(state, 0)
        answer = player.act(view, torch.rand(1, 2), torch.tensor([True]))
        answers.append(answer.item())
        state = arena.step(state, torch.tensor([[answers[-1], other]])).state
    assert answers == [COOPERATE, COOPERATE, DEFECT, DEFECT, COOPERATE]


def test_fixed_rounds_terminate() -> None:
    arena = arenas.make("prisoners_dilemma", rounds=2)
    state, actions = arena.reset(torch.empty(1, 0)), torch.zeros(1, 2, dtype=torch.int64)
    first = arena.step(state, actions)
    second = arena.step(first.state, actions)
    assert (first.terminated.item(), second.terminated.item(), second.truncated.item()) == (False, True, False)
    assert not arena.spec.truncates


def test_with_a_continuation_the_limit_truncates() -> None:
    arena = arenas.make("prisoners_dilemma", rounds=2, continuation=0.75)
    state, actions = arena.reset(torch.empty(2, 0)), torch.zeros(2, 2, dtype=torch.int64)
    first = arena.step(state, actions, torch.tensor([[0.7499], [0.75]]))
    assert first.terminated.tolist() == [False, True]
    second = arena.step(first.state, actions, torch.tensor([[0.1], [0.9]]))
    assert (second.terminated.tolist(), second.truncated.tolist()) == ([False, True], [True, False])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"rounds": 0}, "rounds has to be a whole number from 1, not 0"),
        ({"continuation": 1.0}, "continuation has to be a probability between 0 and 1, not 1.0"),
        ({"payoffs": (1, 2, 3)}, "payoffs have to be four numbers"),
        ({"payoffs": (3, 10**400, 0, 1)}, "payoffs have to be four numbers"),
        ({"payoffs": (3, float("nan"), 0, 1)}, "payoffs have to be four numbers"),
        ({"payoffs": (3, 5, 1, 0)}, "temptation > reward > punishment > sucker's payoff"),
        ({"payoff": (3, 5, 0, 1)}, "did you mean payoffs"),
    ],
)
def test_options_are_checked(options: dict[str, object], says: str) -> None:
    with pytest.raises(ArenaOptionError, match=says):
        arenas.make("prisoners_dilemma", **options)


def test_render() -> None:
    arena = arenas.make("prisoners_dilemma")
    state = arena.step(arena.reset(torch.empty(1, 0)), torch.tensor([[0, 1]])).state
    assert arena.render(state, 0) == "round 1 of 10\nplayer_0: cooperate  player_1: defect"
