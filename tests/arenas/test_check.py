"""The conformance check finds each defect that it is for, says where, and leaves sound arenas alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

import arenas
from arenas.check import check
from arenas.core import Arena, Observation, State, Step, Symmetry
from arenas.findings import Finding
from arenas.games.kuhn_poker import KuhnPoker
from arenas.games.rock_paper_scissors import RockPaperScissors
from arenas.games.tic_tac_toe import TicTacToe
from tests.arenas.toy_arenas import Guess, Relay

SOUND: dict[str, Arena] = {
    **{name: arenas.make(name) for name in arenas.names()},
    "six rounds": arenas.make("rock_paper_scissors", rounds=6),
    "guess": Guess(),
    "three agents": Guess(3, teams=((0, 2), (1,)), truncates=True),
    "relay": Relay(),
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_arena(name: str) -> None:
    assert check(SOUND[name]) == []


@pytest.mark.parametrize("name", ["pettingzoo:classic/tictactoe-v3", "openspiel:kuhn_poker"])
def test_sound_foreign_arena(name: str) -> None:
    options = {"workers": 1} if name.startswith("pettingzoo") else {}
    arena = arenas.make(name, **options)
    findings = check(arena, episodes=6)
    arena.close()
    assert findings == []


def found(arena: Arena) -> Finding:
    """The one finding that a defect leads to."""
    findings = check(arena)
    assert len(findings) == 1, [str(finding) for finding in findings]
    return findings[0]


class Broken(TicTacToe):
    """Tic-tac-toe whose results can be spoilt on their way out."""

    def __init__(self, **changes: Any) -> None:
        self.spec = replace(TicTacToe.spec, **changes)


@pytest.mark.parametrize(
    ("changes", "what", "right"),
    [
        ({"agents": ("a", "a")}, "agents are ('a', 'a')", "every agent has its own name"),
        ({"teams": ((0,),)}, "teams are ((0,),)", "every agent is in exactly one team"),
        ({"teams": ((0, 1), (1,))}, "teams are ((0, 1), (1,))", "every agent is in exactly one team"),
        ({"teams": ((0, 1), ())}, "teams are ((0, 1), ())", "every agent is in exactly one team"),
        ({"num_actions": 0, "symmetries": ()}, "num_actions is 0", "num_actions is at least 1"),
        ({"max_steps": 0}, "max_steps is 0", "max_steps is at least 1"),
        ({"step_uniforms": -1}, "step_uniforms is -1", "step_uniforms is at least 0"),
        ({"observation_shape": (0, 3), "symmetries": ()}, "observation_shape is (0, 3)", "all sizes are at least 1"),
        (
            {"symmetries": (Symmetry(tuple(range(18)), (0, 1, 2, 3, 4, 5, 6, 7, 7)),)},
            "action is (0, 1, 2, 3, 4, 5, 6, 7, 7)",
            "action of a symmetry is a permutation of 0 to 8",
        ),
        (
            {"symmetries": (Symmetry((0, 1), tuple(range(9))),)},
            "observation is (0, 1)",
            "observation of a symmetry is a permutation of 0 to 17",
        ),
    ],
)
def test_spec(changes: dict[str, Any], what: str, right: str) -> None:
    finding = found(Broken(**changes))
    assert finding.what == what
    assert finding.right == right
    assert finding.where.startswith("spec of 'tic_tac_toe'")


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"num_actions": 8, "symmetries": ()}, "action_mask is torch.bool [64, 9]"),
        ({"max_steps": 8}, "an episode goes on after max_steps = 8"),
    ],
)
def test_spec_against_play(changes: dict[str, Any], what: str) -> None:
    assert found(Broken(**changes)).what == what


def test_wrong_number_of_agents() -> None:
    arena = Broken(agents=("a", "b", "c"), teams=((0,), (1,), (2,)))
    assert found(arena).right == "rewards is torch.float32 [64, 3]"


@pytest.mark.parametrize(
    ("spoil", "what", "right"),
    [
        (
            lambda s: s._replace(rewards=s.rewards.double()),
            "rewards is torch.float64 [64, 2]",
            "rewards is torch.float32",
        ),
        (lambda s: s._replace(rewards=s.rewards[:, 0]), "rewards is torch.float32 [64]", "[64, 2]"),
        (
            lambda s: s._replace(rewards=s.rewards / (1 - s.rewards.abs())),
            "a reward is NaN or infinite",
            "rewards are finite",
        ),
        (
            lambda s: s._replace(rewards=s.rewards + 1),
            "an episode that is not live is rewarded or ends",
            "`live` is false",
        ),
        (
            lambda s: s._replace(terminated=s.terminated.long()),
            "terminated is torch.int64 [64]",
            "terminated is torch.bool",
        ),
        (lambda s: s._replace(truncated=None), "truncated is a NoneType", "truncated is torch.bool [64]"),
        (
            lambda s: s._replace(terminated=s.terminated & False, truncated=s.terminated),
            "an episode is truncated, but spec.truncates is False",
            "spec.truncates is True",
        ),
        (
            lambda s: s._replace(state={"mine": s.state["mine"]}),
            "the state has other tensors (mine)",
            "that reset gave",
        ),
    ],
)
def test_step(spoil: Callable[[Step], Step], what: str, right: str) -> None:
    class Spoilt(TicTacToe):
        def step(
            self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None
        ) -> Step:
            return spoil(super().step(state, actions, uniforms, live))

    finding = found(Spoilt())
    assert what in finding.what
    assert right in finding.right
    assert finding.where.startswith("step ")


def test_terminated_and_truncated_at_once() -> None:
    class Both(Broken):
        def step(
            self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None
        ) -> Step:
            step = super().step(state, actions, uniforms, live)
            return step._replace(truncated=step.terminated)

    assert found(Both(truncates=True)).what == "an episode is terminated and truncated at once"


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda o: o._replace(observation=o.observation.double()), "observation is torch.float64 [64, 2, 3, 3]"),
        (lambda o: o._replace(observation=o.observation.flatten(1)), "observation is torch.float32 [64, 18]"),
        (lambda o: o._replace(observation=o.observation / o.observation), "an observation has NaN or infinity"),
        (lambda o: o._replace(action_mask=o.action_mask.float()), "action_mask is torch.float32 [64, 9]"),
        (lambda o: o._replace(action_mask=o.action_mask & False), "no action is legal"),
    ],
)
def test_observe(spoil: Callable[[Observation], Observation], what: str) -> None:
    class Spoilt(TicTacToe):
        def observe(self, state: State, agent: int | None = None, dtype: torch.dtype = torch.float32) -> Observation:
            return spoil(super().observe(state, agent, dtype))

    finding = found(Spoilt())
    assert finding.what == what
    assert finding.where.startswith("observe")


def test_dtype_is_ignored() -> None:
    class Stubborn(TicTacToe):
        def observe(self, state: State, agent: int | None = None, dtype: torch.dtype = torch.float32) -> Observation:
            return super().observe(state, agent)

    assert found(Stubborn()).what == "asked for bfloat16, the observation is torch.float32"


def test_turn() -> None:
    class Third(TicTacToe):
        def turn(self, state: State) -> Tensor:
            return state["turn"] + 2

    finding = found(Third())
    assert (finding.what, finding.right) == ("turn is between 2 and 2", "turn is in [0, 2)")


@pytest.mark.parametrize("base", [TicTacToe, RockPaperScissors])
def test_own_view(base: type[Arena]) -> None:
    """Asked for one agent, it shows what another one sees."""

    class Confused(base):  # type: ignore[valid-type,misc]
        def observe(self, state: State, agent: int | None = None, dtype: torch.dtype = torch.float32) -> Observation:
            seen: Observation = super().observe(state, agent, dtype)
            return seen if agent is None else seen._replace(observation=seen.observation + agent)

    finding = found(Confused())
    assert finding.what == "an agent's own view disagrees with observe()"
    assert finding.where.startswith("observe(agent=1) at step ")


def test_mask_of_an_agent_that_is_not_to_move() -> None:
    class Eager(TicTacToe):
        def observe(self, state: State, agent: int | None = None, dtype: torch.dtype = torch.float32) -> Observation:
            everyone = super().observe(state, None, dtype)
            return super().observe(state, agent, dtype)._replace(action_mask=everyone.action_mask)

    assert "an all-false mask for the others" in found(Eager()).right


class Unfrozen(KuhnPoker):
    """Goes on where `live` is false, but says nothing of it."""

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        step = super().step(state, actions, uniforms, live)
        return step._replace(state={**step.state, "length": state["length"] + 1})


class Talkative(KuhnPoker):
    """Ends and rewards where `live` is false."""

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        step, silent = super().step(state, actions, uniforms), super().step(state, actions, uniforms, live)
        return step._replace(state=silent.state)


class Entangled(KuhnPoker):
    """What happens in one episode depends on which others go on."""

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        step = super().step(state, actions, uniforms, live)
        everyone = live is None or bool(live.all())
        return step if everyone else step._replace(rewards=step.rewards * 2)


class Overwriting(KuhnPoker):
    """Writes into the state that it was given."""

    def step(self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None) -> Step:
        step = super().step(state, actions, uniforms, live)
        state["length"] += 0 if live is None else live.to(torch.int64)
        return step


class Forgetful(KuhnPoker):
    """Draws its cards from torch's global generator."""

    def reset(self, uniforms: Tensor) -> State:
        return super().reset(torch.rand_like(uniforms))


