"""Who forfeits a match is the referee's word, never read from the sign of a reward.

PettingZoo's TerminateIllegalWrapper ends the game with -1 for the offender and 0 for its opponent: in a game of two
that looks like a loss that nobody won, and a table of results would hold it.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pettingzoo
import pytest
import torch
from pettingzoo.utils import wrappers

from arenas.env_pool import ArenaFault
from arenas.env_worker import strip_checks
from arenas.match import IllegalActionError, play_matches
from arenas.pettingzoo import from_pettingzoo
from arenas.random import derive_seeds
from tests.arenas.toy_arenas import Constant

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
