"""The conformance check of what only teams and unlike agents have finds each defect that it is for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from arenas.check import check
from arenas.core import Arena, Observation, State, Step
from arenas.findings import Finding
from arenas.games.speaker_listener import SPEAKER, SpeakerListener
from arenas.games.spread import Spread
from tests.arenas.toy_arenas import Guess, Relay


def found(arena: Arena) -> Finding:
    """The one finding that a defect leads to."""
    findings = check(arena)
    assert len(findings) == 1, [str(finding) for finding in findings]
    return findings[0]


def told(arena: Arena, **changes: Any) -> Arena:
    """An arena that says something else of itself."""
    arena.spec = replace(arena.spec, **changes)
    return arena


class Uneven(Relay):
    """Relay in which the second team has only the first two numbers."""

    spec = replace(Relay.spec, action_counts=(3, 2, 3, 2), roles=("long", "short"))

    def observe(self, state: State, agent: int | None = None, dtype: torch.dtype = torch.float32) -> Observation:
        seen, legal = super().observe(state, agent, dtype)
        short = (self.turn(state) % 2 == 1)[:, None] & (torch.arange(3) == 2)
        return Observation(seen, legal & ~short)


@pytest.mark.parametrize("arena", [Uneven(), SpeakerListener(), Spread(local_ratio=0)], ids=lambda each: each.spec.name)
def test_sound(arena: Arena) -> None:
    assert check(arena) == []


@pytest.mark.parametrize(
    ("changes", "what", "right"),
    [
        ({"roles": ("pair", "pair")}, "roles is ('pair', 'pair')", "names each team by a name of its own"),
        ({"roles": ("a", "b")}, "roles is ('a', 'b')", "names each team by a name of its own"),
        ({"roles": ("",)}, "roles is ('',)", "names each team by a name of its own"),
        ({"action_counts": (3,)}, "action_counts is (3,)", "for each of the 2 agents a number from 1 to 5"),
        ({"action_counts": (3, 6)}, "action_counts is (3, 6)", "for each of the 2 agents a number from 1 to 5"),
        ({"action_counts": (0, 5)}, "action_counts is (0, 5)", "for each of the 2 agents a number from 1 to 5"),
        ({"action_counts": (3, 4)}, "action_counts is (3, 4)", "action_counts of some agent is 5"),
        ({"observation_sizes": (3, 12)}, "observation_sizes is (3, 12)", "2 agents a number from 1 to 11"),
        ({"observation_sizes": (3, 9)}, "observation_sizes is (3, 9)", "observation_sizes of some agent is 11"),
        ({"state_shape": (14, 0)}, "state_shape is (14, 0)", "all sizes are at least 1"),
    ],
)
def test_spec(changes: dict[str, Any], what: str, right: str) -> None:
    finding = found(told(SpeakerListener(), **changes))
    assert finding.what == what
    assert right in finding.right
    assert finding.where == "spec of 'speaker_listener'"


def test_a_global_state_of_a_sequential_arena() -> None:
    assert found(told(Relay(), state_shape=(4,))).right == "only a simultaneous arena has a global state"


@pytest.mark.parametrize(
    ("arena", "right"),
    [
        (told(Guess(), action_counts=(2, 3)), "action_counts = (2, 3)"),
        (told(Relay(), action_counts=(3, 2, 3, 2)), "action_counts = (3, 2, 3, 2)"),
    ],
    ids=["simultaneous", "sequential"],
)
def test_a_padded_action_is_legal(arena: Arena, right: str) -> None:
    finding = found(arena)
    assert finding.what == "an action that its agent does not have is legal"
    assert right in finding.right


@pytest.mark.parametrize(
    ("arena", "right"),
    [
        (told(SpeakerListener(), observation_sizes=(2, 11)), "observation_sizes = (2, 11)"),
        (told(Relay(), observation_sizes=(4, 1, 4, 4)), "observation_sizes = (4, 1, 4, 4)"),
    ],
    ids=["simultaneous", "sequential"],
)
def test_padding_is_not_zero(arena: Arena, right: str) -> None:
    finding = found(arena)
    assert finding.what == "what pads an observation is not zero"
    assert right in finding.right


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda whole: whole[:, 1:], "global_state is torch.float32 [64, 13]"),
        (lambda whole: whole.double(), "global_state is torch.float64 [64, 14]"),
        (lambda whole: whole / 0, "global_state has NaN or infinity"),
        (lambda whole: whole.to(torch.float32), "asked for bfloat16, global_state is torch.float32"),
    ],
)
def test_global_state(spoil: Callable[[Tensor], Tensor], what: str) -> None:
    class Spoilt(SpeakerListener):
        def global_state(self, state: State, dtype: torch.dtype = torch.float32) -> Tensor:
            return spoil(super().global_state(state, dtype))

    assert found(Spoilt()).what == what


def test_a_global_state_without_its_shape() -> None:
    """Padded observations are longer than the state; a state of the same length is held against the observations."""
    assert found(told(SpeakerListener(), state_shape=())).right == "global_state is torch.float32 [64, 22]"

    class Reversed(Spread):
        def global_state(self, state: State, dtype: torch.dtype = torch.float32) -> Tensor:
            return super().global_state(state, dtype).flip(1)

    assert found(Reversed()).what == "global_state is something else than the observations"


def test_rewards_are_not_common() -> None:
    finding = found(told(Guess(3, teams=((0, 2), (1,))), common_reward=True))
    assert finding.what == "agents of team (0, 2) are rewarded unlike"
    assert finding.where.startswith("step ")
    assert check(told(Guess(2), common_reward=True)) == [], "teams of one"


def test_only_the_speaker_is_paid() -> None:
    class Unfair(SpeakerListener):
        def step(
            self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None
        ) -> Step:
            step = super().step(state, actions, uniforms, live)
            return step._replace(rewards=step.rewards * (torch.arange(2) == SPEAKER))

    assert found(Unfair()).what == "agents of team (0, 1) are rewarded unlike"