class Neighbourly(KuhnPoker):
    """The cards depend on the size of the batch."""

    def reset(self, uniforms: Tensor) -> State:
        return super().reset((uniforms + len(uniforms) / 200) % 1)


class RenewsAll(KuhnPoker):
    """Starts every episode anew, also those that have not ended."""

    def renew(self, state: State, ended: Tensor, uniforms: Tensor) -> State:
        return self.reset(uniforms)


class RenewsNone(KuhnPoker):
    def renew(self, state: State, ended: Tensor, uniforms: Tensor) -> State:
        return state


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (Unfrozen, "the state 'length' of an episode that is not live changed"),
        (Talkative, "an episode that is not live is rewarded or ends"),
        (Entangled, "pausing other episodes changes this one"),
        (Overwriting, "the state 'length' that it was given changed"),
        (Forgetful, "playing the same seeds again gives another observation"),
        (Neighbourly, "playing 32 instead of 64 gives another observation"),
        (RenewsAll, "an episode that has not ended changed"),
        (RenewsNone, "an ended episode was not started anew"),
    ],
)
def test_rules(kind: type[Arena], what: str) -> None:
    findings = check(kind())
    assert what in [finding.what for finding in findings], [str(finding) for finding in findings]


def test_symmetry_that_is_none() -> None:
    """Exchanging two cells is a permutation, but no symmetry of the game; nor is mirroring the actions alone."""
    swap = (1, 0, *range(2, 9))
    for symmetry in (
        Symmetry(observation=(*swap, *(9 + cell for cell in swap)), action=swap),
        Symmetry(observation=tuple(range(18)), action=TicTacToe.spec.symmetries[0].action),
    ):
        finding = found(Broken(symmetries=(TicTacToe.spec.symmetries[1], symmetry)))
        assert finding.what.startswith("symmetry 1: playing the mirrored actions gives another ")


def test_permutation_in_the_wrong_direction() -> None:
    """A quarter turn whose observation turns the other way: both are symmetries, but not together."""
    quarter = next(each for each in TicTacToe.spec.symmetries if each.action[each.action[0]] != 0)
    turned_back = tuple(quarter.action.index(cell) for cell in range(9))
    finding = found(Broken(symmetries=(Symmetry(quarter.observation, turned_back),)))
    assert finding.what == "symmetry 0: playing the mirrored actions gives another observation"


def test_exception_is_a_finding() -> None:
    class Crashing(TicTacToe):
        def step(
            self, state: State, actions: Tensor, uniforms: Tensor | None = None, live: Tensor | None = None
        ) -> Step:
            raise IndexError("row 9 of 9")

    finding = found(Crashing())
    assert finding.what == "raised IndexError: row 9 of 9"
    assert finding.where.startswith("test_check.py, line ")
    assert finding.where.endswith("in step")


def test_finding_reads_as_a_sentence() -> None:
    finding = found(Broken(max_steps=8))
    assert str(finding).startswith("episode ")
    assert str(finding).endswith(": an episode goes on after max_steps = 8; right would be: " + finding.right)


def test_one_episode_is_too_few() -> None:
    with pytest.raises(ValueError, match="at least 2 episodes, not 1"):
        check(TicTacToe(), episodes=1)
